"""The ROI page: what is asked of it, and what it shows: all of one moment, from sums that are kept."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup

from amp.dashboard import roi_charts, words
from amp.errors import InvalidParameter
from amp.ledger import filters
from amp.ledger.filters import Filters
from amp.ledger.grouping import Question
from amp.ledger.leaf_wire import Turn
from amp.ledger.looking import Budget
from amp.ledger.report import Row
from amp.ledger.report_wire import Report
from amp.ledger.reports import Reports
from amp.ledger.types import CURRENCIES
from amp.tenancy import Tenant

BUDGET = Budget(1000, 0.03)
"""Of a question that sums do not answer: a page does not wait as long as a call of the API may."""
ONLY = ("type", "environment", "agent", "squad", "approach", "group")
OFFERED_MAX = 60
"""Values of a dimension that are offered to choose from; others are reached by links and by the address."""
TABLE_MAX = 100
ONE_DAY_MAX = 500
"""Jobs of a single day that are drawn one after the other: sums are kept by day."""


class Asked(NamedTuple):
    """What the page is to show."""

    filters: Filters
    currency: str | None
    only: str
    """`type:sales`; empty is all jobs."""
    since: str
    until: str

    def link(self, path: str, **more: str) -> str:
        """A page about the same jobs."""
        name, _, value = self.only.partition(":")
        query = {"startDate": self.since, "endDate": self.until, name: value} | more
        return f"{path}?{urlencode({key: said for key, said in query.items() if key and said})}"

    def again(self, **other: str) -> str:
        """The same page, asked otherwise."""
        query = {"only": self.only, "startDate": self.since, "endDate": self.until} | {
            "currency": self.currency or ""
        }
        return urlencode({key: said for key, said in (query | other).items() if said})


def read(query: Mapping[str, str]) -> Asked:
    """What a query asks for.

    Raises:
        InvalidParameter: the name is named.
    """
    only = query.get("only", "")
    name, _, value = only.partition(":")
    if only and (name not in ONLY or not value):
        raise InvalidParameter("only", f"must be a name and a value, as type:sales; names: {', '.join(ONLY)}")
    since, until = query.get("startDate", ""), query.get("endDate", "")
    asked = filters.read({"startDate": since, "endDate": until} | ({name: value} if only else {}))
    return Asked(asked, filters.currency(query, "currency"), only, since, until)


async def shown(reports: Reports, tenant: Tenant, asked: Asked) -> dict[str, Any]:
    """What the template shows.

    Raises:
        StoreUnavailable: there is no answer.
    """

    def question(*by: Any) -> Question:
        return Question(by, asked.filters, asked.currency)

    questions = [question(), question("type"), question("day"), question("approach"), question("group")]
    if asked.only and not asked.only.startswith(("approach:", "group:")):
        questions.pop()  # job by job: one look is enough, and approaches tell more
    found = await reports.reports(tenant, questions, BUDGET)
    report, types, days, approaches = found[:4]
    total = report.total
    return {
        "asked": asked,
        "total": total,
        "report": report,
        "types": types.rows[:TABLE_MAX],
        "types_in_all": types.row_count,
        "days": days.rows[-TABLE_MAX:][::-1],
        "approaches": [each for each in approaches.rows if each.key["approach"]][:TABLE_MAX],
        "looked": [each.looked for each in found if each.looked],
        "looked_at_approaches": approaches.looked,
        "offered": await _offered(reports, tenant, asked),
        "currencies": CURRENCIES,
        "mixed": total.currency is None,
        "one": total.currency or "",
        **roi_charts.of_total(total),
        **roi_charts.of_types(types.rows),
        **roi_charts.of_days(days.rows),
        **roi_charts.of_approaches(approaches.rows, found[4].rows if len(found) > 4 else []),
        "one_day_chart": await _one_day(reports, tenant, asked, total) if len(days.rows) == 1 else None,
        "warnings": warnings(report),
        "beware": beware,
    }


async def _one_day(reports: Reports, tenant: Tenant, asked: Asked, total: Row) -> Markup | None:
    """None of many jobs, and of several currencies."""
    if total.jobs > ONE_DAY_MAX or total.currency is None or asked.currency:
        return None
    leaf = await reports.leaf(tenant, asked.filters, Turn(ONE_DAY_MAX), BUDGET)
    return None if leaf.cut else roi_charts.of_one_day(leaf.jobs, total.currency)


async def _offered(reports: Reports, tenant: Tenant, asked: Asked) -> dict[str, list[tuple[str, str]]]:
    """What there is to choose from, by dimension: what is asked for, and its words."""
    values = await reports.values(tenant)
    names = {name: values[name][:OFFERED_MAX] for name in ("type", "environment", "agent", "squad")}  # pyright: ignore[reportArgumentType]  names are dimensions
    offered = {name: [(f"{name}:{each}", each) for each in some] for name, some in names.items() if some}
    chosen, _, value = asked.only.partition(":")
    if chosen and (asked.only, value) not in offered.get(chosen, []):
        offered[chosen] = [(asked.only, value), *offered.get(chosen, [])]
    return offered


def warnings(report: Report) -> list[tuple[str, str]]:
    """What to beware of, and what to do."""
    total = report.total
    told = list(_of_row(total))
    if report.unconverted:
        told.append(
            (
                f"No rate for {', '.join(report.unconverted)}",
                "Those amounts stand in their own currency. Set one: amp rates set EUR USD 1.08.",
            )
        )
    if report.without_job:
        apart = report.without_job
        costs = ", ".join(words.money(each.total_cost, each.currency) for each in apart.by_currency)
        records = words.count(apart.transactions + apart.tool_events)
        told.append((f"{records} records name no job ({costs})", "They are in nobody's ratio."))
    return told


_UNPRICED = (
    "The cost is higher than shown, the ratio lower. For the next ones: amp pricing set, amp tools set."
)
_UNMETERED = (
    "Somebody worked and nobody metered it: their ROI is too high. Meter the minutes as the tool "
    "human_escalation."
)


def _of_row(row: Row) -> Iterator[tuple[str, str]]:
    unpriced = row.unpriced_completions + row.unpriced_tool_events
    if unpriced:
        yield (
            f"{words.count(unpriced)} {'record has' if unpriced == 1 else 'records have'} no price",
            _UNPRICED,
        )
    if row.escalated_without_human_cost:
        yield f"{words.count(row.escalated_without_human_cost)} escalated without human cost", _UNMETERED


def beware(row: Row) -> list[str]:
    """The same in a word or two."""
    unpriced = row.unpriced_completions + row.unpriced_tool_events
    told = {"unpriced": unpriced, "unmetered": row.escalated_without_human_cost}
    return [f"{words.count(number)} {word}" for word, number in told.items() if number]
