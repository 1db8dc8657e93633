"""What learning is worth: learned users against the control group, in an interval that may be watched.

The value of a user is the mean over that user's interactions, and a group's is the mean over its users: each
counts once, however much a heavy one reports, so outcomes of one user need not be independent.

The interval is a confidence sequence: with probability 1 - alpha it holds the true difference at every look,
from the first to the last, so a dashboard may be read daily and a test stopped when it pleases. It is the
two-sided normal mixture (Robbins 1970; Howard et al. 2021, "Time-uniform, nonparametric, nonasymptotic
confidence sequences", Proposition 5) with an estimated variance (Waudby-Smith et al. 2024, "Time-uniform
central limit theory and asymptotic confidence sequences"), run in information time 1 / standard error^2, in
which estimates made as users come and report have independent increments (Scharfstein, Tsiatis and Robins
1997). It is valid when users are independent, their group is drawn and not chosen, both groups are large
enough for their means to be near normal (`USERS_MIN`), and a user who comes late is like one who came early.
Each of the three differences keeps alpha for itself.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from amp.learning.types import Floats

USERS_MIN = 30
"""Users that each group needs before anything is said."""
ALPHA = 0.05
TIGHTEST_AT = 0.02
"""The standard error at which the interval is narrowest in units of itself; fixed before any data."""


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


@dataclass(frozen=True, slots=True)
class Difference:
    """Learned minus control, with its confidence sequence at this look."""

    learned: float
    control: float
    estimate: float
    low: float
    high: float

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


def lift(users: Iterable[UserSum], alpha: float = ALPHA) -> Lift:
    """Learned minus control in mean reward, start rate and completion rate."""
    counted = [user for user in users if user.interactions]
    # One row a user: mean reward, share started, share completed.
    means = np.array([(user.reward, user.started, user.completed) for user in counted]).reshape(-1, 3)
    means /= np.array([user.interactions for user in counted]).reshape(-1, 1)
    control = np.array([user.control for user in counted], dtype=bool)
    differences = [difference(each[~control], each[control], alpha) for each in means.T]
    return Lift(int(np.sum(~control)), int(np.sum(control)), *differences)


def difference(learned: Floats, control: Floats, alpha: float = ALPHA) -> Difference | None:
    """Learned minus control from one value a user; None while a group is too small."""
    if min(len(learned), len(control)) < USERS_MIN:
        return None
    estimate = float(learned.mean() - control.mean())
    margin = radius(_squared_error(learned) + _squared_error(control), alpha)
    return Difference(
        float(learned.mean()), float(control.mean()), estimate, estimate - margin, estimate + margin
    )


def radius(squared_error: float, alpha: float) -> float:
    """Half the width of the confidence sequence where the estimate has this variance."""
    spent = -2.0 * math.log(alpha)
    mixture = 1.0 / (TIGHTEST_AT**2 * (spent + math.log1p(spent)))
    information = 1.0 / squared_error
    total = information + mixture
    return math.sqrt(total * (math.log(total / mixture) + spent)) / information


def _squared_error(values: Floats) -> float:
    """Of the mean. Two users at its either side, 0.5 away, keep a group that is all alike from certainty."""
    scatter = float(np.sum((values - values.mean()) ** 2)) + 2.0 * 0.5**2
    return scatter / (len(values) + 1) / len(values)
