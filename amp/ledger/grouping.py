"""From cells, or from single jobs, to the groups that a report has rows of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from amp.errors import InvalidParameter
from amp.ledger.cells import DAY_MS, Cell, Dimension, Sums, add, plain, sums_of
from amp.ledger.entries import Metered
from amp.ledger.filters import COORDINATES, PENDING, Filters
from amp.ledger.job import Job
from amp.ledger.report import Row, row
from amp.ledger.traces import Run, runs

By = Literal["type", "environment", "agent", "squad", "approach", "group", "day", "trace", "trace_type"]
BY: tuple[By, ...] = (
    "type",
    "environment",
    "agent",
    "squad",
    "approach",
    "group",
    "day",
    "trace",
    "trace_type",
)
RUNS: tuple[By, ...] = ("trace", "trace_type")
"""Of these there are as many as jobs: no sums are kept."""
VALUES_MAX = 1000
OTHER = "other"
"""Where jobs are counted whose type, agent, squad, ... is beyond the first `VALUES_MAX` of its dimension."""
BY_MAX = 3
_ROWS_MAX = 10_000
"""Remembered of a tenant: some 2 kB each."""

Key = tuple[str | None, ...]
"""The values that a group's jobs have in common, in the order of what the report is by."""
Days = dict[int | None, Sums]
"""Sums by UTC day since 1970; None: all days together."""
Groups = dict[Key, Days]


class Question(NamedTuple):
    """What is asked of the ledger."""

    by: tuple[By, ...] = ()
    filters: Filters = Filters()
    currency: str | None = None
    """To convert to; None: amounts stay in their own."""

    @property
    def dimensions(self) -> set[Dimension]:
        """The coordinates that must be told apart, beside the day."""
        asked: set[Dimension] = {each for each in COORDINATES if each in self.by}
        return asked | set(self.filters.coordinates())

    @property
    def traced(self) -> bool:
        """Whether it is about runs of jobs."""
        return self.filters.traced or any(each in self.by for each in RUNS)

    @property
    def in_cells(self) -> bool:
        """Whether sums that are kept answer it, unless what is filtered by is among others."""
        return len(self.dimensions) <= 1 and not self.filters.beyond_cells and not self.traced


def read_by(said: str) -> tuple[By, ...]:
    """`type,day` as what it names.

    Raises:
        InvalidParameter: a name is unknown, twice there, or there are too many.
    """
    names = [each.strip() for each in said.split(",") if each.strip()]
    found: list[By] = [known for name in names for known in BY if known == name]
    if len(found) < len(names) or len(set(found)) < len(found) or len(found) > BY_MAX:
        raise InvalidParameter("by", f"must be up to {BY_MAX} of {', '.join(BY)}")
    return tuple(found)


class Cube:
    """All cells of a tenant, by dimension, value and day."""

    def __init__(self) -> None:
        self._cells: dict[Dimension, dict[str | None, Days]] = {}
        self.version = 0
        self._rows: dict[tuple[tuple[str, str | None], ...], tuple[Sums, Row]] = {}

    def __len__(self) -> int:
        return sum(len(days) for values in self._cells.values() for days in values.values())

    def of(self, cell: Cell) -> Sums:
        """The cell's sums; not to be changed."""
        return self._cells.get(cell.dimension, {}).get(cell.value, {}).get(cell.day, {})

    def put(self, cell: Cell, sums: Sums) -> None:
        """From now on these are the cell's sums."""
        self._cells.setdefault(cell.dimension, {}).setdefault(cell.value, {})[cell.day] = sums

    def capped(self, changes: Mapping[Cell, Sums], most: int = VALUES_MAX) -> dict[Cell, Sums]:
        """The changes with those of values beyond the first `most` of a dimension among others.

        Values that have a cell keep it and new ones get none once there are so many: so what was counted of
        a job is always taken away where it was put.
        """
        fresh: dict[Dimension, set[str]] = {}
        found: dict[Cell, Sums] = {}
        for cell, sums in changes.items():
            place = cell
            if cell.dimension in COORDINATES and cell.value is not None:
                known, new = self._cells.get(cell.dimension, {}), fresh.setdefault(cell.dimension, set())
                if cell.value not in known and cell.value not in new:
                    if len(known) + len(new) < most:
                        new.add(cell.value)
                    else:
                        place = cell._replace(value=OTHER)
            add(found.setdefault(place, {}), sums)
        return found

    def answers(self, question: Question) -> bool:
        """Whether the cells have the answer."""
        for dimension, value in question.filters.coordinates().items():
            values = self._cells.get(dimension, {})
            if OTHER in values and (value == OTHER or value not in values):
                return False  # it may be among others
        return question.in_cells

    def values(self, dimension: Dimension) -> list[str]:
        """What jobs are told apart by, those of the most jobs first."""
        jobs = {
            value: days[None].get("J", 0)
            for value, days in self._cells.get(dimension, {}).items()
            if value is not None and None in days
        }
        return sorted(jobs, key=lambda value: (-jobs[value], value))

    def row(self, key: dict[str, str | None], sums: Sums) -> Row:
        """What a cell's sums say; remembered for as long as they stand."""
        name = tuple(key.items())
        known = self._rows.get(name)
        if known is None or known[0] is not sums:
            if len(self._rows) >= _ROWS_MAX:
                self._rows.clear()
            known = self._rows[name] = (sums, row(key, sums))
        return known[1]

    def groups(self, question: Question) -> Groups:
        """What the question asks for, when `in_cells`."""
        dimension: Dimension = min(question.dimensions) if question.dimensions else "all"
        wanted = question.filters.coordinates().get(dimension)
        by = question.by
        values = self._cells.get(dimension, {})
        if dimension == "squad" and wanted is None:
            values = values | {None: self._without_squad(question)}
        found: Groups = {}
        for value, days in values.items():
            if wanted is None or value == wanted:
                for day, sums in _wanted(days, question):
                    if sums:
                        key = tuple(day_name(day) if name == "day" else value for name in by)
                        found.setdefault(key, {})[day] = sums
        return found

    def _without_squad(self, question: Question) -> Days:
        """Of jobs that no squad worked on, which have no cell: what all have and no squad has."""
        found: Days = {}
        for day, sums in _wanted(self._cells.get("all", {}).get(None, {}), question):
            rest = dict(sums)
            for days in self._cells.get("squad", {}).values():
                add(rest, plain(days.get(day, {})), -1)
            found[day] = rest
        return found

    def without_job(self, question: Question) -> Days:
        """What was metered without a job in the window."""
        days = self._cells.get("none", {}).get(None, {})
        return dict(_wanted(days, question))


