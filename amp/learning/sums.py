"""Users' rows, summed: what the comparison of the groups and the look at the reports are made from.

A page of users at a time, so that a crowd's rows need not lie in memory together.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np

from amp.learning import rows
from amp.learning.approaches import Approaches
from amp.learning.lift import TIME_MIN_S
from amp.learning.record import Record
from amp.learning.reward import rewards
from amp.learning.types import LEARNING_FROM, OPTIMISED_FROM, Floats, History, Ints, Mask, Weights

TOO_SOON_MS = 2_000
"""Nobody has done anything within this time of being helped."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Rewards of one kind of interaction: by user (an index into `Sums.control`), each user once."""

    users: Ints
    rewards: Floats
    """Summed."""
    numbers: Floats

    def after(self, first: int, more: "Cell | None") -> "Cell":
        """With another page's users, who are numbered from `first`."""
        if more is None:
            return self
        return Cell(
            np.append(self.users, more.users + first),
            np.append(self.rewards, more.rewards),
            np.append(self.numbers, more.numbers),
        )


class Reports(NamedTuple):
    """Every report that is kept, whoever's it is."""

    number: int = 0
    negative: int = 0
    """Never started, or said not to be completed."""
    completed: int = 0
    too_soon: int = 0
    """Completed, but reported within `TOO_SOON_MS` of the decision without a longer time to start."""

    def __add__(self, other: object) -> "Reports":
        assert isinstance(other, Reports)
        return Reports(*(mine + its for mine, its in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Sums:
    """Some users, one row each; those of neither group are only counted."""

    users: list[str]
    control: Mask
    sums: Floats
    """Reward, started, completed, log seconds to start; shape (users, 4)."""
    numbers: Floats
    """Of how many interactions; same shape."""
    phases: Mapping[int, Cell]
    tasks: Mapping[int, Cell]
    """By task hash."""
    first_seen: Mapping[int, int]
    """When each task type was first decided for, in milliseconds; by task hash."""
    preferring: int
    """Users who have set a preference by hand."""
    mixed: int
    """Users with interactions of both groups."""
    unreadable: int
    reports: Reports
    by_point: Floats
    """Rewards summed and counted; shape (2, points)."""


def summed(found: Sequence[tuple[str, Record]], weights: Weights, approaches: Approaches) -> Sums:
    """One page of users."""
    read = [(name, record, _readable(record)) for name, record in found]
    theirs = [each for each in read if each[2] is not None and each[2].size]
    owners, rows_of = (
        [record for _, record, _ in theirs],
        [history for *_, history in theirs if history is not None],
    )
    every = rows.joined(rows_of) if rows_of else np.empty(0, rows.ROW)
    user = np.repeat(np.arange(len(owners)), [len(history) for history in rows_of])
    worth = rewards(every, weights)
    grouped, mixed = _grouped(every, user, owners)
    kept = grouped[user] & ~rows.has(every, rows.SHADOW, "circumstance")
    page = _Page(every[kept], (np.cumsum(grouped) - 1)[user[kept]], worth[kept])
    within = np.ones(len(every), bool) if approaches.layouts else every["combination"] < approaches.count
    point, points = approaches.points(every[within]), len(approaches.options_at)
    return Sums(
        users=[name for (name, *_), counts in zip(theirs, grouped, strict=True) if counts],
        control=page.control(int(grouped.sum())),
        sums=page.sums(int(grouped.sum())),
        numbers=page.numbers(int(grouped.sum())),
        phases=page.cells(_phase(owners, rows_of)[kept]),
        tasks=page.cells(page.rows["task_hash"].astype(np.int64)),
        first_seen=page.first_seen(),
        preferring=sum(any(record.preferences) for record in owners),
        mixed=mixed,
        unreadable=sum(history is None for *_, history in read),
        reports=_reports(every),
        by_point=np.stack(
            [_totals(point, worth[within], points), _totals(point, np.ones(len(point)), points)]
        ),
    )


def joined(pages: Sequence[Sums]) -> Sums:
    """All of them as one; at least one is needed."""
    return reduce(_two, pages)


def _two(one: Sums, two: Sums) -> Sums:
    first = len(one.control)
    return Sums(
        users=one.users + two.users,
        control=np.append(one.control, two.control),
        sums=np.vstack([one.sums, two.sums]),
        numbers=np.vstack([one.numbers, two.numbers]),
        phases=_merged(one.phases, two.phases, first),
        tasks=_merged(one.tasks, two.tasks, first),
        first_seen={
            task: min(each[task] for each in (one.first_seen, two.first_seen) if task in each)
            for task in {*one.first_seen, *two.first_seen}
        },
        preferring=one.preferring + two.preferring,
        mixed=one.mixed + two.mixed,
        unreadable=one.unreadable + two.unreadable,
        reports=one.reports + two.reports,
        by_point=one.by_point + two.by_point,
    )


_NOBODY = Cell(np.empty(0, np.int64), np.empty(0), np.empty(0))


def _merged(one: Mapping[int, Cell], two: Mapping[int, Cell], first: int) -> dict[int, Cell]:
    return {kind: one.get(kind, _NOBODY).after(first, two.get(kind)) for kind in sorted({*one, *two})}


@dataclass(frozen=True, slots=True)
class _Page:
    """Rows that count, the user of each as a number from 0, and its reward."""

    rows: History
    user: Ints
    worth: Floats

    def control(self, users: int) -> Mask:
        found = np.zeros(users, bool)
        found[self.user] = rows.has(self.rows, rows.CONTROL, "circumstance")
        return found

    def sums(self, users: int) -> Floats:
        seconds = np.maximum(rows.start_ms(self.rows) / 1e3, TIME_MIN_S)
        values = (
            self.worth,
            rows.has(self.rows, rows.STARTED),
            rows.has(self.rows, rows.COMPLETED),
            np.log(seconds) * self._timed,
        )
        return np.stack([_totals(self.user, each, users) for each in values], axis=1)

    def numbers(self, users: int) -> Floats:
        each = _totals(self.user, np.ones(len(self.user)), users)
        timed = _totals(self.user, self._timed, users)
        return np.stack([each, each, each, timed], axis=1)

    @property
    def _timed(self) -> Mask:
        return rows.has(self.rows, rows.START_TIME_SAID) & rows.has(self.rows, rows.STARTED)

    def cells(self, kind: Ints) -> dict[int, Cell]:
        """One cell a value of `kind`, which each row has one of."""
        users = int(self.user.max(initial=0)) + 1
        pairs, where = np.unique(kind * users + self.user, return_inverse=True)
        worth = _totals(where.ravel(), self.worth, len(pairs))
        numbers = _totals(where.ravel(), np.ones(len(kind)), len(pairs))
        kinds, user = np.divmod(pairs, users)
        return {
            int(value): Cell(user[kinds == value], worth[kinds == value], numbers[kinds == value])
            for value in np.unique(kinds)
        }

    def first_seen(self) -> dict[int, int]:
        tasks, where = np.unique(self.rows["task_hash"], return_inverse=True)
        first = np.full(len(tasks), np.iinfo(np.int64).max)
        np.minimum.at(first, where.ravel(), rows.decided_ms(self.rows))
        return {int(task): int(at) for task, at in zip(tasks, first, strict=True)}


def _totals(of: np.ndarray, values: Floats | Mask, count: int) -> Floats:
    """Sums of values by what they are of, a number below `count`."""
    return np.bincount(of, values, minlength=count).astype(np.float64)


def _readable(record: Record) -> History | None:
    with suppress(ValueError):
        return rows.every(record.rows)
    return None


def _grouped(every: History, user: Ints, owners: Sequence[Record]) -> tuple[Mask, int]:
    """Which users are of one group, and how many have interactions of both."""
    served = ~rows.has(every, rows.SHADOW, "circumstance")
    number = np.bincount(user, served, minlength=len(owners))
    control = np.bincount(user, served & rows.has(every, rows.CONTROL, "circumstance"), minlength=len(owners))
    mixed = (control > 0) & (control < number)
    preferring = np.array([any(record.preferences) for record in owners], dtype=bool)
    return (number > 0) & ~mixed & ~preferring, int(mixed.sum())


def _phase(owners: Sequence[Record], histories: Sequence[History]) -> Ints:
    """The user's phase at each row's decision, as far as the order of decisions tells; an index of PHASES."""
    places = [
        np.arange(record.trimmed, record.trimmed + len(history))
        for record, history in zip(owners, histories, strict=True)
    ]
    place = np.concatenate(places) if places else np.empty(0, np.int64)
    return np.searchsorted((LEARNING_FROM, OPTIMISED_FROM), place, side="right").astype(np.int64)


def _reports(every: History) -> Reports:
    completed = rows.has(every, rows.COMPLETED)
    unfinished = rows.has(every, rows.COMPLETED_SAID) & ~completed
    at_once = (every["reported_after_ms"] < TOO_SOON_MS) & (rows.start_ms(every) <= TOO_SOON_MS)
    by_our_clock = ~rows.has(every, rows.DEGRADED, "circumstance")
    return Reports(
        len(every),
        int(np.sum(~rows.has(every, rows.STARTED) | unfinished)),
        int(completed.sum()),
        int(np.sum(completed & at_once & by_our_clock)),
    )
