"""From sums to what a person reads: Value Ratio, ROI, funnels, what a conversion costs. Contract: section 8.

A zero denominator is None. Currencies are never added: a row of several has its amounts by currency and no
ratio, unless it was converted. What is not priced is not 0: amounts that nobody knows are None.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple, overload

from msgspec import Struct

from amp.ledger import money
from amp.ledger.cells import COST_LETTERS
from amp.ledger.intervals import LEVEL, Moments, value_per_cost
from amp.ledger.types import DEFAULT_CURRENCY, OUTCOME_TYPES, STATUSES


class Amounts(Struct, rename="camel", frozen=True):
    """Money of one currency; None is what nobody knows."""

    currency: str
    token_cost: Decimal | None
    external_tool_cost: Decimal | None
    human_cost: Decimal | None
    total_cost: Decimal | None
    total_value: Decimal


class Funnel(Struct, rename="camel", frozen=True):
    """Jobs, of them SUCCESS, of these CONVERTED."""

    total_jobs: int
    successful_jobs: int
    converted_jobs: int
    success_rate: float | None
    conversion_rate: float | None


class Avoidance(Struct, rename="camel", frozen=True):
    """Jobs, of them SUCCESS, of these DEFLECTED."""

    total_jobs: int
    successful_jobs: int
    deflected_jobs: int
    success_rate: float | None
    deflection_rate: float | None


class Composition(Struct, frozen=True):
    """Shares of the cost, together 1."""

    model: float | None
    tool: float | None
    human: float | None


class Between(Struct, frozen=True):
    """Where the Value Ratio lies at the level, if the jobs are a sample of what the approach does."""

    low: float
    high: float
    level: float = LEVEL


class Row(Struct, rename="camel", frozen=True):
    """What one group of jobs was worth, against what it cost."""

    key: dict[str, str | None]
    jobs: int
    reported: int
    pending: int
    execution_statuses: dict[str, int]
    outcome_types: dict[str, int]
    conversion_funnel: Funnel
    cost_avoidance_funnel: Avoidance
    deflection_rate: float | None
    """Of all jobs."""
    currency: str | None
    """Of the amounts; None: there are several, see `by_currency`."""
    token_cost: Decimal | None
    external_tool_cost: Decimal | None
    human_cost: Decimal | None
    total_cost: Decimal | None
    total_value: Decimal | None
    net_value: Decimal | None
    value_ratio: float | None
    roi: float | None
    """Percent."""
    cost_per_conversion: Decimal | None
    cost_per_outcome: Decimal | None
    average_value: Decimal | None
    cost_composition: Composition
    tool_cost_ratio: float | None
    by_currency: list[Amounts]
    transactions: int
    """AI calls."""
    tool_events: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    unpriced_completions: int
    unpriced_tool_events: int
    escalated_without_human_cost: int
    value_ratio_interval: Between | None
    warnings: list[str]


UNPRICED = "unpriced: the cost is at least this, the ratio at most"
ESCALATED = "escalated without human cost: the ROI is too high"
MIXED = "several currencies: no ratio without conversion"


def row(key: dict[str, str | None], sums: Mapping[str, int]) -> Row:
    """What these sums say."""
    money_told = _money(sums)
    # squares are of jobs that follow a decision: all of an approach do, of another group perhaps not all
    squared = "approach" in key or "group" in key or sums.get("JD") == sums.get("J")
    interval = _interval(sums, money_told["currency"]) if squared else None
    return Row(key=key, **_outcomes(sums), **money_told, **_usage(sums), value_ratio_interval=interval)


def _outcomes(sums: Mapping[str, int]) -> dict[str, Any]:
    jobs, reported, success = (sums.get(name, 0) for name in ("J", "R", "S:SUCCESS"))
    converted, deflected = sums.get("SC", 0), sums.get("SD", 0)
    rate = share(success, jobs)
    return {
        "jobs": jobs,
        "reported": reported,
        "pending": jobs - reported,
        "execution_statuses": {name: sums.get(f"S:{name}", 0) for name in STATUSES},
        "outcome_types": {name: sums.get(f"Y:{name}", 0) for name in OUTCOME_TYPES},
        "conversion_funnel": Funnel(jobs, success, converted, rate, share(converted, success)),
        "cost_avoidance_funnel": Avoidance(jobs, success, deflected, rate, share(deflected, success)),
        "deflection_rate": share(sums.get("Y:DEFLECTED", 0), jobs),
    }


def _money(sums: Mapping[str, int]) -> dict[str, Any]:
    parts = [parts_of(sums, currency) for currency in currencies(sums)] or [parts_of(sums, DEFAULT_CURRENCY)]
    by_currency = [_amounts(each) for each in parts]
    one, amounts = (parts[0], by_currency[0]) if len(parts) == 1 else (_SEVERAL, None)
    cost, value = one.total, one.value
    conversions = sums.get("Y:CONVERTED", 0)
    unpriced = sums.get("UC", 0) + sums.get("UT", 0)
    warnings = {UNPRICED: unpriced, ESCALATED: sums.get("EH"), MIXED: one is _SEVERAL}
    return {
        "currency": one.currency,
        "token_cost": amounts and amounts.token_cost,
        "external_tool_cost": amounts and amounts.external_tool_cost,
        "human_cost": amounts and amounts.human_cost,
        "total_cost": amounts and amounts.total_cost,
        "total_value": amounts and amounts.total_value,
        "net_value": None if cost is None or value is None else decimal(value - cost),
        "value_ratio": share(value, cost),
        "roi": roi(value, cost),
        "cost_per_conversion": each(cost, conversions),
        "cost_per_outcome": each(cost, conversions + sums.get("Y:DEFLECTED", 0)),
        "average_value": each(value, sums.get("J")),
        "cost_composition": Composition(
            share(one.model, cost), share(one.tool, cost), share(one.human, cost)
        ),
        "tool_cost_ratio": share(one.tool, cost),
        "by_currency": by_currency,
        "warnings": [words for words, so in warnings.items() if so],
    }


def _usage(sums: Mapping[str, int]) -> dict[str, Any]:
    return {
        "transactions": sums.get("NC", 0),
        "tool_events": sums.get("NT", 0),
        "input_tokens": sums.get("TI", 0),
        "output_tokens": sums.get("TO", 0),
        "total_tokens": sums.get("TT", 0),
        "unpriced_completions": sums.get("UC", 0),
        "unpriced_tool_events": sums.get("UT", 0),
        "escalated_without_human_cost": sums.get("EH", 0),
    }


def currencies(sums: Mapping[str, int]) -> list[str]:
    """Those that there are amounts of."""
    return sorted({name[2:] for name in sums if name[1:2] == ":" and name[0] in ("V", *COST_LETTERS)})


def share(part: int | None, whole: int | None) -> float | None:
    """None where there is nothing to have a share of."""
    return None if part is None or not whole else part / whole


def roi(value: int | None, cost: int | None) -> float | None:
    """Percent."""
    return None if value is None or not cost else float(Fraction(100 * (value - cost), cost))


def each(total: int | None, count: int | None) -> Decimal | None:
    """Nanos shared among so many, as an amount rounded half-even to 1e-9."""
    return None if total is None or not count else decimal(money.per(total, count))


@overload
def decimal(nanos: int) -> Decimal: ...
@overload
def decimal(nanos: int | None) -> Decimal | None: ...
def decimal(nanos: int | None) -> Decimal | None:
    """The amount in units, exact."""
    return None if nanos is None else Decimal(money.text(nanos)) if nanos else _NOTHING


def ranked(rows: Iterable[Row]) -> list[Row]:
    """By Value Ratio, the best first; those without one last, the larger first."""
    return sorted(
        rows,
        key=lambda one: (-inf if one.value_ratio is None else one.value_ratio, one.jobs),
        reverse=True,
    )


_NOTHING = Decimal(0)


class Parts(NamedTuple):
    """Nanos of one currency; None is what nobody knows."""

    currency: str | None
    model: int | None
    tool: int | None
    human: int | None
    total: int | None
    value: int | None


_SEVERAL = Parts(None, None, None, None, None, None)


def parts_of(sums: Mapping[str, int], currency: str) -> Parts:
    """The amounts of one currency."""
    model, tool, human = (sums.get(f"{letter}:{currency}", 0) for letter in COST_LETTERS)
    # what is not priced has no currency: where nothing else was metered, the cost is unknown and not 0
    models = bool(model) or not sums.get("UC") or sums["NC"] > sums["UC"]
    tools = bool(tool or human) or not sums.get("UT") or sums["NT"] > sums["UT"]
    known = bool(model or tool or human) or (models and tools)
    return Parts(
        currency,
        model if models else None,
        tool if tools else None,
        human if tools else None,
        model + tool + human if known else None,
        sums.get(f"V:{currency}", 0),
    )


def _amounts(parts: Parts) -> Amounts:
    model, tool, human, total, value = (decimal(each) for each in parts[1:])
    return Amounts(parts.currency or "", model, tool, human, total, value or _NOTHING)


def _interval(sums: Mapping[str, int], currency: str | None) -> Between | None:
    """None where there are no squares."""
    squared = sums.get(f"VV:{currency}")
    if squared is None:
        return None
    found = value_per_cost(
        Moments(
            sums["J"],
            sums.get(f"V:{currency}", 0),
            sum(sums.get(f"{letter}:{currency}", 0) for letter in COST_LETTERS),
            squared,
            sums.get(f"CC:{currency}:{currency}", 0),
            sums.get(f"VC:{currency}:{currency}", 0),
        )
    )
    return found and Between(*found)
