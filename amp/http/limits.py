"""Requests a key may make in a minute: one counter a key, exact over all workers."""

import asyncio
import time
from typing import Any, cast

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

from amp.errors import RateLimitExceeded, StoreUnavailable
from amp.http.problems import Headers
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
        self._resets_s: dict[str, float] = {}
        if requests_per_minute:
            storage = RedisStorage(
                "async+redis://",  # only names the kind: the connections are ours
                implementation="redispy",
                wrap_exceptions=True,
                key_prefix="amp:limit",
                connection_pool=cast("Any", pool(url)),
            )
            self._storage = storage
            self._limiter = FixedWindowRateLimiter(storage)
            self._item = RateLimitItemPerMinute(requests_per_minute)

    async def count(self, key_id: str, *, without_store: bool, told: Headers | None = None) -> None:
        """Counts one request of this key; `without_store` says what happens when nobody can count.

        `told` gets what the answer is to say of the limit, whether or not the request is refused.

        Raises:
            RateLimitExceeded: the minute's requests are used up.
            StoreUnavailable: the store is down and `without_store` is False.
        """
        if self._limiter is None:
            return
        try:
            async with asyncio.timeout(COUNT_OR_PASS_WITHIN_S if without_store else COUNT_WITHIN_S):
                count = await self._storage.incr(self._item.key_for(key_id), WINDOW_S)
                if count <= self._item.amount and told is None:
                    return
                reset_s = await self._reset_s(self._limiter, key_id)
        except (StorageError, TimeoutError) as error:
            if without_store:
                return
            raise StoreUnavailable from error
        if told is not None:
            told += _headers(self._item.amount, self._item.amount - count, reset_s)
        if count > self._item.amount:
            raise self._refusal(reset_s)

    async def refuse_spent(self, name: str) -> None:
        """Counts nothing: for what is counted only when it fails.

        Raises:
            RateLimitExceeded: the minute's count is used up.
            StoreUnavailable: nobody knows.
        """
        if self._limiter is None:
            return
        try:
            async with asyncio.timeout(COUNT_WITHIN_S):
                reset_s, left = await self._limiter.get_window_stats(self._item, name)
        except (StorageError, TimeoutError) as error:
            raise StoreUnavailable from error
        if left <= 0:
            raise self._refusal(reset_s)

    def _refusal(self, reset_s: float) -> RateLimitExceeded:
        retry_after_s = max(1, min(WINDOW_S, round(reset_s - time.time() + 0.5)))
        return RateLimitExceeded(
            f"This key may make {self._item.amount} requests in {WINDOW_S} seconds.",
            details={"limit": self._item.amount, "window": WINDOW_S, "retryAfter": retry_after_s},
            retry_after_s=retry_after_s,
        )

    async def _reset_s(self, limiter: FixedWindowRateLimiter, key_id: str) -> float:
        """When the key's minute ends, in seconds since 1970; asked once a minute."""
        known = self._resets_s.get(key_id, 0.0)
        if known <= time.time():
            known = (await limiter.get_window_stats(self._item, key_id)).reset_time
            self._resets_s[key_id] = known
        return known


def _headers(limit: int, left: int, reset_s: float) -> Headers:
    return [
        (b"x-ratelimit-limit", b"%d" % limit),
        (b"x-ratelimit-remaining", b"%d" % max(0, left)),
        (b"x-ratelimit-reset", b"%d" % round(reset_s + 0.5)),
    ]
