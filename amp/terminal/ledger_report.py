"""`amp ledger report`: what the work was worth, drawn for the eyes, or as JSON or CSV."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import NamedTuple, TypeVar

from rich.console import Console
from rich.text import Text

from amp.exits import CommandFailed
from amp.ledger import book_store, filters, report_wire, rollup_store, spreadsheet
from amp.ledger import store as ledger_store
from amp.ledger.book_store import BookStore
from amp.ledger.books import PriceLists
from amp.ledger.grouping import Question, read_by
from amp.ledger.jobs import Jobs
from amp.ledger.looking import Budget
from amp.ledger.report_wire import Report
from amp.ledger.reports import Reports
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.ledger.store import LedgerStore
from amp.settings import Settings
from amp.store.connection import store_of
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
        store = store_of(complete)
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
    """A row a group; see `spreadsheet`."""
    talk.write(spreadsheet.report(seen.report).rstrip("\n"))
    if seen.report.cut:
        talk.say("Cut: there are more rows or jobs; ask for a shorter time.")


def as_drawing(seen: Seen) -> None:
    """For the eyes, 80 columns wide."""
    console = Console(highlight=False)
    text: Text = ledger_drawing.drawn(seen.tenant, seen.report, console)
    console.print(text, crop=False, overflow="ignore", no_wrap=True)
