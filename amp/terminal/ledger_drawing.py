"""A report of the ledger, drawn: the headline, both funnels, what the cost is made of, a row a group."""

import textwrap
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.text import Text

from amp.ledger.report import ESCALATED, MIXED, UNPRICED, Row
from amp.ledger.report_wire import Report
from amp.tenancy import Tenant
from amp.terminal.posterior import PLAIN, Glyphs, glyphs

WIDTH = 80
FUNNEL_WIDTH = 36
BAR_WIDTH = 12
ROWS_SHOWN = 40
_KEY_WIDTH = 19
_TITLES = {
    "type": "Job Types by Value Ratio",
    "environment": "Environments by Value Ratio",
    "agent": "Agents by Value Ratio",
    "squad": "Squads by Value Ratio",
    "trace": "Traces by Value Ratio",
    "trace_type": "Trace types by Value Ratio",
    "approach": "Approaches by Value Ratio",
    "group": "Learned and control",
}
_UNSET = {
    "type": "no type",
    "environment": "no environment",
    "agent": "no agent",
    "squad": "no squad",
    "trace": "no trace",
    "trace_type": "no trace type",
}
_PARTS = (("model", "cyan"), ("tool", "blue"), ("human", "magenta"))
_WORDS = {
    UNPRICED: "Without a price: completions {completions:,}, tool events {tools:,}; the cost is higher than "
    "shown. Next time: amp pricing set, amp tools set.",
    ESCALATED: "Escalated without human cost: {escalated:,}; their ROI is too high. Meter the person's time "
    "as a tool, as human_escalation.",
    MIXED: "Several currencies: no ratio. Convert with --currency USD; rates: amp rates set.",
}


def drawn(owner: Tenant, report: Report, console: Console) -> Text:
    """All of it."""
    marks = glyphs(console)
    if not report.total.jobs:
        return Text.assemble(
            _head(owner, report), "No jobs.", f"\n\nNext: report some, or --env {_other(owner)}"
        )
    text = Text.assemble(_head(owner, report), body(report, marks))
    text.append(f"\nNext: {_next(report)}", style="dim")
    return text


def body(report: Report, marks: Glyphs) -> Text:
    """The headline, the funnels, the cost, a row a group, and what to beware of."""
    parts = [
        _headline(report.total),
        _funnels(report.total, marks),
        _composition(report.total, marks),
        table(report, marks),
        _warnings(report),
    ]
    return Text("\n").join(part for part in parts if part)


def _head(owner: Tenant, report: Report) -> Text:
    start, end = (each and each[:10] for each in (report.period.start, report.period.end))
    when = f", jobs made from {start or 'ever'} until before {end or 'now'}" if start or end else ""
    only = "".join(f", {name} {value}" for name, value in report.filters.items())
    return Text.assemble(
        ("What the work was worth", "bold"), (f"  {owner.env} data of {owner.name}{when}{only}\n", "dim")
    )


def _headline(total: Row) -> Text:
    text = Text()
    if total.value_ratio is not None:
        style = "bold green" if total.value_ratio >= 1 else "bold red"
        text.append(f"Value Ratio {_ratio(total.value_ratio)}", style=style)
        text.append(f"   ROI {total.roi:,.0f} %   net {_amount(total.net_value)} {total.currency}\n")
    for each in total.by_currency:
        cost = f" for {_amount(each.total_cost)} of cost" if each.total_cost != 0 else ""
        text.append(f"{_amount(each.total_value)} {each.currency} of value{cost}\n")
    text.append(f"{_some(total.jobs, 'job')}, {total.pending:,} of them pending; ")
    text.append(f"{_some(total.transactions, 'AI call')}, {_some(total.tool_events, 'tool event')}\n")
    return text


def _funnels(total: Row, marks: Glyphs) -> Text:
    one, other = total.conversion_funnel, total.cost_avoidance_funnel
    text = Text.assemble(("Funnels", "bold"), ("  what passed each stage, of the one before\n", "dim"))
    stages = [
        ("all jobs", one.total_jobs, None, "dim"),
        ("SUCCESS", one.successful_jobs, one.success_rate, "cyan"),
        ("  CONVERTED", one.converted_jobs, one.conversion_rate, "green"),
        ("  DEFLECTED", other.deflected_jobs, other.deflection_rate, "blue"),
    ]
    for name, jobs, rate, style in stages:
        text.append(f"{name:<13}")
        text.append(_bar(jobs / total.jobs, FUNNEL_WIDTH, marks), style=style)
        text.append(f" {jobs:>9,}")
        text.append(f"  {rate:.1%}\n" if rate is not None else "\n")
    return text


def _composition(total: Row, marks: Glyphs) -> Text | None:
    shares = [getattr(total.cost_composition, name) for name, _ in _PARTS]
    if not any(shares):
        return None
    text = Text.assemble(("Cost", "bold"), f"{'':9}")
    legend = Text()
    left = FUNNEL_WIDTH
    for (name, style), share in zip(_PARTS, shares, strict=True):
        width = min(left, round((share or 0) * FUNNEL_WIDTH))
        left -= width
        plain = {"model": "#", "tool": "=", "human": "+"}[name] if marks is PLAIN else marks.bar
        text.append(plain * width, style=style)
        legend.append(f" {name} ", style=style)
        legend.append("-" if share is None else f"{share:.0%}")
    text.append_text(legend)
    text.append("\n")
    per = [("a conversion", total.cost_per_conversion), ("an outcome", total.cost_per_outcome)]
    said = [f"{_amount(cost)} {name}" for name, cost in per if cost is not None]
    if total.average_value is not None:
        said.append(f"a job is worth {_amount(total.average_value)} on average")
    text.append(f"{'':13}{', '.join(said)}\n" if said else "")
    return text


