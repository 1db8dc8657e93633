"""The drawings of the ROI pages: from rows of reports to bars, lines and intervals."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from amp.dashboard import words
from amp.dashboard.bars import Bar, bars, composition, funnel
from amp.dashboard.intervals import Interval, interval_chart
from amp.dashboard.lines import Series, line_chart
from amp.dashboard.zoom import zoomable
from amp.ledger.leaf_wire import JobLine
from amp.ledger.report import Composition, Row

BARS_MAX = 8
APPROACHES_MAX = 12
PARTS_MAX = 3
"""Of a composition, before the rest."""
_WIDE = 4.0
"""An interval that ends this much above all ratios would make the others a dot."""
_STEPS = 60
"""Of a day that is drawn job after job."""
_LONG = timedelta(minutes=10)
_PARTS = (("model", "AI models", "s1"), ("tool", "Tools", "s2"), ("human", "People", "s3"))
NO_TYPE = "no type"


def of_total(total: Row) -> dict[str, Any]:
    """Both funnels, and what the cost is made of."""
    one, other = total.conversion_funnel, total.cost_avoidance_funnel
    first = [
        Bar("All jobs", one.total_jobs, words.count(one.total_jobs), "quiet"),
        Bar("Successful", one.successful_jobs, words.count(one.successful_jobs), "s1"),
    ]
    ends = (("Converted", one.converted_jobs), ("Deflected", other.deflected_jobs))
    converted, deflected = (Bar(name, jobs, words.count(jobs), "good") for name, jobs in ends)
    return {
        "conversion_chart": funnel("chart-conversion", "Conversion funnel", [*first, converted]),
        "avoidance_chart": funnel("chart-avoidance", "Cost avoidance funnel", [*first, deflected]),
        "cost_chart": cost("chart-cost", "What the cost is made of", total),
        "not_converted": one.successful_jobs - one.converted_jobs,
        "not_deflected": other.successful_jobs - other.deflected_jobs,
    }


def cost(name: str, title: str, row: Row) -> Markup | None:
    """Models, tools and people; None where nothing is known, or there are several currencies."""
    amounts = (row.token_cost, row.external_tool_cost, row.human_cost)
    return parts(name, title, amounts, row.cost_composition, row.currency)


def parts(
    name: str,
    title: str,
    amounts: Sequence[Decimal | None],
    shares: Composition,
    currency: str | None,
) -> Markup | None:
    """The same of amounts with their shares."""
    if not any(amounts):
        return None
    drawn = [
        Bar(
            label,
            None if amount is None else float(amount),
            f"{words.money(amount, currency)} ({words.percent(getattr(shares, kind), 0)})",
            colour,
        )
        for (kind, label, colour), amount in zip(_PARTS, amounts, strict=True)
    ]
    return composition(name, title, drawn)


def of_types(rows: Sequence[Row]) -> dict[str, Any]:
    """Types by Value Ratio, and which of them the value comes from."""
    known = [row for row in rows if row.value_ratio is not None and row.value_ratio >= 0][:BARS_MAX]
    drawn = [Bar(type_name(row), row.value_ratio, words.ratio(row.value_ratio), _kind(row)) for row in known]
    return {
        "types_chart": bars("chart-types", "Job types by Value Ratio", drawn) if len(drawn) > 1 else None,
        "types_drawn": len(drawn),
        "value_chart": _value(rows),
        "type_name": type_name,
    }


def type_name(row: Row) -> str:
    return row.key["type"] or NO_TYPE


def _kind(row: Row) -> str:
    return "good" if row.value_ratio is not None and row.value_ratio >= 1 else "bad"


def _value(rows: Sequence[Row]) -> Markup | None:
    """None where there are several currencies, or a type has cost more than nothing brought."""
    values = [(type_name(row), row.total_value or Decimal(0), row.currency) for row in rows]
    if len({currency for _, value, currency in values if value or currency is None}) != 1:
        return None
    if any(row.currency is None for row in rows) or any(value < 0 for _, value, _ in values):
        return None
    values = sorted((each for each in values if each[1]), key=lambda each: -each[1])
    total, currency = sum(value for _, value, _ in values), values[0][2]
    shown = [(name, value) for name, value, _ in values[:PARTS_MAX]]
    if len(values) > PARTS_MAX:
        rest = values[PARTS_MAX:]
        shown.append(
            (
                f"{len(rest)} other {'type' if len(rest) == 1 else 'types'}",
                sum((value for _, value, _ in rest), Decimal(0)),
            )
        )
    drawn = [
        Bar(
            name,
            float(value),
            f"{words.money(value, currency)} ({words.percent(float(value / total), 0)})",
            f"s{number}",
        )
        for number, (name, value) in enumerate(shown, 1)
    ]
    return composition("chart-value", "Which job types the value comes from", drawn)


def of_days(rows: Sequence[Row]) -> dict[str, Any]:
    """Value Ratio, and value against cost, by day; None of a single day, which makes no line."""
    if len(rows) < 2:
        return {"ratio_chart": None, "amounts_chart": None}
    days = [row.key["day"] or "" for row in rows]
    labels = [words.day(day) for day in days]
    ratio = [Series("Value Ratio", [row.value_ratio for row in rows])]
    drawn = line_chart("chart-ratio", "Value Ratio by day of the job", labels, ratio, tell=words.ratio)
    return {
        "ratio_chart": zoomable(drawn, days, ratio, unit="×"),
        "amounts_chart": _amounts(rows, days, labels),
    }


def _amounts(rows: Sequence[Row], days: Sequence[str], labels: Sequence[str]) -> Markup | None:
    if len({row.currency for row in rows if row.jobs}) != 1 or rows[-1].currency is None:
        return None
    series = [
        Series("Value", [_float(row.total_value) for row in rows]),
        Series("Cost", [_float(row.total_cost) for row in rows]),
    ]
    currency = rows[-1].currency
    drawn = line_chart(
        "chart-amounts", f"Value and cost by day of the job, {currency}", labels, series, tell=words.amount
    )
    return zoomable(drawn, days, series, unit=f" {currency}")


def of_one_day(lines: Sequence[JobLine], currency: str) -> Markup | None:
    """Value and cost as they add up over a day's jobs, by when each was made; None of jobs of one moment."""
    made = [datetime.fromisoformat(each.created) for each in lines]
    if not lines or min(made) == max(made):
        return None
    first, span = min(made), max(made) - min(made)
    times = [first + span * step / _STEPS for step in range(_STEPS + 1)]
    series = [
        Series("Value", _adding_up(times, made, [each.outcome_value for each in lines])),
        Series("Cost", _adding_up(times, made, [each.total_cost for each in lines])),
    ]
    form = "%H:%M" if span > _LONG else "%H:%M:%S"
    labels = [format(each, form) for each in times]
    title = f"Value and cost of the jobs made until then, {currency}"
    return line_chart("chart-amounts", title, labels, series, tell=words.amount)


