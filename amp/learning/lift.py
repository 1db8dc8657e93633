"""What learning is worth: learned users against the control group, in an interval that may be watched.

The value of a user is the mean over that user's k interactions, and a group's is the mean over its users,
each with the weight k / (k + 5): a heavy user counts at most as one who is known for certain, a newcomer for
a sixth of that, and outcomes of one user need not be independent.

The interval is a confidence sequence: with probability 1 - alpha it holds the true difference at every look,
from the first to the last, so a dashboard may be read daily and a test stopped when it pleases. It is the
two-sided normal mixture (Robbins 1970; Howard et al. 2021, "Time-uniform, nonparametric, nonasymptotic
confidence sequences", Proposition 5) with an estimated variance (Waudby-Smith et al. 2024, "Time-uniform
central limit theory and asymptotic confidence sequences"), run in information time 1 / standard error^2, in
which efficient estimates, made as users come and report, have independent increments (Scharfstein, Tsiatis
and Robins 1997). That is what the weights are for: with equal ones, means of users who go on reporting
revert, and up to 8 % of simulated years without an effect showed one instead of at most 3 %. It is valid when
users are independent, their group is drawn and not chosen, both groups are large enough for their means to be
near normal (`USERS_MIN`), and a user who comes late is like one who came early.
Each of the four differences keeps alpha for itself.

Times to start have a heavy tail: one user who came back after a week would be the mean of a hundred others.
So a user's value is the mean of log seconds, a group's the mean of those, and a difference of logs is a ratio
of geometric means. It speaks of users who told a time, which who never started did not: where learning
changes who starts, those are no longer the same users in both groups.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from amp.learning.types import Floats, Mask

USERS_MIN = 30
"""Users that each group needs before anything is said."""
ALPHA = 0.05
GROWTH_MAX = 10_000.0
"""An estimate that this many times the users would not settle is not worth a number of users."""
TIME_MIN_S = 1.0
"""A quicker start counts as this: below it a logarithm would tell clocks and not people apart."""


SETTLES_AT = 5.0
"""Interactions at which a user has half the full weight: variance within users over that between them.