def _wanted(days: Days, question: Question) -> Iterator[tuple[int | None, Sums]]:
    """All days together where they need not be told apart."""
    window = question.filters.window
    if window.is_open and question.currency is None and "day" not in question.by:
        if None in days:
            yield None, days[None]
        return
    for day, sums in days.items():
        if day is not None and window.has_day(day):
            yield day, sums


def day_name(day: int | None) -> str | None:
    """The day as a date."""
    return None if day is None else datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date().isoformat()


def gather(into: Groups, jobs: Iterable[Job], by: Sequence[By]) -> None:
    """Adds single jobs to their groups."""
    apart = any(each in by for each in ("approach", "group", "squad"))
    for job in jobs:
        day = job.created_ms // DAY_MS
        key = tuple(day_name(day) if name == "day" else getattr(job, name) for name in by)
        sums = sums_of(job.state, decided=apart and job.approach is not None)
        add(into.setdefault(key, {}).setdefault(day, {}), sums)


def all_together(groups: Groups) -> Days:
    """The sum of groups that have no job in common, without the squares: not all of its jobs have any."""
    found: Days = {}
    for days in groups.values():
        for day, sums in days.items():
            add(found.setdefault(day, {}), plain(sums))
    return found


def gather_runs(into: Groups, jobs: Iterable[tuple[Job, Sequence[Metered]]], question: Question) -> None:
    """Adds the runs of single jobs to their groups, those that pass the filters."""
    filters = question.filters
    for job, metered in jobs:
        day = job.created_ms // DAY_MS
        for run, sums in runs(job, metered):
            if filters.trace in {None, run.trace} and filters.trace_type in {None, run.trace_type}:
                key = tuple(_coordinate(job, run, day, name) for name in question.by)
                add(into.setdefault(key, {}).setdefault(day, {}), sums)


def _coordinate(job: Job, run: Run, day: int, name: By) -> str | None:
    if name == "day":
        return day_name(day)
    return getattr(run if name in RUNS else job, name)


def jobs_like(
    sums: Mapping[str, int], status: str | None, outcome: str | None, not_outcome: str | None = None
) -> int | None:
    """How many jobs have this status and this outcome, or not that; None where the sums do not tell."""
    if not_outcome is not None:
        if outcome is not None:
            return None
        all_, those = jobs_like(sums, status, None), jobs_like(sums, status, not_outcome)
        return None if all_ is None or those is None else all_ - those
    jobs, reported = sums.get("J", 0), sums.get("R", 0)
    if PENDING in {status, outcome}:
        return jobs - reported if {status, outcome} <= {PENDING, None} else 0
    if status is None:
        return jobs if outcome is None else sums.get(f"Y:{outcome}", 0)
    if outcome is None:
        return sums.get(f"S:{status}", 0)
    both = {("SUCCESS", "CONVERTED"): "SC", ("SUCCESS", "DEFLECTED"): "SD"}.get((status, outcome))
    return None if both is None else sums.get(both, 0)
