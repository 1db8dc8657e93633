"""Requests a key may make in a minute: one counter a key, exact over all workers."""

import asyncio
import time
from typing import Any, cast

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

from amp.errors import RateLimitExceeded, StoreUnavailable
from amp.store.connection import pool

WINDOW_S = 60
COUNT_WITHIN_S = 1.0
COUNT_OR_PASS_WITHIN_S = 0.08
"""For a call that has an answer without the store; it counts while it decides."""


class RateLimit:
    """Counts and refuses; 0 a minute is no limit and costs nothing."""

    def __init__(self, url: str, requests_per_minute: int) -> None:
        self.on = requests_per_minute > 0
        self._limiter: FixedWindowRateLimiter | None = None
        if requests_per_minute:
            storage = RedisStorage(
                "async+redis://",  # only names the kind: the connections are ours
                implementation="redispy",
                wrap_exceptions=True,
                key_prefix="amp:limit",
                connection_pool=cast("Any", pool(url)),
            )
            self._limiter = FixedWindowRateLimiter(storage)
            self._item = RateLimitItemPerMinute(requests_per_minute)

    async def count(self, key_id: str, *, without_store: bool) -> None:
        """Counts one request of this key; `without_store` says what happens when nobody can count.

        Raises:
            RateLimitExceeded: the minute's requests are used up.
            StoreUnavailable: the store is down and `without_store` is False.
        """
        if self._limiter is None:
            return
        try:
            async with asyncio.timeout(COUNT_OR_PASS_WITHIN_S if without_store else COUNT_WITHIN_S):
                if await self._limiter.hit(self._item, key_id):
                    return
                window = await self._limiter.get_window_stats(self._item, key_id)
        except (StorageError, TimeoutError) as error:
            if without_store:
                return
            raise StoreUnavailable from error
        retry_after_s = max(1, min(WINDOW_S, round(window.reset_time - time.time() + 0.5)))
        raise RateLimitExceeded(
            f"This key may make {self._item.amount} requests in {WINDOW_S} seconds.",
            details={"limit": self._item.amount, "window": WINDOW_S, "retryAfter": retry_after_s},
            retry_after_s=retry_after_s,
        )
