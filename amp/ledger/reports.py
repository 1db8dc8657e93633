"""The room's reports: from cells where they have the answer, else from single jobs within a budget."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from amp.errors import InvalidParameter
from amp.ledger import converting, grouping, leaf_wire, looking, report_wire
from amp.ledger.answers import JobResource
from amp.ledger.books import PriceLists
from amp.ledger.cells import Dimension, together
from amp.ledger.filters import COORDINATES, Filters
from amp.ledger.grouping import By, Cube, Days, Groups, Key, Question
from amp.ledger.job import Job
from amp.ledger.jobs import Jobs
from amp.ledger.leaf_wire import JobLeaf, Turn
from amp.ledger.leafing import Leafing
from amp.ledger.looking import LOOKED_MAX, Budget, Looking, Met, Seen
from amp.ledger.metrics import Metric, Samples
from amp.ledger.pricing import Rates
from amp.ledger.report import Row, ranked, row
from amp.ledger.report_wire import FunnelTold, JobRoi, Looked, PageInfo, Report, RoiSummary
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.tenancy import Tenant

BUDGET = Budget()
ROWS_MAX = 1000
SIZE_MAX = 50


class Page(NamedTuple):
    """Which part of a list."""

    number: int = 0
    size: int = 20
    oldest_first: bool = False


class _Answer(NamedTuple):
    """The groups of a report, and where they are from."""

    groups: Groups
    everything: Groups
    cube: Cube | None = None
    looked: Looked | None = None
    cut: bool = False


class Reports:
    """What tenants' jobs were worth."""

    def __init__(self, rollup: Rollup, index: RollupStore, jobs: Jobs, lists: PriceLists) -> None:
        self._rollup = rollup
        self._index = index
        self._jobs = jobs
        self._looking = Looking(index, jobs)
        self._leafing = Leafing(index, self._looking)
        self._lists = lists

    async def report(self, tenant: Tenant, question: Question, budget: Budget = BUDGET) -> Report:
        """The groups that are asked for, and all of them together.

        Raises:
            StoreUnavailable: there is no answer.
        """
        (found,) = await self.reports(tenant, [question], budget)
        return found

    async def reports(
        self, tenant: Tenant, questions: Sequence[Question], budget: Budget = BUDGET
    ) -> list[Report]:
        """The same of several questions; those that sums answer are of one moment. The budget is of each.

        Raises:
            StoreUnavailable: there is no answer.
        """
        rates = self._lists.rates(tenant)
        cube = await self._rollup.current(tenant)
        found = [_of_sums(cube, question, rates) for question in questions]
        return [
            told or await self._looked(tenant, question, budget, rates)
            for told, question in zip(found, questions, strict=True)
        ]

    async def values(self, tenant: Tenant) -> dict[Dimension, list[str]]:
        """What jobs may be asked for by, those of the most jobs first; at most `VALUES_MAX` a dimension.

        Raises:
            StoreUnavailable: there is no answer.
        """
        cube = await self._rollup.current(tenant)
        return {dimension: cube.values(dimension) for dimension in COORDINATES}

    async def version(self, tenant: Tenant) -> str:
        """Another text when a report may say something else, within a second or two.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return str(await self._index.version(tenant))

    async def _looked(
        self,
        tenant: Tenant,
        question: Question,
        budget: Budget,
        rates: Rates,
        samples: Samples | None = None,
    ) -> Report:
        """From single jobs, whose amounts go to the samples too."""
        seen, answer = Seen(budget), _Answer({}, {})
        in_window = await self._index.count(tenant, question.filters.window)
        matching = self._looking.matching(tenant, question.filters, seen, with_records=question.traced)
        async for met in matching:
            await looking.beside(met, _gather, answer.groups, question)
            if samples is not None:
                samples.add(job for job, _ in met)
        answer.everything[()] = grouping.all_together(answer.groups)
        looked = Looked(seen.jobs, in_window)
        return _told(question, answer._replace(looked=looked, cut=seen.cut), rates)

    async def page(self, tenant: Tenant, filters: Filters, asked: Page) -> tuple[list[JobResource], PageInfo]:
        """One page of jobs in order of their creation.

        Raises:
            InvalidParameter: the page lies beyond the budget.
            StoreUnavailable: there is no answer.
        """
        first, after = asked.number * asked.size, (asked.number + 1) * asked.size
        if after > LOOKED_MAX:
            raise InvalidParameter("page", f"must end within the first {LOOKED_MAX} jobs; ask by startDate")
        known = await self.count(tenant, filters)
        seen, found, shown = Seen(BUDGET), 0, list[Job]()
        async for met in self._looking.matching(tenant, filters, seen, oldest_first=asked.oldest_first):
            jobs = [job for job, _ in met]
            shown += jobs[max(0, first - found) : max(0, after - found)]
            found += len(jobs)
            if known is not None and found >= min(after, known):
                break
        total = found if known is None else known
        told = await asyncio.gather(*(self._jobs.told(tenant, job) for job in shown))
        cut = seen.cut and found < min(after, total) if known is not None else seen.cut
        return told, PageInfo(asked.size, total, -(-total // asked.size), asked.number, cut)

    async def leaf(self, tenant: Tenant, filters: Filters, turn: Turn, budget: Budget = BUDGET) -> JobLeaf:
        """One leaf of jobs, each with what it was worth; see `leafing`.

        Raises:
            StoreUnavailable: there is no answer.
        """
        found = await self._leafing.leaf(tenant, filters, turn, budget)
        stands = await self._jobs.all_in_force(tenant, found.jobs)
        lines = [leaf_wire.line(*each) for each in zip(found.jobs, stands, strict=True)]
        total = await self.count(tenant, filters)
        return leaf_wire.told(found, report_wire.filters_told(filters), total, lines)

    async def roi(self, tenant: Tenant, job: str) -> JobRoi:
        """What one job was worth.

        Raises:
            NotFound: there is no such job.
            StoreUnavailable: there is no answer.
        """
        return report_wire.job_roi(await self._jobs.find(tenant, job))

    async def funnel(self, tenant: Tenant, filters: Filters) -> FunnelTold:
        """How many jobs came how far.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return report_wire.funnel(await self.report(tenant, Question(filters=filters)))

    async def roi_summary(self, tenant: Tenant, filters: Filters, metric: Metric = "sum") -> RoiSummary:
        """Every job type, and all of them together; other metrics than sums come from single jobs.

        Raises:
            StoreUnavailable: there is no answer.
        """
        # what is asked of single jobs has no runs: a part of a job is no job
        question = Question(("type",), filters._replace(trace=None, trace_type=None))
        samples = None if metric == "sum" else Samples()
        if samples is None:
            found = await self.report(tenant, question)
        else:
            found = await self._looked(tenant, question, BUDGET, self._lists.rates(tenant), samples)
        return report_wire.roi_summary(found, filters.window, tenant.tag, metric, samples)

    async def count(self, tenant: Tenant, filters: Filters) -> int | None:
        """How many jobs pass the filters, where that is known without looking at them.

        Raises:
            StoreUnavailable: there is no answer.
        """
        if filters == Filters(window=filters.window):
            return await self._index.count(tenant, filters.window)
        question = Question(filters=filters._replace(status=None, outcome=None, not_outcome=None))
        cube = await self._rollup.current(tenant)
        if not cube.answers(question):
            return None
        days = cube.groups(question).get((), {})
        return grouping.jobs_like(
            together(days.values()), filters.status, filters.outcome, filters.not_outcome
        )


