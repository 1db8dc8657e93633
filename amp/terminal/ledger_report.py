"""`amp ledger report`: what the work was worth, drawn for the eyes, or as JSON or CSV."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from functools import partial
from math import inf
from typing import Any, NamedTuple, TypeVar

from rich.console import Console
from rich.text import Text

from amp.exits import CommandFailed
from amp.ledger import book_store, filters, report_wire, rollup_store
from amp.ledger import store as ledger_store
from amp.ledger.book_store import BookStore
from amp.ledger.books import PriceLists
from amp.ledger.grouping import Question, read_by
from amp.ledger.jobs import Jobs
from amp.ledger.looking import Budget
from amp.ledger.report import Amounts, Row
from amp.ledger.report_wire import Report
from amp.ledger.reports import Reports
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.ledger.store import LedgerStore
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.functions import Functions
from amp.store.keeper import opened
from amp.tenancy import Tenant, tenant
from amp.terminal import ledger_drawing, talk

Answer = TypeVar("Answer")
STEP_ENTRIES = 4096
"""Folded at a time: nobody else waits here."""


class Room(NamedTuple):
    """The ledger on a store, without the service."""

    ledger: LedgerStore
    rollups: RollupStore
    jobs: Jobs
    reports: Reports


class Seen(NamedTuple):
    """A report, and whose it is."""

    tenant: Tenant
    report: Report


def asked(
    by: str, since: str | None, until: str | None, where: Sequence[str], currency: str | None
) -> Question:
    """The question that the options ask.

    Raises:
        CommandFailed: one is no NAME=VALUE, or no such name.
        InvalidInput: a value is not understood.
    """
    query: dict[str, str] = {}
    for each in where:
        name, equals, value = each.partition("=")
        if not equals:
            raise CommandFailed(f"--where must be NAME=VALUE, as type=sales, not {each!r}.")
        if name not in filters.NAMES:  # a slip must not show all jobs as if they were some
            raise CommandFailed(f"--where: {name!r} is none of {', '.join(filters.NAMES)}.")
        query[name] = value
    query |= {name: said for name, said in (("startDate", since), ("endDate", until)) if said}
    return Question(
        read_by(by), filters.read(query), filters.currency({"currency": currency or ""}, "currency")
    )


def read(settings: Settings, name: str, env: str, question: Question, budget: int) -> Seen:
    """The report as of now.

    Raises:
        StoreUnavailable: there is no answer.
        InvalidInput: no such tenant can be.
    """
    owner = tenant(name, env)
    report = with_room(settings, lambda room: room.reports.report(owner, question, Budget(budget, inf)))
    return Seen(owner, report)


def with_room(settings: Settings, work: Callable[[Room], Awaitable[Answer]]) -> Answer:
    """What the work comes to, on the store whether or not the service runs."""

    async def run(complete: Settings) -> Answer:
        store = connect(complete.redis or "")
        try:
            functions = Functions(store, [ledger_store.LIBRARY, rollup_store.LIBRARY, book_store.LIBRARY])
            ledger, rollups = LedgerStore(store, functions), RollupStore(store, functions)
            jobs, lists = Jobs(ledger), PriceLists(BookStore(store, functions))
            await lists.refresh()
            rollup = Rollup(rollups, ledger, step=STEP_ENTRIES)
            return await work(Room(ledger, rollups, jobs, Reports(rollup, rollups, jobs, lists)))
        finally:
            await store.close()

    with opened(settings) as complete:
        return asyncio.run(run(complete))


def as_json(seen: Seen) -> None:
    """As the API gives it."""
    talk.write(report_wire.encoded(seen.report).decode())


def as_csv(seen: Seen) -> None:
    """The rows, and no total: a spreadsheet makes its own.

    A row a group, whatever its currencies: counts can be added up. Where there are several, each has columns
    of its own at the end, so that no column that is added up has two currencies in it.
    """
    report = seen.report
    rows = report.rows if report.by else [report.total]
    columns = _COLUMNS | _columns_of(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*report.by, *columns])
    for row in rows:
        writer.writerow([*row.key.values(), *(_plain(value(row)) for value in columns.values())])
    talk.write(out.getvalue().rstrip("\n"))
    if report.cut:
        talk.say("Cut: there are more rows or jobs; ask for a shorter time.")


def as_drawing(seen: Seen) -> None:
    """For the eyes, 80 columns wide."""
    console = Console(highlight=False)
    text: Text = ledger_drawing.drawn(seen.tenant, seen.report, console)
    console.print(text, crop=False, overflow="ignore", no_wrap=True)


_COLUMNS: dict[str, Callable[[Row], Any]] = {
    "jobs": lambda row: row.jobs,
    "pending": lambda row: row.pending,
    "successful": lambda row: row.conversion_funnel.successful_jobs,
    "conversions": lambda row: row.outcome_types["CONVERTED"],
    "deflections": lambda row: row.outcome_types["DEFLECTED"],
    "escalations": lambda row: row.outcome_types["ESCALATED"],
    "currency": lambda row: row.currency,
    "tokenCost": lambda row: row.token_cost,
    "externalToolCost": lambda row: row.external_tool_cost,
    "humanCost": lambda row: row.human_cost,
    "totalCost": lambda row: row.total_cost,
    "totalValue": lambda row: row.total_value,
    "netValue": lambda row: row.net_value,
    "valueRatio": lambda row: row.value_ratio,
    "valueRatioLow": lambda row: row.value_ratio_interval and row.value_ratio_interval.low,
    "valueRatioHigh": lambda row: row.value_ratio_interval and row.value_ratio_interval.high,
    "roiPercent": lambda row: row.roi,
    "costPerConversion": lambda row: row.cost_per_conversion,
    "costPerOutcome": lambda row: row.cost_per_outcome,
    "averageValue": lambda row: row.average_value,
    "deflectionRate": lambda row: row.deflection_rate,
    "totalTokens": lambda row: row.total_tokens,
    "unpricedCompletions": lambda row: row.unpriced_completions,
    "unpricedToolEvents": lambda row: row.unpriced_tool_events,
    "escalatedWithoutHumanCost": lambda row: row.escalated_without_human_cost,
}


_AMOUNTS: dict[str, Callable[[Amounts], Any]] = {
    "tokenCost": lambda of: of.token_cost,
    "externalToolCost": lambda of: of.external_tool_cost,
    "humanCost": lambda of: of.human_cost,
    "totalCost": lambda of: of.total_cost,
    "totalValue": lambda of: of.total_value,
}


def _columns_of(rows: Sequence[Row]) -> dict[str, Callable[[Row], Any]]:
    """A column for each amount of each currency, where there are several; empty is none, or not known."""
    amounts = (of for row in rows for of in row.by_currency)
    currencies = sorted({of.currency for of in amounts if any(value(of) for value in _AMOUNTS.values())})
    if len(currencies) < 2:
        return {}
    return {
        f"{name} {currency}": partial(_amount_of, currency, value)
        for currency in currencies
        for name, value in _AMOUNTS.items()
    }


def _amount_of(currency: str, value: Callable[[Amounts], Any], row: Row) -> Any:
    return next((value(of) for of in row.by_currency if of.currency == currency), None)


def _plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value
