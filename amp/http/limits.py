"""Requests a key may make in a minute: one counter a key, exact over all workers."""

import asyncio
import time

from amp.errors import RateLimitExceeded, StoreUnavailable
from amp.http.problems import Headers
from amp.store.connection import Store
from amp.store.keys import rate_limit

WINDOW_S = 60
COUNT_WITHIN_S = 1.0
COUNT_OR_PASS_WITHIN_S = 0.08
"""For a call that has an answer without the store; it counts while it decides."""


class RateLimit:
    """Counts and refuses; 0 a minute is no limit and costs nothing."""

    def __init__(self, store: Store, requests_per_minute: int) -> None:
        self.on = requests_per_minute > 0
        self._store = store
        self._most = requests_per_minute

    async def count(self, key_id: str, *, without_store: bool, told: Headers | None = None) -> None:
        """Counts one request of this key; `without_store` says what happens when nobody can count.

        `told` gets what the answer is to say of the limit, whether or not the request is refused.

        Raises:
            RateLimitExceeded: the minute's requests are used up.
            StoreUnavailable: the store is down and `without_store` is False.
        """
        if not self.on:
            return
        key = rate_limit(key_id, self._most)
        try:
            async with asyncio.timeout(COUNT_OR_PASS_WITHIN_S if without_store else COUNT_WITHIN_S):
                # the minute begins with its first request; one whose end was lost gets it from the next
                count, _, left_ms = await self._store.ask_all(
                    [("INCR", key), ("EXPIRE", key, WINDOW_S, "NX"), ("PTTL", key)]
                )
        except (StoreUnavailable, TimeoutError) as error:
            if without_store:
                return
            raise StoreUnavailable from error
        reset_s = time.time() + left_ms / 1000
        if told is not None:
            told += _headers(self._most, self._most - count, reset_s)
        if count > self._most:
            raise self._refusal(reset_s)

    async def refuse_spent(self, name: str) -> None:
        """Counts nothing: for what is counted only when it fails.

        Raises:
            RateLimitExceeded: the minute's count is used up.
            StoreUnavailable: nobody knows.
        """
        if not self.on:
            return
        key = rate_limit(name, self._most)
        try:
            async with asyncio.timeout(COUNT_WITHIN_S):
                count, left_ms = await self._store.ask_all([("GET", key), ("PTTL", key)])
        except (StoreUnavailable, TimeoutError) as error:
            raise StoreUnavailable from error
        if int(count or 0) >= self._most:
            raise self._refusal(time.time() + left_ms / 1000)

    def _refusal(self, reset_s: float) -> RateLimitExceeded:
        retry_after_s = max(1, min(WINDOW_S, round(reset_s - time.time() + 0.5)))
        return RateLimitExceeded(
            f"This key may make {self._most} requests in {WINDOW_S} seconds.",
            details={"limit": self._most, "window": WINDOW_S, "retryAfter": retry_after_s},
            retry_after_s=retry_after_s,
        )


def _headers(limit: int, left: int, reset_s: float) -> Headers:
    return [
        (b"x-ratelimit-limit", b"%d" % limit),
        (b"x-ratelimit-remaining", b"%d" % max(0, left)),
        (b"x-ratelimit-reset", b"%d" % round(reset_s + 0.5)),
    ]
