"""The process of the followers: what is made of ledgers and sessions after they are written.

Each follows by itself, from where it was, and is started again when it ends; one's trouble is no other's.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from amp import settings as configuration
from amp.bridge.carrying import Carrying
from amp.errors import StoreUnavailable
from amp.ledger import marks as ledger_marks
from amp.ledger import rollup_store
from amp.ledger.folding import STEP_ENTRIES, Folding
from amp.ledger.marks import Marks
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.ledger.store import LedgerStore
from amp.settings import Settings
from amp.store.connection import Store, store_of
from amp.store.functions import Functions
from amp.store.keyring import Keyring, pepper
from amp.tenancy import Tenant, tenant

Follow = Callable[[], Awaitable[None]]
"""Runs until it is cancelled, or raises; called again, it goes on."""

PAUSE_S, PAUSE_MAX_S = 0.5, 10.0
"""Before a follower that ended goes on: twice as long each time, until it has run for the longest."""

_log = logging.getLogger(__name__)
_pause = asyncio.sleep


def main() -> None:
    """Follows with the settings in the environment, until it is stopped."""
    asyncio.run(_run(configuration.load(os.environ)))


async def _run(settings: Settings) -> None:
    store = store_of(settings)
    running = asyncio.ensure_future(keep(followers(settings, store)))
    # ends as if cancelled, so that leases are given up and whoever runs next need not wait for their end
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
    await store.close()


def followers(settings: Settings, store: Store) -> dict[str, Follow]:
    """All of them, by what an operator calls them."""
    functions = Functions(store, [ledger_marks.LIBRARY, rollup_store.LIBRARY])
    keyring = Keyring(store, pepper(settings.secret or ""))

    async def tenants() -> set[Tenant]:
        return {tenant(record.tenant, record.env) for record in await keyring.all()}

    sums = RollupStore(store, functions)
    rollup = Rollup(sums, LedgerStore(store, functions), step=STEP_ENTRIES)
    folding = Folding(sums, rollup, marks=Marks(store, functions), tenants=tenants)
    return {"sums of reports": folding.follow, "bridge": Carrying(settings, store).run}


async def keep(followers: Mapping[str, Follow]) -> None:
    """Runs them all, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for name, follow in followers.items():
            group.create_task(_kept(name, follow))


async def _kept(name: str, follow: Follow) -> None:
    loop, pause_s = asyncio.get_running_loop(), PAUSE_S
    while True:
        since_s = loop.time()
        try:
            await follow()
        except StoreUnavailable:
            _log.debug("The store does not answer who follows the %s.", name)
        except Exception:  # noqa: BLE001  whatever is wrong with one, the others still follow
            _log.exception("Who follows the %s failed, and goes on from where it was.", name)
        if loop.time() - since_s > PAUSE_MAX_S:
            pause_s = PAUSE_S
        await _pause(pause_s)
        pause_s = min(2 * pause_s, PAUSE_MAX_S)