Fixed before any data; a wrong guess costs a little width (`tests/learning/test_peeking.py` tries some).
"""


class Scale(NamedTuple):
    """What is known of a value before any data."""

    half: float
    """Half its range, or for want of one its spread."""
    tightest_at: float
    """The standard error at which the interval is narrowest in units of itself."""
    largest: float
    """No difference is larger, whatever the interval says."""


RATE = Scale(0.5, 0.02, 1.0)
"""Values between 0 and 1."""
LOG_TIME = Scale(1.0, 0.08, math.inf)
"""Means of log seconds."""


@dataclass(frozen=True, slots=True)
class UserSum:
    """One user's interactions, summed.

    Users with a manual preference, and users whose group has changed, are in neither group: leave them out.
    """

    control: bool
    interactions: int
    reward: float
    started: int
    completed: int
    times: int = 0
    """Interactions that told a time to start."""
    log_time: float = 0.0
    """Sum of its logarithm in seconds, each at least `TIME_MIN_S`."""


class Needed(NamedTuple):
    """Users that are still to come, at the present split."""

    learned: int
    control: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Learned minus control, with its confidence sequence at this look."""

    learned: float
    control: float
    estimate: float
    low: float
    high: float
    learned_users: int
    control_users: int
    needed: Needed | None
    """Until the interval would leave out 0 if the estimate were so; None when it does, or never would."""

    @property
    def shown(self) -> bool:
        """The interval leaves out 0; otherwise no effect is shown yet, which is not "no effect"."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True, slots=True)
class Lift:
    """Every difference is None while a group has under `USERS_MIN` users."""

    learned_users: int
    control_users: int
    reward: Difference | None
    start_rate: Difference | None
    completion_rate: Difference | None
    time_to_start: Difference | None
    """Of log seconds, between users who told a time."""


class Values(NamedTuple):
    """One value a user, and of how many interactions it is the mean; users with none are of no account."""

    means: Floats
    numbers: Floats

    def where(self, mask: Mask) -> "Values":
        return Values(self.means[mask], self.numbers[mask])


def lift(users: Iterable[UserSum], alpha: float = ALPHA) -> Lift:
    """Learned minus control, from users one by one."""
    counted = [user for user in users if user.interactions]
    sums = [(user.reward, user.started, user.completed, user.log_time) for user in counted]
    numbers = [(user.interactions,) * 3 + (user.times,) for user in counted]
    control = np.array([user.control for user in counted], dtype=bool)
    return compare(np.array(sums).reshape(-1, 4), np.array(numbers, float).reshape(-1, 4), control, alpha)


def log_time(time_ms: int | None) -> float:
    """Log seconds of a time to start; 0 for none, which is not to be counted in `times`."""
    return 0.0 if time_ms is None else math.log(max(time_ms / 1000, TIME_MIN_S))


def compare(sums: Floats, numbers: Floats, control: Mask, alpha: float = ALPHA) -> Lift:
    """As `lift`, from one row a user: sums of reward, started, completed, log seconds, each of so many.

    Both have the shape (users, 4); `control` is a mask of users.
    """
    means = sums / np.maximum(numbers, 1.0)
    differences = [
        between(Values(*each), control, alpha, scale)
        for *each, scale in zip(means.T, numbers.T, (RATE, RATE, RATE, LOG_TIME), strict=True)
    ]
    return Lift(int(np.sum(~control)), int(np.sum(control)), *differences)


def between(values: Values, control: Mask, alpha: float = ALPHA, scale: Scale = RATE) -> Difference | None:
    """Learned minus control; None while a group is too small."""
    told = values.numbers > 0
    groups = values.where(told & ~control), values.where(told & control)
    users = len(groups[0].means), len(groups[1].means)
    if min(users) < USERS_MIN:
        return None
    (learned, its_error), (baseline, own_error) = (_mean(group, scale) for group in groups)
    estimate, error = learned - baseline, its_error + own_error
    margin = float(radius(error, alpha, scale))
    return Difference(
        learned,
        baseline,
        estimate,
        max(estimate - margin, -scale.largest),
        min(estimate + margin, scale.largest),
        *users,
        needed(users, estimate, error, alpha, scale),
    )


def _mean(group: Values, scale: Scale) -> tuple[float, float]:
    """A group's mean, and its squared error."""
    weights = weight(group.numbers)
    mean = float(np.average(group.means, weights=weights))
    scatter = np.sum(np.square(weights * (group.means - mean)))
    error = squared_error(len(weights), weights.sum(), np.sum(np.square(weights)), scatter, scale)
    return mean, float(error)


def weight(numbers: Floats) -> Floats:
    """Of users' means over so many interactions."""
    return numbers / (numbers + SETTLES_AT)


def squared_error(
    users: float | Floats,
    weights: float | Floats,
    squares: float | Floats,
    scatter: float | Floats,
    scale: Scale = RATE,
) -> Floats:
    """Of a weighted mean of `users`: from the sums of weights, of their squares, and of (weight * error)^2.

    Two users at its either side, half a range away, keep a group that is all alike from certainty.
    """
    padded = np.asarray(scatter) + 2.0 * scale.half**2 * np.asarray(squares) / users
    return padded / np.square(weights) * (users / (np.asarray(users) + 1.0))


def radius(squared_error: float | Floats, alpha: float, scale: Scale = RATE) -> Floats:
    """Half the width of the confidence sequence where the estimate has this variance."""
    spent = -2.0 * math.log(alpha)
    mixture = 1.0 / (scale.tightest_at**2 * (spent + math.log1p(spent)))
    information = 1.0 / np.asarray(squared_error)
    total = information + mixture
    return np.sqrt(total * (np.log(total / mixture) + spent)) / information


def needed(
    users: tuple[int, int], estimate: float, error: float, alpha: float, scale: Scale = RATE
) -> Needed | None:
    """Users (learned, control) still to come, if they are like those who came: the error falls with them."""

    def settled(growth: float) -> bool:
        return bool(radius(error / growth, alpha, scale) < abs(estimate))

    if settled(1.0) or not settled(GROWTH_MAX):
        return None
    too_few, enough = 1.0, GROWTH_MAX
    while enough / too_few > 1.0 + 1e-9:
        middle = math.sqrt(too_few * enough)
        too_few, enough = (too_few, middle) if settled(middle) else (middle, enough)
    return Needed(*(math.ceil(count * enough) - count for count in users))
