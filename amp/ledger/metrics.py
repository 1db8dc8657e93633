"""One figure of many jobs' amounts: `metricType` of the contract, exact.

Percentiles go in a straight line between the two amounts beside them, as SQL's percentile_cont; what is no
whole nano is rounded half to even.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Literal

from amp.ledger import money
from amp.ledger.report import decimal

Metric = Literal["sum", "avg", "max", "min", "count", "median", "p50", "p90", "p95", "p99"]
METRICS: tuple[Metric, ...] = ("sum", "avg", "max", "min", "count", "median", "p50", "p90", "p95", "p99")

_SHARES = {
    "median": Fraction(1, 2),
    "p50": Fraction(1, 2),
    "p90": Fraction(9, 10),
    "p95": Fraction(19, 20),
    "p99": Fraction(99, 100),
}


def measured(metric: Metric, nanos: Sequence[int]) -> Decimal | None:
    """The figure of these amounts, one a job; of none it is None, and their count 0."""
    if metric == "count":
        return Decimal(len(nanos))
    if not nanos:
        return None
    match metric:
        case "sum":
            found = sum(nanos)
        case "avg":
            found = money.per(sum(nanos), len(nanos))
        case "max":
            found = max(nanos)
        case "min":
            found = min(nanos)
        case _:
            found = _percentile(sorted(nanos), _SHARES[metric])
    return decimal(found)


def _percentile(ordered: Sequence[int], share: Fraction) -> int:
    place = share * (len(ordered) - 1)
    below = floor(place)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return round(low + (high - low) * (place - below))