def table(report: Report, marks: Glyphs) -> Text | None:
    """A row a group."""
    if not report.rows:
        return None
    shown = report.rows[-ROWS_SHOWN:] if "day" in report.by else report.rows[:ROWS_SHOWN]
    sure = any(row.value_ratio_interval for row in shown)
    title = _TITLES.get(report.by[0], "") if len(report.by) == 1 else ""
    text = Text.assemble((title or f"By {', '.join(report.by)}", "bold"))
    text.append("  with 95 % intervals of the ratio\n" if sure else "\n", style="dim")
    head = f"{'':<{_KEY_WIDTH}}{'jobs':>8}{'value':>11}{'cost':>10}{'ratio':>8}  "
    text.append(f"{head}{'':<{BAR_WIDTH}} {'success':>7}\n", style="dim")
    most = _most(shown)
    for row in shown:
        text.append(f"{_name(report, row):<{_KEY_WIDTH - 1}.{_KEY_WIDTH - 1}} ")
        several = len(row.by_currency) > 1
        value, cost = ("mixed" if several else _short(each) for each in (row.total_value, row.total_cost))
        text.append(f"{row.jobs:>8,}{value:>11}{cost:>10}")
        good = row.value_ratio is not None and row.value_ratio >= 1
        style = "dim" if row.value_ratio is None else "green" if good else "red"
        text.append(f"{_ratio(row.value_ratio):>8}  ", style=style)
        text.append_text(_mark(row, most, marks, style, sure=sure))
        rate = row.conversion_funnel.success_rate
        text.append(f" {'-' if rate is None else f'{rate:.0%}':>7}")
        text.append(f" {'!' if row.warnings else ''}\n", style="yellow")
    if len(shown) < report.row_count:
        text.append(f"{report.row_count - len(shown):,} more: --json or --csv has them\n", style="dim")
    return text


def _most(rows: Sequence[Row]) -> float:
    """The end of the axis."""
    tops = [row.value_ratio_interval.high if row.value_ratio_interval else row.value_ratio for row in rows]
    middles = [row.value_ratio for row in rows if row.value_ratio]
    # an interval that hardly knows anything must not make all others a dot
    return min(max((top for top in tops if top), default=1.0), 1.6 * max(middles, default=1.0))


def _mark(row: Row, most: float, marks: Glyphs, style: str, *, sure: bool) -> Text:
    """The ratio as a bar, or where intervals are shown as a point on its own."""
    between = row.value_ratio_interval
    if row.value_ratio is None or not sure:
        return Text(_bar((row.value_ratio or 0) / most, BAR_WIDTH, marks), style=style)

    def place(value: float) -> int:
        return min(BAR_WIDTH - 1, max(0, round(value / most * (BAR_WIDTH - 1))))

    line = [" "] * BAR_WIDTH
    if between:
        low, high = place(between.low), place(between.high)
        line[low : high + 1] = marks.line * (high + 1 - low)
        line[low], line[high] = marks.low, marks.high if between.high <= most else ">"
    line[place(row.value_ratio)] = marks.mean
    return Text("".join(line), style=style)


def _bar(share: float, width: int, marks: Glyphs) -> str:
    length = min(width, round(max(0.0, share) * width))
    return (marks.bar * (length or (1 if share > 0 else 0))).ljust(width)


def _name(report: Report, row: Row) -> str:
    said = " ".join(row.key[name] or _UNSET.get(name, "-") for name in report.by)
    # whoever may meter names types and agents: no such name may steer the terminal
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in said)


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _ratio(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _amount(value: Decimal | None) -> str:
    """Cents; more digits only of what is less than a cent."""
    if value is None:
        return "unknown"
    return f"{value:,.2f}" if not value or abs(value) >= Decimal("0.01") else f"{value.normalize():f}"


def _short(value: Decimal | None) -> str:
    """In ten characters."""
    if value is None:
        return "-"
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if abs(value) >= size:
            return f"{value / size:,.2f}{letter}"
    if value and abs(value) < Decimal("0.01"):
        return f"{value:.2g}"
    return f"{value:,.2f}"


def _warnings(report: Report) -> Text | None:
    total, text = report.total, Text()
    told = {
        "completions": total.unpriced_completions,
        "tools": total.unpriced_tool_events,
        "escalated": total.escalated_without_human_cost,
    }
    said = [_WORDS[each].format(**told) for each in total.warnings]
    if report.unconverted:
        said.append(f"No rate for {', '.join(report.unconverted)}: those amounts stand by themselves.")
    if report.without_job:
        apart = report.without_job
        costs = ", ".join(f"{_amount(each.total_cost)} {each.currency}" for each in apart.by_currency)
        said.append(
            f"Records without a job: {apart.transactions + apart.tool_events:,} ({costs}); in no ratio."
        )
    if report.looked and report.looked.jobs < report.looked.of:
        said.append(f"Only the newest {report.looked.jobs:,} of {report.looked.of:,} jobs were looked at.")
    for each in said:
        text.append(textwrap.fill(f"! {each}", WIDTH, subsequent_indent="  ") + "\n", style="yellow")
    return text or None


def _next(report: Report) -> str:
    if report.by == ["approach"]:
        return "learned against control: amp ledger report --by group"
    if report.by == ["type"]:
        return "which approach earns the most: amp ledger report --by approach"
    return "for machines: --json or --csv; other groups: --by type,day"


def _other(owner: Tenant) -> str:
    return "live" if owner.env == "test" else "test"
