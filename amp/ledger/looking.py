"""Looks at jobs one by one, where sums do not have the answer: within a budget of jobs and of time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from amp.ledger import traces
from amp.ledger.entries import Metered
from amp.ledger.filters import Filters, fields, matches
from amp.ledger.job import Job
from amp.ledger.jobs import Jobs
from amp.ledger.rollup_store import RollupStore
from amp.tenancy import Tenant

LOOKED_MAX = 20_000
WITHIN_S = 2.0
_FIRST, _MOST = 128, 1024
"""Jobs that are asked for at a time: few for the first page of a list, then more."""
_AT_ONCE = 100
"""Jobs that are worked on before others get their turn: some 5 ms, less when few match."""
RECORDS_AT_ONCE = 1000
"""Records that are worked on before others get their turn: some 5 ms too."""

Answer = TypeVar("Answer")


class Budget(NamedTuple):
    """What one call may look at."""

    jobs: int = LOOKED_MAX
    within_s: float = WITHIN_S


class Seen:
    """How many jobs a call may still look at, and has."""

    def __init__(self, budget: Budget) -> None:
        self.left = budget.jobs
        self.until = time.monotonic() + budget.within_s
        self.jobs = 0
        self.cut = False

    @property
    def used_up(self) -> bool:
        return self.left <= 0 or (self.jobs > 0 and time.monotonic() >= self.until)


Met = tuple[Job, list[Metered]]
"""A job, and what was metered for it where that was asked for."""


async def beside(met: Sequence[Met], work: Callable[..., Answer], *rest: Any) -> Answer:
    """What the work makes of them; where it takes long, others have their turn meanwhile."""
    if sum(len(metered) for _, metered in met) > RECORDS_AT_ONCE:
        return await asyncio.to_thread(work, met, *rest)
    return work(met, *rest)


def _with_runs(met: Sequence[Met], filters: Filters) -> list[Met]:
    return [each for each in met if traces.has(each[1], filters.trace, filters.trace_type)]


def _in_parts(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    """The jobs, not many records of them together; one of many is alone."""
    part, count = list[Job](), 0
    for job in jobs:
        records = job.state.completions + job.state.tool_events
        if part and count + records > RECORDS_AT_ONCE:
            yield part
            part, count = [], 0
        part.append(job)
        count += records
    if part:
        yield part


class Looking:
    """Reads jobs that pass filters."""

    def __init__(self, index: RollupStore, jobs: Jobs) -> None:
        self._index = index
        self._jobs = jobs

    async def matching(
        self,
        tenant: Tenant,
        filters: Filters,
        seen: Seen,
        *,
        oldest_first: bool = False,
        with_records: bool = False,
    ) -> AsyncIterator[list[Met]]:
        """The jobs that pass the filters, in their order, until the budget is used up.

        Raises:
            StoreUnavailable: there is no answer.
        """
        wanted, size = fields(filters), _FIRST
        with_records = with_records or filters.traced
        async for listed in self._index.jobs(tenant, filters.window, oldest_first=oldest_first):
            names, start = [job for _, job in listed], 0
            while start < len(names):
                if seen.used_up:
                    seen.cut = True
                    return
                some = names[start : start + min(size, seen.left)]
                found = await self._index.look(tenant, some, wanted)
                start, size = start + len(some), min(2 * size, _MOST)
                seen.left -= len(some)
                seen.jobs += len(some)
                async for part in self.judged(tenant, found, filters, with_records=with_records):
                    yield part

    async def judged(
        self, tenant: Tenant, found: list[tuple[str, dict[str, str]]], filters: Filters, *, with_records: bool
    ) -> AsyncIterator[list[Met]]:
        """Those of the hashes whose jobs pass the filters, part by part.

        Raises:
            StoreUnavailable: there is no answer.
        """
        for start in range(0, len(found), _AT_ONCE):
            jobs = [job for job in self._jobs.read(found[start : start + _AT_ONCE]) if matches(job, filters)]
            if not with_records:
                yield [(job, []) for job in jobs]
                await asyncio.sleep(0)
                continue
            for some in _in_parts(jobs):
                records = await self._jobs.metered_of(tenant, [job.id for job in some])
                met = list(zip(some, records, strict=True))
                yield await beside(met, _with_runs, filters) if filters.traced else met
