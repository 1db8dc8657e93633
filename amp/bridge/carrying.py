"""The bridge as one of the followers, with all that it needs of the rooms."""

import asyncio
from contextlib import suppress

from amp import tenancy
from amp.bridge import store as bridge_store
from amp.bridge.consumer import Bridge
from amp.bridge.maps import Maps
from amp.bridge.store import BridgeStore
from amp.errors import StoreUnavailable
from amp.learning import insight_store, policies, user_store
from amp.learning import store as learning_store
from amp.learning.counting import Counting
from amp.learning.insight_store import InsightStore
from amp.learning.policies import Policies
from amp.learning.policy_store import PolicyStore
from amp.learning.recent import Recent
from amp.learning.store import LearningStore
from amp.learning.teaching import Teaching
from amp.learning.token import Sealer
from amp.learning.user_store import UserStore
from amp.ledger.store import LedgerStore
from amp.settings import Settings
from amp.store.connection import Store
from amp.store.functions import Functions
from amp.store.keyring import Keyring, pepper
from amp.tenancy import Tenant

LIBRARIES = (learning_store.LIBRARY, insight_store.LIBRARY, user_store.LIBRARY, bridge_store.LIBRARY)


class Carrying:
    """A bridge, and what keeps it up to date: the tenants' policies, and the counts of what was reported."""

    def __init__(self, settings: Settings, store: Store) -> None:
        functions, secret = Functions(store, LIBRARIES), settings.secret or ""
        self._policies = Policies(policies.first(settings), PolicyStore(store, functions))
        self._counting = Counting(InsightStore.of(settings, store, functions, self._policies), self._policies)
        self._recent = Recent(UserStore(store, functions))
        self._keyring = Keyring(store, pepper(secret))
        self._store = BridgeStore(store, functions)
        teaching = Teaching(
            LearningStore.of(settings, store, functions),
            Sealer(secret.encode()),
            policies=self._policies,
            counting=self._counting,
            recent=self._recent,
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
        follow = (self._policies.follow(), self._counting.follow(), self._recent.follow())
        beside = [asyncio.create_task(each) for each in follow]
        try:
            await self.bridge.run()
        finally:
            for each in beside:
                each.cancel()
            with suppress(StoreUnavailable):
                await self._counting.flush()
                await self._recent.flush()

    async def _tenants(self) -> set[Tenant]:
        return {tenancy.tenant(record.tenant, record.env) for record in await self._keyring.all()}
