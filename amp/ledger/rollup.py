"""Keeps every tenant's cells up with its entries: each entry is in them exactly once.

Whoever asks first catches up: reads what others folded, folds what nobody has, and commits cells and cursors
in one step that is refused when somebody else's came between; then it reads again. A process beside the
workers does the same all the time (folding.py), so that a report has little left to do.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from amp.ledger.cells import Cell, Sums, add
from amp.ledger.chain import Head
from amp.ledger.fold import changes
from amp.ledger.grouping import VALUES_MAX, Cube
from amp.ledger.rollup_store import RollupStore
from amp.ledger.store import LedgerStore
from amp.ledger.types import NO_JOB
from amp.tenancy import Tenant

STEP_ENTRIES = 128
"""Folded at a time: some 5 ms, in which the worker answers nobody."""
TENANTS_MAX = 64
"""Whose cells a worker holds; the others' are read again when they are asked for."""
_BUCKETS_AT_ONCE = 64


class _Held:
    """What a worker holds of a tenant."""

    def __init__(self) -> None:
        self.cube = Cube()
        self.cursors: dict[int, int] = {}
        self.lock = asyncio.Lock()


class Rollup:
    """The cells of all tenants, as this worker knows them."""

    def __init__(
        self, store: RollupStore, ledger: LedgerStore, *, step: int = STEP_ENTRIES, most: int = VALUES_MAX
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._step = step
        self._most = most
        self._held: OrderedDict[str, _Held] = OrderedDict()

    async def current(self, tenant: Tenant) -> Cube:
        """Cells with everything in them that was written before the call; not to be changed.

        Raises:
            StoreUnavailable: there is no answer, or the ledger is damaged.
        """
        held = self._of(tenant)
        async with held.lock:
            await self._catch_up(tenant, held)
        return held.cube

    async def behind(self, tenant: Tenant) -> bool:
        """Whether entries are not in the cells yet; a look that reads no cells.

        Raises:
            StoreUnavailable: there is no answer.
        """
        heads, cursors = await self._ledger.heads(tenant), await self._store.cursors(tenant)
        return bool(_behind(heads, cursors))

    async def advance(self, tenant: Tenant, steps: int) -> bool:
        """At most so many steps towards what `current` has; whether they led there.

        Raises:
            StoreUnavailable: there is no answer, or the ledger is damaged.
        """
        held = self._of(tenant)
        async with held.lock:
            return await self._catch_up(tenant, held, steps)

    def _of(self, tenant: Tenant) -> _Held:
        held = self._held.setdefault(tenant.tag, _Held())
        self._held.move_to_end(tenant.tag)
        while len(self._held) > TENANTS_MAX:
            self._held.popitem(last=False)
        return held

    async def _catch_up(self, tenant: Tenant, held: _Held, steps: int | None = None) -> bool:
        """Whether all entries of the time of the call are in the cells: not when the steps are too few."""
        heads = await self._ledger.heads(tenant)
        await self._refresh(tenant, held)
        taken = 0
        while behind := _behind(heads, held.cursors):
            if taken == steps:
                return False
            if not await self._fold(tenant, held, behind):
                await self._refresh(tenant, held)
            taken += 1
        return True

    async def _refresh(self, tenant: Tenant, held: _Held) -> None:
        changed = await self._store.read(tenant, held.cube.version)
        for cell, sums in changed.cells.items():
            held.cube.put(cell, sums)
        held.cube.version = changed.version
        held.cursors = changed.cursors

    async def _fold(self, tenant: Tenant, held: _Held, behind: Mapping[int, int]) -> bool:
        """One step further; False when somebody else's step came first."""
        buckets = sorted(behind, key=lambda number: -behind[number])[:_BUCKETS_AT_ONCE]
        after = {number: held.cursors.get(number, 0) for number in buckets}
        runs = await self._store.entries(tenant, after, max(1, self._step // len(buckets)))
        told = [each for _, run in runs.values() for each in run]
        jobs = {each.entry.job for each in told} - {NO_JOB}
        found = changes(told, await self._store.coordinates(tenant, jobs))
        cells: dict[Cell, Sums] = {}
        for cell, sums in held.cube.capped(found, self._most).items():
            cells[cell] = dict(held.cube.of(cell))
            add(cells[cell], sums)
        cursors = {number: last for number, (last, _) in runs.items()}
        if not await self._store.commit(tenant, held.cube.version, cursors, cells):
            return False
        for cell, sums in cells.items():
            held.cube.put(cell, sums)
        held.cube.version += 1
        held.cursors |= cursors
        return True


def _behind(heads: Sequence[Head], cursors: Mapping[int, int]) -> dict[int, int]:
    """How many entries of each bucket are not in the cells, where there are any."""
    return {
        number: head.length - cursors.get(number, 0)
        for number, head in enumerate(heads)
        if head.length > cursors.get(number, 0)
    }