def _adding_up(
    times: Sequence[datetime], made: Sequence[datetime], amounts: Sequence[Decimal | None]
) -> list[float]:
    told = [(at, amount) for at, amount in zip(made, amounts, strict=True) if amount is not None]
    return [float(sum((amount for at, amount in told if at <= time), Decimal(0))) for time in times]


def of_approaches(rows: Sequence[Row], groups: Sequence[Row]) -> dict[str, Any]:
    """Approaches by Value Ratio, and learned against control, with their intervals."""
    named = [row for row in rows if row.key["approach"]]
    sure = [row for row in named if row.value_ratio_interval] or named[:APPROACHES_MAX]
    least = sorted((row.jobs for row in sure), reverse=True)[:APPROACHES_MAX][-1:]
    shown = [row for row in sure if [row.jobs] >= least][:APPROACHES_MAX]
    both = [row for row in groups if row.key["group"]]
    return {
        "approach_chart": _ratios("chart-approaches", "Value Ratio by approach", shown, "approach"),
        "group_words": _apart(both),
        "group_chart": _ratios("chart-groups", "Value Ratio, learned and control", both, "group"),
        "approaches_drawn": len(shown),
        "approaches_in_all": len(named),
        "approaches_unsure": sum(row.value_ratio_interval is None for row in named),
    }


def _apart(groups: Sequence[Row]) -> str:
    """Whether jobs tell the groups apart, in words; nothing unless both have an interval."""
    ends = {row.key["group"]: row.value_ratio_interval for row in groups}
    learned, control = ends.get("learned"), ends.get("control")
    if learned is None or control is None:
        return "" if len(groups) < 2 else "There are too few jobs yet to tell the two apart."
    if learned.low > control.high:
        return "Learned users' jobs are worth more for what they cost, beyond chance."
    if learned.high < control.low:
        return "Control users' jobs are worth more for what they cost, beyond chance."
    return "The intervals overlap: these jobs do not tell the two apart, whichever is ahead."


def _ratios(name: str, title: str, rows: Sequence[Row], by: str) -> Markup | None:
    if not rows:
        return None
    most = max((row.value_ratio or 0.0 for row in rows), default=0.0)
    drawn = [
        _ratio((row.key[by] or "").capitalize() if by == "group" else row.key[by] or "", row, most)
        for row in rows
    ]
    return interval_chart(name, title, drawn, tell=words.ratio, zero=None, apart=by == "approach")


def _ratio(label: str, row: Row, most: float) -> Interval:
    jobs, between = f"{words.count(row.jobs)} {'job' if row.jobs == 1 else 'jobs'}", row.value_ratio_interval
    if between is None or row.value_ratio is None or between.high > _WIDE * most:
        ratio = "" if row.value_ratio is None else f", {words.ratio(row.value_ratio)} so far"
        return Interval(label, None, None, None, jobs + ratio)
    return Interval(label, row.value_ratio, between.low, between.high, jobs)


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
