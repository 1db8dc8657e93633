"""Remembers who was heard of last without a write for each report: a worker writes its own now and then.

As with counts, a killed worker takes the last `FLUSH_EVERY_S` with it.
"""

import asyncio
from contextlib import suppress

from amp.clock import Clock, now_ms
from amp.errors import StoreUnavailable
from amp.learning.counting import FLUSH_EVERY_S
from amp.learning.user_store import Seen, UserStore
from amp.tenancy import Tenant

USERS_MAX = 200
"""Between two writes; of more, the newest."""


class Recent:
    """Users whom one worker has heard of since its last write."""

    def __init__(self, ids: UserStore, *, clock: Clock = now_ms) -> None:
        self._ids = ids
        self._clock = clock
        self._seen: dict[tuple[Tenant, str], int] = {}

    def heard(self, tenant: Tenant, user: str) -> None:
        """Something was reported of this user, or preferred for them."""
        self._seen.pop((tenant, user), None)
        self._seen[tenant, user] = self._clock()
        if len(self._seen) > USERS_MAX:
            del self._seen[next(iter(self._seen))]

    async def follow(self) -> None:
        """Writes every `FLUSH_EVERY_S`, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            with suppress(StoreUnavailable):
                await self.flush()

    async def flush(self) -> None:
        """Writes whom it has heard of.

        Raises:
            StoreUnavailable: they will be written the next time.
        """
        seen, self._seen = self._seen, {}
        try:
            await self._ids.remember([Seen(tenant, user, at) for (tenant, user), at in seen.items()])
        except StoreUnavailable:
            self._seen = seen | self._seen
            raise
