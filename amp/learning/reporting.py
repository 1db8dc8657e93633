"""Who reports: the share of decisions that were reported, and what in the reports makes one wonder."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from amp.learning.sums import Reports
from amp.learning.types import Floats

Z_MIN = 4.0
"""Standard errors from which on a dependence is told: about one false alarm in 16,000."""
GROUPS_APART = 0.05
OPTIONS_APART = 0.10
TOO_SOON_SHARE, TOO_SOON_MIN = 0.20, 30
NEGATIVE_AFTER = 50
RATE_MIN, DECIDED_MIN = 0.20, 200


class Rate(NamedTuple):
    """Decisions, and how many of them were reported."""

    decided: int = 0
    reported: int = 0

    @property
    def rate(self) -> float | None:
        return min(1.0, self.reported / self.decided) if self.decided else None

    def __add__(self, other: object) -> "Rate":
        assert isinstance(other, Rate)
        return Rate(self.decided + other.decided, self.reported + other.reported)


class Counted(NamedTuple):
    """Decisions of some days, by group and by what was shown."""

    learned: Rate = Rate()
    control: Rate = Rate()
    options: Mapping[str, Mapping[str, Rate]] = {}
    """By dimension and option."""
    control_options: Mapping[str, Mapping[str, Rate]] = {}
    """The control group's part of them."""

    @property
    def all(self) -> Rate:
        return self.learned + self.control


class Warned(NamedTuple):
    """Something that an operator should know before believing what was learned."""

    code: str
    says: str
    do: str


def together(days: Sequence[Counted]) -> Counted:
    """Their sum."""
    learned = sum((day.learned for day in days), Rate())
    return Counted(
        learned,
        sum((day.control for day in days), Rate()),
        _together([day.options for day in days]),
        _together([day.control_options for day in days]),
    )


def _together(days: Sequence[Mapping[str, Mapping[str, Rate]]]) -> dict[str, dict[str, Rate]]:
    options: dict[str, dict[str, Rate]] = {}
    for day in days:
        for dimension, shown in day.items():
            mine = options.setdefault(dimension, {})
            for option, rate in shown.items():
                mine[option] = mine.get(option, Rate()) + rate
    return options


def warnings(
    counted: Counted,
    closed: Counted,
    reports: Reports,
    rewards: Mapping[str, Mapping[str, float]],
) -> list[Warned]:
    """All that apply.

    `closed` are the decisions of days whose outcome window has passed: only there is silence silence.
    `rewards` has the mean reward of what was reported, by dimension and option.
    """
    told = [
        _groups(counted),
        *(_options(name, shown, rewards.get(name, {})) for name, shown in counted.options.items()),
        _too_soon(reports),
        _never_negative(reports),
        _seldom(closed.all),
    ]
    return [each for each in told if each]


def _groups(counted: Counted) -> Warned | None:
    learned, control = counted.learned, counted.control
    if not learned.decided or not control.decided:
        return None
    apart = (learned.rate or 0.0) - (control.rate or 0.0)
    if abs(apart) <= GROUPS_APART or abs(apart) <= Z_MIN * _error(learned, control):
        return None
    return Warned(
        "REPORTING_DIFFERS_BY_GROUP",
        f"Learned users report {learned.rate:.0%} of their decisions, control users {control.rate:.0%}: "
        "the groups are no longer compared like with like.",
        "Report every outcome, also of what was never started, and report it the same way for both groups.",
    )


def _error(one: Rate, two: Rate) -> float:
    """Standard error of the difference of two shares that are equal."""
    share = min(1.0, (one.reported + two.reported) / (one.decided + two.decided))
    return math.sqrt(share * (1.0 - share) * (1.0 / one.decided + 1.0 / two.decided))


def _options(dimension: str, shown: Mapping[str, Rate], rewards: Mapping[str, float]) -> Warned | None:
    """Weighted regression of the share reported on the mean reward reported, over a dimension's options."""
    names = [name for name, rate in shown.items() if rate.decided and name in rewards]
    if len(names) < 2:
        return None
    reward = np.array([rewards[name] for name in names])
    decided = np.array([shown[name].decided for name in names], float)
    share = np.array([shown[name].rate or 0.0 for name in names])
    slope, error = _slope(reward, share, decided)
    implied = abs(slope) * float(np.ptp(reward))
    if implied <= OPTIONS_APART or abs(slope) <= Z_MIN * error:
        return None
    more, less = ("better", "worse") if slope > 0 else ("worse", "better")
    return Warned(
        "REPORTING_DEPENDS_ON_RESULT",
        f"Where the {dimension} shown does {more}, outcomes are reported more often than where it does "
        f"{less} ({implied:.0%} of decisions apart): what is not reported is not like what is.",
        "Report every outcome, above all started: false when nothing was begun.",
    )


def _slope(x: Floats, share: Floats, decided: Floats) -> tuple[float, float]:
    """And its standard error, when the share is the same everywhere; (0, 0) when x is."""
    pooled = min(1.0, float(np.average(share, weights=decided)))
    apart = x - np.average(x, weights=decided)
    spread = float(np.sum(decided * apart**2))
    if spread < 1e-12:
        return 0.0, 0.0
    slope = float(np.sum(decided * apart * share)) / spread
    return slope, math.sqrt(pooled * (1.0 - pooled) / spread)


def _too_soon(reports: Reports) -> Warned | None:
    if reports.too_soon < TOO_SOON_MIN or reports.too_soon <= TOO_SOON_SHARE * reports.completed:
        return None
    return Warned(
        "COMPLETED_TOO_SOON",
        f"{reports.too_soon:,} of {reports.completed:,} completions were reported within 2 seconds of the "
        "decision: sooner than anyone could act.",
        "Report when the user has acted, not when the answer was sent.",
    )


def _never_negative(reports: Reports) -> Warned | None:
    if reports.number < NEGATIVE_AFTER or reports.negative:
        return None
    return Warned(
        "NEVER_NEGATIVE",
        f"None of {reports.number:,} reports says that something was not started or not completed.",
        "Report failures too: started: false, or completed: false. Without them nothing tells good from bad.",
    )


def _seldom(closed: Rate) -> Warned | None:
    if closed.decided < DECIDED_MIN or (closed.rate or 0.0) >= RATE_MIN:
        return None
    return Warned(
        "SELDOM_REPORTED",
        f"{closed.rate:.0%} of {closed.decided:,} decisions whose time is over were reported.",
        "Look whether reports get lost: the client's counters, 4xx and 5xx in /metrics, the outcome window.",
    )
