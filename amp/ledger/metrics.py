"""One figure of many jobs' amounts: `metricType` of the contract, exact.

It applies to amounts of money: total, token, external tool and human cost of jobs whose cost is known, and
value of jobs that have one. Counts, rates, ROI and what a conversion costs are always of all jobs together.

Percentiles go in a straight line between the two amounts beside them, as SQL's percentile_cont; what is no
whole nano is rounded half to even.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Literal

from amp.ledger import money
from amp.ledger.cells import sums_of
from amp.ledger.job import Job
from amp.ledger.report import currencies, decimal, parts_of
from amp.ledger.types import DEFAULT_CURRENCY

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


class Samples:
    """The amounts of many jobs, by job type; of a group of several currencies they are not to be used."""

    def __init__(self) -> None:
        self._by_type: dict[str | None, dict[str, list[int]]] = {}

    def add(self, jobs: Iterable[Job]) -> None:
        """Each job's amounts, one for each of them."""
        for job in jobs:
            sums = sums_of(job.state, decided=False)
            of = self._by_type.setdefault(job.type, {})
            for currency in currencies(sums) or (DEFAULT_CURRENCY,):
                parts = parts_of(sums, currency)
                found = dict(zip(_COSTS, (parts.total, parts.model, parts.tool, parts.human), strict=True))
                for name, nanos in found.items():
                    if nanos is not None:
                        of.setdefault(name, []).append(nanos)
            if job.state.value_nanos is not None:
                of.setdefault(_VALUE, []).append(job.state.value_nanos)

    def of_type(self, metric: Metric, kind: str | None) -> dict[str, Decimal | None]:
        """The figure of each amount of this type's jobs."""
        of = self._by_type.get(kind, {})
        return {name: measured(metric, of.get(name, ())) for name in (*_COSTS, _VALUE)}

    def of_all(self, metric: Metric) -> dict[str, Decimal | None]:
        """The figure of each amount of all jobs."""
        return {
            name: measured(metric, [each for of in self._by_type.values() for each in of.get(name, ())])
            for name in (*_COSTS, _VALUE)
        }


_COSTS = ("total_cost", "token_cost", "external_tool_cost", "human_cost")
_VALUE = "total_value"


def _percentile(ordered: Sequence[int], share: Fraction) -> int:
    place = share * (len(ordered) - 1)
    below = floor(place)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return round(low + (high - low) * (place - below))
