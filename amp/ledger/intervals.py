"""How sure a ratio of means over jobs is: the value of an approach by its cost.

The jobs are a sample of what the approach does. Value and cost of one job go together, so the variance of
their ratio comes from the residuals value - ratio x cost (the delta method; Cochran, Sampling Techniques,
6.4). The interval is symmetric in the logarithm, for values are skewed and never below 0. Few jobs of much
value say little, however many of no value there are: Student's t has as many degrees of freedom as there are
jobs with value, counted by Kish's effective size (sum v)^2 / sum v^2, less one.
"""

from math import exp, sqrt
from typing import NamedTuple

from scipy.special import stdtrit

LEVEL = 0.95
_EFFECTIVE_MIN = 2.0
"""Below, one job decides, and no interval is told."""


class Moments(NamedTuple):
    """Sums over jobs of value, cost, their squares and their product, in one currency (squared)."""

    jobs: int
    value: int
    cost: int
    value_squared: int
    cost_squared: int
    value_cost: int


class Interval(NamedTuple):
    """A ratio that lies between these at the level."""

    low: float
    high: float


def ratio(of: Moments) -> float | None:
    """The value for one unit of cost; None without cost."""
    return of.value / of.cost if of.cost > 0 else None


def value_per_cost(of: Moments, level: float = LEVEL) -> Interval | None:
    """The interval of the ratio; None where too little is known for one."""
    if of.jobs < 2 or of.cost <= 0 or of.value <= 0:
        return None
    effective = of.value * of.value / of.value_squared
    if effective < _EFFECTIVE_MIN:
        return None
    # whole numbers until the end: the residuals of a ratio nearly vanish, and so would a double's digits
    residuals = (
        of.value_squared * of.cost**2 - 2 * of.value * of.cost * of.value_cost + of.value**2 * of.cost_squared
    )
    relative = sqrt(of.jobs / (of.jobs - 1) * max(residuals, 0) / (of.value * of.cost) ** 2)
    reach = exp(float(stdtrit(effective - 1, 0.5 + level / 2)) * relative)
    middle = of.value / of.cost
    return Interval(middle / reach, middle * reach)
