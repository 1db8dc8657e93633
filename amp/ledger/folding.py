"""Folds entries into the sums of reports, beside the workers, so that a report has little left to do.

It looks where a worker has left a mark, and now and then everywhere, for a worker may have died before it
marked. Several machines share the work: who folds a tenant holds its lease meanwhile.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from amp.errors import StoreUnavailable
from amp.ledger.marks import Marks
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.tenancy import Tenant

POLL_S = 1.0
EVERYWHERE_S = 600.0
STEP_ENTRIES = 1024
"""Folded at a time: nobody waits here."""
STEPS_MAX = 50
"""Of a tenant in one turn: some seconds at most, well within the lease; then the others have theirs."""

Tenants = Callable[[], Awaitable[Iterable[Tenant]]]
"""All that may have a ledger."""

_log = logging.getLogger(__name__)


class Folding:
    """Keeps the sums of all tenants up."""

    def __init__(
        self,
        store: RollupStore,
        rollup: Rollup,
        *,
        marks: Marks,
        tenants: Tenants,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rollup = rollup
        self._marks = marks
        self._tenants = tenants
        self._elapsed_s = elapsed_s
        self._waiting: set[Tenant] = set()
        self._seen = 0
        self._everywhere_s = elapsed_s()
        self._owner = secrets.token_hex(8)

    async def follow(self) -> None:
        """A turn each second, until cancelled.

        Raises:
            StoreUnavailable: as `turn`; what waits still waits when it is called again.
        """
        while True:
            await self.turn()
            await asyncio.sleep(POLL_S)

    async def turn(self) -> None:
        """Folds for whoever was written for; what cannot be folded now is folded the next time.

        Raises:
            StoreUnavailable: nobody says who that is.
        """
        now_s = self._elapsed_s()
        if now_s >= self._everywhere_s:
            self._waiting.update(await self._tenants())
            self._everywhere_s = now_s + EVERYWHERE_S
        self._seen, marked = await self._marks.since(self._seen)
        self._waiting |= marked
        for tenant in sorted(self._waiting, key=lambda each: each.tag):
            if await self._folded(tenant):
                self._waiting.discard(tenant)

    async def _folded(self, tenant: Tenant) -> bool:
        """Whether all of the tenant's entries are in its sums."""
        try:
            if not await self._rollup.behind(tenant):
                return True
            if not await self._store.claim(tenant, self._owner):
                return False
            try:
                return await self._rollup.advance(tenant, STEPS_MAX)
            finally:
                with suppress(StoreUnavailable):
                    await self._store.release(tenant)
        except StoreUnavailable as error:
            _log.debug("The ledger of %s is folded later: %s", tenant.tag, error)
            return False
