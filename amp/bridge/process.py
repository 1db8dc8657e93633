"""The bridge as a process beside the workers, with the settings of the environment."""

import asyncio
import os
import signal
from contextlib import suppress

from amp import settings as configuration
from amp import tenancy
from amp.bridge import store as bridge_store
from amp.bridge.consumer import Bridge
from amp.bridge.maps import Maps
from amp.bridge.store import BridgeStore
from amp.errors import StoreUnavailable
from amp.learning import insight_store, policies
from amp.learning import store as learning_store
from amp.learning.counting import Counting
from amp.learning.insight_store import InsightStore
from amp.learning.policies import Policies
from amp.learning.policy_store import PolicyStore
from amp.learning.store import LearningStore
from amp.learning.teaching import Teaching
from amp.learning.token import Sealer
from amp.ledger.store import LedgerStore
from amp.settings import Settings
from amp.store.connection import Store, connect
from amp.store.functions import Functions
from amp.store.keyring import Keyring, pepper
from amp.tenancy import Tenant

LIBRARIES = (learning_store.LIBRARY, insight_store.LIBRARY, bridge_store.LIBRARY)


def main() -> None:
    """Carries until it is stopped."""
    settings = configuration.load(os.environ)
    asyncio.run(_run(settings, connect(settings.redis or "")))


class Carrying:
    """A bridge, and what keeps it up to date: the tenants' policies, and the counts of what was reported."""

    def __init__(self, settings: Settings, store: Store) -> None:
        functions, secret = Functions(store, LIBRARIES), settings.secret or ""
        self._policies = Policies(policies.first(settings), PolicyStore(store, functions))
        self._counting = Counting(InsightStore.of(settings, store, functions, self._policies), self._policies)
        self._keyring = Keyring(store, pepper(secret))
        self._store = BridgeStore(store, functions)
        teaching = Teaching(
            LearningStore.of(settings, store, functions),
            Sealer(secret.encode()),
            policies=self._policies,
            counting=self._counting,
        )
        self.bridge = Bridge(
            self._store,
            LedgerStore(store, functions),
            teaching,
            maps=Maps(self._store),
            tenants=self._tenants,
            window_ms=settings.bridge_window_ms,
        )

    async def run(self) -> None:
        """Carries until cancelled."""
        await self._policies.catch_up()
        beside = [asyncio.create_task(each) for each in (self._policies.follow(), self._counting.follow())]
        try:
            await self.bridge.run()
        finally:
            for each in beside:
                each.cancel()
            with suppress(StoreUnavailable):
                await self._counting.flush()

    async def _tenants(self) -> set[Tenant]:
        return {tenancy.tenant(record.tenant, record.env) for record in await self._keyring.all()}


async def _run(settings: Settings, store: Store) -> None:
    running = asyncio.ensure_future(Carrying(settings, store).run())
    # ends as if cancelled, so that the lease is given up and whoever leads next need not wait for its end
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
    await store.close()
