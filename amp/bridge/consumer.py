"""Carries what came of jobs and graded outcomes to the decisions that they followed; one leader, by lease.

An item leaves its box only after the learning room has it, so a bridge that is killed anywhere loses nothing;
what it carries again changes nothing. An item that nobody can read, or whose user's record is damaged, is
counted as skipped, logged and left behind: the others never wait for it.
"""

import asyncio
import logging
import re
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from amp.bridge.maps import Maps
from amp.bridge.reading import lesson, positions
from amp.bridge.store import Box, BridgeStore, Item
from amp.errors import StoreUnavailable
from amp.learning.teaching import Lesson, Teaching
from amp.ledger.chain import Stored
from amp.ledger.store import LedgerStore
from amp.tenancy import Tenant

LOOK_EVERY_S = 0.2
LEASE_MS = 10_000
LEASE_EVERY_S = 2.0
SWEEP_EVERY_S = 5.0
"""One tenant's boxes are looked into so often, hint or no hint; all of them by whoever begins to lead."""
TELL_EVERY_S = 5.0
BOXES_AT_ONCE, ITEMS_AT_ONCE = 64, 100

PASSING = re.compile(
    r"\b(LOADING|OOM|READONLY|MISCONF|BUSY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN)\b|maxmemory"
    r"|^(BusyLoading|OutOfMemory|ReadOnly|ClusterDown|TryAgain|MasterDown)"
)
"""What a store refuses with, by its word or its class, that is not the one item's fault: it passes."""

Tenants = Callable[[], Awaitable[Iterable[Tenant]]]
_log = logging.getLogger(__name__)


class Carried(NamedTuple):
    """How far a box was emptied."""

    items: int
    finished: bool


class Bridge:
    """One that carries, or waits to."""

    def __init__(
        self,
        store: BridgeStore,
        ledger: LedgerStore,
        teaching: Teaching,
        *,
        maps: Maps,
        tenants: Tenants,
        window_ms: int,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._teaching = teaching
        self._maps = maps
        self._tenants = tenants
        self._window_ms = window_ms
        self._owner = secrets.token_hex(8)
        self._leads_until_s = 0.0
        self._told_s = self._swept_s = -TELL_EVERY_S
        self._behind: set[Box] = set()
        self._round: list[Tenant] = []
        self._counts: Counter[str] = Counter()
        self._lag_ms = 0

    async def run(self) -> None:
        """Carries, or waits to, until cancelled."""
        try:
            while True:
                try:
                    await self.turn(time.monotonic())
                except StoreUnavailable:
                    _log.debug("The store does not answer; what is in the boxes stays there.")
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            with suppress(StoreUnavailable):
                await self._store.release(self._owner)

    async def turn(self, now_s: float) -> int:
        """Carries what there is, if this one leads; how many items.

        Raises:
            StoreUnavailable: some of it is left for the next turn.
        """
        if not await self._leads(now_s):
            return 0
        self._behind.update(await self._store.news(BOXES_AT_ONCE))
        await self._sweep(now_s)
        carried = 0
        for box in list(self._behind):
            done = await self._empty(box)
            carried += done.items
            if done.finished:
                self._behind.discard(box)
        await self._tell(now_s)
        return carried

    async def _leads(self, now_s: float) -> bool:
        """Asks for the lease when it is time; whoever begins to lead looks into every box."""
        if now_s < self._leads_until_s - LEASE_MS / 1000 + LEASE_EVERY_S:
            return True
        led = now_s < self._leads_until_s
        if not await self._store.lease(self._owner, LEASE_MS):
            self._leads_until_s = 0.0
            return False
        self._leads_until_s = now_s + LEASE_MS / 1000
        if not led:
            await self._begin()
        return True

    async def _begin(self) -> None:
        said = await self._store.since()
        before, since_ms, earlier_ms = (said.get(name, 0) for name in ("window", "since", "earlier"))
        if before < self._window_ms:
            since_ms, earlier_ms = await self._store.now_ms(), before
        if before != self._window_ms:
            await self._store.set_since(self._window_ms, since_ms, earlier_ms)
        self._teaching.widened(since_ms, earlier_ms)
        for each in await self._tenants():
            self._behind.update(await self._store.full(each))

    async def _sweep(self, now_s: float) -> None:
        """Looks into the boxes of the tenant whose turn it is: a hint may have been lost."""
        if now_s < self._swept_s + SWEEP_EVERY_S:
            return
        self._swept_s = now_s
        if not self._round:
            self._round = sorted(await self._tenants(), key=lambda each: each.tag)
        if self._round:
            self._behind.update(await self._store.full(self._round.pop()))

    async def _empty(self, box: Box) -> Carried:
        """Carries what is in the box; what the store refuses for now stays."""
        carried = 0
        while items := await self._store.items(box, ITEMS_AT_ONCE):
            heard, counts = await self._carry(box, items)
            if heard and await self._store.heard(box, heard, counts):
                self._counts.update(counts)
                self._lag_ms = max(0, await self._store.now_ms() - heard[-1].put_ms)
            carried += len(heard)
            if len(heard) < len(items):
                return Carried(carried, finished=False)
        return Carried(carried, finished=True)

    async def _carry(self, box: Box, items: Sequence[Item]) -> tuple[list[Item], Counter[str]]:
        """The items that are dealt with, and what came of them."""
        mapping = await self._maps.show(box.tenant)
        entries = await self._entries(box, items)
        counts: Counter[str] = Counter()
        heard: list[Item] = []
        told: list[tuple[Item, Lesson]] = []
        for item in items:
            try:
                told.append((item, lesson(box.tenant, item, entries, mapping)))
            except Exception:  # noqa: BLE001  whatever is wrong with one item, the others are carried
                _log.exception("Item %s of %s cannot be read; it is skipped.", item.id.decode(), box)
                heard.append(item)
                counts["skipped"] += 1
        learnt = await self._teaching.teach([each for _, each in told])
        for (item, each), verdict in zip(told, learnt, strict=True):
            if not isinstance(verdict, StoreUnavailable):
                counts[verdict] += 1
            elif PASSING.search(f"{type(verdict.__cause__).__name__} {verdict.__cause__}"):
                continue
            else:
                _log.error("%s %s of %s is skipped: %s", each.way.name, each.source, box, verdict.__cause__)
                counts["skipped"] += 1
            heard.append(item)
        return heard, counts

    async def _entries(self, box: Box, items: Sequence[Item]) -> dict[int, Stored]:
        """The ledger's entries that the items name."""
        try:
            wanted = positions(items)
        except ValueError:  # one that is no number is skipped when it is read
            wanted = positions([item for item in items if item.fields.get(b"p", b"").isdigit()])
        return await self._ledger.stored_at(box.tenant, box.number, wanted) if wanted else {}

    async def _tell(self, now_s: float) -> None:
        """Writes down what came of it all, now and then."""
        if now_s < self._told_s + TELL_EVERY_S and not self._counts:
            return
        self._told_s = now_s
        counts, self._counts = self._counts, Counter()
        try:
            now_ms = await self._store.now_ms()
            waiting = await self._store.lengths(self._behind)
            now = {"looked_ms": now_ms, "lag_ms": self._lag_ms, "waiting": waiting}
            await self._store.add_totals(counts, now)
        except StoreUnavailable:
            self._counts.update(counts)
            raise