def _gather(met: Sequence[Met], groups: Groups, question: Question) -> None:
    if question.traced:
        grouping.gather_runs(groups, met, question)
    else:
        grouping.gather(groups, (job for job, _ in met), question.by)


def _of_sums(cube: Cube, question: Question, rates: Rates) -> Report | None:
    """None: the sums do not have the answer."""
    if not cube.answers(question):
        return None
    answer = _Answer(cube.groups(question), cube.groups(question._replace(by=())), cube)
    return _told(question, answer, rates)


def _told(question: Question, answer: _Answer, rates: Rates) -> Report:
    currency, missing = question.currency, set[str]()

    def made(key: Key, days: Days) -> Row:
        sums, without = converting.total(days, currency, rates)
        missing.update(without)
        named: dict[str, str | None] = dict(zip(question.by, key, strict=False))
        return answer.cube.row(named, sums) if answer.cube and len(days) == 1 else row(named, sums)

    shown = sorted(answer.groups, key=_dated(question.by))[-ROWS_MAX:] if "day" in question.by else None
    rows = [made(key, answer.groups[key]) for key in shown or answer.groups]
    rows = rows if shown else ranked(rows)[:ROWS_MAX]
    apart = answer.cube.without_job(question) if answer.cube and not question.filters.coordinates() else {}
    return Report(
        by=list(question.by),
        period=report_wire.period(question.filters.window),
        filters=report_wire.filters_told(question.filters),
        currency=currency,
        rows=rows if question.by else [],
        row_count=len(answer.groups) if question.by else 0,
        total=made((), answer.everything.get((), {})),
        without_job=made((), apart) if apart else None,
        unconverted=sorted(missing),
        looked=answer.looked,
        cut=answer.cut or len(answer.groups) > ROWS_MAX,
    )


def _dated(by: Sequence[By]) -> Callable[[Key], tuple[str, ...]]:
    """By day first, then as the report is by."""
    day = by.index("day") if "day" in by else 0
    return lambda key: (key[day] or "", *(value or "" for value in key))
