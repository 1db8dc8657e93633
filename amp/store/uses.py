"""When keys were last used, and what was turned away: counted in memory, written now and then.

A worker writes its own counts, whole, so that a write that is sent again counts nothing twice. One that is
killed takes the counts of its last `FLUSH_EVERY_S` with it, and keys' last uses of the last minute.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from amp.clock import Clock, now_ms
from amp.errors import StoreUnavailable
from amp.store.connection import Store
from amp.store.line import Command
from amp.store.trust_keys import KEYS_USED, turned_away
from amp.tenancy import Tenant

FLUSH_EVERY_S = 5.0
KEY_EVERY_MS = 60_000
"""A worker writes the use of a key at most this often."""
DAY_MS = 86_400_000
DAYS = 7
_KEPT_S = 31 * 86_400
DEGRADED = "degraded"
"""Beside the statuses of refusals."""


class Uses:
    """What one worker has seen since it started."""

    def __init__(self, store: Store, *, clock: Clock = now_ms) -> None:
        self._store = store
        self._clock = clock
        self._worker = secrets.token_hex(6)
        self._used: set[str] = set()
        self._written_ms: dict[str, int] = {}
        self._turned: dict[tuple[Tenant, int], Counter[str]] = {}
        self._changed: set[tuple[Tenant, int]] = set()

    def used(self, key_id: str) -> None:
        """This key has called; costs the hot path one look at a set."""
        self._used.add(key_id)

    def turned(self, tenant: Tenant, what: str | int) -> None:
        """A call of the tenant got this status instead of what it asked for, or a degraded answer."""
        place = tenant, self._clock() // DAY_MS
        self._turned.setdefault(place, Counter())[str(what)] += 1
        self._changed.add(place)

    async def follow(self) -> None:
        """Writes what is new every `FLUSH_EVERY_S`, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            with suppress(StoreUnavailable):
                await self.flush()

    async def flush(self) -> None:
        """Writes what is new and due.

        Raises:
            StoreUnavailable: it is written the next time.
        """
        now = self._clock()
        due = [key for key in self._used if now - self._written_ms.get(key, -KEY_EVERY_MS) >= KEY_EVERY_MS]
        changed, self._changed = self._changed, set()
        commands: list[Command] = []
        if due:
            commands.append(("HSET", KEYS_USED, *(word for key in due for word in (key, now))))
        for tenant, day in changed:
            key, counts = turned_away(tenant, day), self._turned[tenant, day]
            told = [word for what, count in counts.items() for word in (f"{self._worker}:{what}", count)]
            commands += [("HSET", key, *told), ("EXPIRE", key, _KEPT_S)]
        if not commands:
            return
        try:
            await self._store.ask_all(commands)
        except StoreUnavailable:
            self._changed |= changed
            raise
        self._used -= set(due)
        self._written_ms |= dict.fromkeys(due, now)
        self._turned = {place: each for place, each in self._turned.items() if place[1] >= now // DAY_MS - 1}

    async def last(self, key_ids: Sequence[str]) -> list[int | None]:
        """When each of these keys was last used, in ms; None: not since this is kept.

        Raises:
            StoreUnavailable: there is no answer.
        """
        if not key_ids:
            return []
        told: list[bytes | None] = await self._store.ask("HMGET", KEYS_USED, *key_ids)
        return [None if each is None else int(each) for each in told]

    async def days(self, tenant: Tenant) -> dict[int, Mapping[str, int]]:
        """What was turned away on each of the last `DAYS` days, the newest first, summed over all workers.

        Raises:
            StoreUnavailable: there is no answer.
        """
        today = self._clock() // DAY_MS
        days = [today - back for back in range(DAYS)]
        replies = await self._store.ask_all([("HGETALL", turned_away(tenant, day)) for day in days])
        return {day: _summed(flat) for day, flat in zip(days, replies, strict=True)}


def _summed(flat: Sequence[Any]) -> Counter[str]:
    found: Counter[str] = Counter()
    for field, count in zip(flat[::2], flat[1::2], strict=True):
        found[field.decode().partition(":")[2]] += int(count)
    return found
