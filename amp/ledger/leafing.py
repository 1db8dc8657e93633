"""Leafs through jobs by when they were made: each leaf begins where the one before ended, however far back.

A leaf ends with a whole millisecond, so that no job is on two leaves or on none; it may be a few jobs longer
than was asked for. Where few jobs pass the filters a leaf ends when its budget is used up, and the next one
goes on from there: nothing is ever read twice, and nothing is left out.
"""

import time
from collections.abc import AsyncIterator, Sequence

from amp.ledger.filters import Filters, Window, fields
from amp.ledger.job import Job
from amp.ledger.leaf_wire import Leaf, Turn
from amp.ledger.looking import Budget, Looking
from amp.ledger.rollup_store import RollupStore
from amp.tenancy import Tenant

_FIRST, _MOST = 64, 512
"""Jobs that are asked for at a time: few, then more, for the time is looked at in between."""


class _Gathered:
    """What a leaf has so far."""

    def __init__(self, size: int, budget: Budget) -> None:
        self._size = size
        self._budget = budget
        self._until: float | None = None
        self.jobs: list[Job] = []
        self.looked = 0
        self.reached_ms: int | None = None
        self.more = False

    @property
    def full(self) -> bool:
        return len(self.jobs) >= self._size

    @property
    def ends(self) -> bool:
        late = self._until is not None and time.monotonic() >= self._until
        return self.full or late or self.looked >= self._budget.jobs

    def begin(self) -> None:
        """The time runs from the first look on: to find where the leaf begins takes its own."""
        if self._until is None:
            self._until = time.monotonic() + self._budget.within_s

    def add(self, jobs: Sequence[Job], looked: Sequence[tuple[int, str]]) -> None:
        """Jobs that passed, of those that were looked at."""
        self.jobs += jobs
        self.looked += len(looked)
        self.reached_ms = looked[-1][0]
        end = _whole([(job.created_ms, job.id) for job in self.jobs], self._size)
        if end < len(self.jobs):  # what comes after a full leaf is the next one's
            self.more = True
            self.jobs = self.jobs[:end]


class Leafing:
    """Lists of jobs."""

    def __init__(self, index: RollupStore, looking: Looking) -> None:
        self._index = index
        self._looking = looking

    async def leaf(self, tenant: Tenant, filters: Filters, turn: Turn, budget: Budget) -> Leaf:
        """The jobs of this leaf that pass the filters.

        Raises:
            StoreUnavailable: there is no answer.
        """
        forward = turn.after_ms is not None
        found = _Gathered(turn.size, budget)
        wanted, step = fields(filters), max(_FIRST, turn.size)
        async for some in self._parts(tenant, _within(filters.window, turn), found, step, forward=forward):
            found.begin()
            hashes = await self._index.look(tenant, [job for _, job in some], wanted)
            judged = self._looking.judged(tenant, hashes, filters, with_records=filters.traced)
            found.add([job for part in [met async for met in judged] for job, _ in part], some)
        return _backward(found, turn) if forward else _leaf(found, turn)

    async def _parts(
        self, tenant: Tenant, window: Window, found: _Gathered, step: int, *, forward: bool
    ) -> AsyncIterator[Sequence[tuple[int, str]]]:
        """What to look at next, until there is no more or the leaf ends."""
        async for listed in self._index.jobs(tenant, window, oldest_first=forward):
            start = 0
            while start < len(listed) and not found.more:
                if found.ends:
                    if listed[start][0] != found.reached_ms:
                        found.more = True
                        return
                    end = _whole(listed, start + 1)
                else:
                    end = _whole(listed, start + step)
                yield listed[start:end]
                start, step = end, min(2 * step, _MOST)
            if found.more:
                return


def _whole(listed: Sequence[tuple[int, str]], end: int) -> int:
    """The end, after all jobs of the same millisecond as the last one before it."""
    while 0 < end < len(listed) and listed[end][0] == listed[end - 1][0]:
        end += 1
    return end


def _within(window: Window, turn: Turn) -> Window:
    start = window.start_ms if turn.after_ms is None else max(window.start_ms, turn.after_ms + 1)
    end = window.end_ms if turn.before_ms is None else min(window.end_ms, turn.before_ms)
    return Window(start, max(start, end))


def _leaf(found: _Gathered, turn: Turn) -> Leaf:
    last = found.jobs[-1].created_ms if found.full else found.reached_ms
    newer = None if turn.before_ms is None else turn.before_ms - 1
    cut = found.more and not found.full
    return Leaf(found.jobs, found.looked, last if found.more else None, newer, cut, found.reached_ms)


def _backward(found: _Gathered, turn: Turn) -> Leaf:
    """Read from the old to the new, shown the other way round."""
    last = found.jobs[-1].created_ms if found.full else found.reached_ms
    older = None if turn.after_ms is None else turn.after_ms + 1
    cut = found.more and not found.full
    return Leaf(found.jobs[::-1], found.looked, older, last if found.more else None, cut, found.reached_ms)
