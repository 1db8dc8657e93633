"""`amp pricing`, `amp tools`, `amp rates`: what the operator states of money, in the store."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from amp.terminal import talk

if TYPE_CHECKING:
    from amp.ledger.books import PriceLists
    from amp.ledger.catalogue import Document, Entry, Kind
    from amp.settings import Settings
    from amp.tenancy import Tenant

Answer = TypeVar("Answer")
ATTEMPTS = 5
"""How often a change is laid over one that came first."""
NOTHING = {
    "pricing": "No prices yet. Next: amp pricing set openai/gpt-4o 2.50 10",
    "tools": "No tools yet. Next: amp tools set human_escalation 1.50 --per minute --human",
    "rates": "No rates yet. Next: amp rates set EUR USD 1.08",
}


def with_books(
    work: "Callable[[PriceLists, Tenant], Awaitable[Answer]]", name: str, env: str, settings: "Settings"
) -> Answer:
    """What the work comes to, on the store whether or not the service runs.

    Raises:
        StoreUnavailable: there is no answer.
        InvalidInput: no such tenant can be.
    """
    from amp.ledger.book_store import LIBRARY, BookStore
    from amp.ledger.books import PriceLists
    from amp.store.connection import store_of
    from amp.store.functions import Functions
    from amp.store.keeper import opened
    from amp.tenancy import tenant

    owner = tenant(name, env)

    async def run(complete: "Settings") -> Answer:
        store = store_of(complete)
        try:
            return await work(PriceLists(BookStore(store, Functions(store, [LIBRARY]))), owner)
        finally:
            await store.close()

    with opened(settings) as complete:
        return asyncio.run(run(complete))


def change(
    kind: "Kind",
    edit: "Callable[[Sequence[Any]], list[Entry]]",
    name: str,
    env: str,
    settings: "Settings",
) -> "Document[Any]":
    """The document after the edit, which is made again when another change came first."""
    from amp.errors import VersionConflict

    async def work(lists: "PriceLists", owner: "Tenant") -> "Document[Any]":
        for left in range(ATTEMPTS - 1, -1, -1):
            current = await lists.show(owner, kind)
            try:
                return await lists.put(owner, kind, edit(current.entries), current.version)
            except VersionConflict:
                if not left:
                    raise
        raise AssertionError("every way out of the loop is above")

    return with_books(work, name, env, settings)


def show(kind: "Kind", name: str, env: str, settings: "Settings", *, as_json: bool) -> None:
    """The document that stands, as a table or as JSON."""
    found = with_books(lambda lists, owner: lists.show(owner, kind), name, env, settings)
    if as_json:
        write_json(found)
    elif not found.entries:
        talk.say(NOTHING[kind])
    else:
        _print(kind, found)


def write_json(document: "Document[Any]") -> None:
    """As the API gives it."""
    import msgspec

    from amp.clock import iso

    since = iso(document.since_ms) if document.version else None
    told = {"version": document.version, "since": since, "entries": document.entries}
    talk.write(msgspec.json.Encoder(decimal_format="number").encode(told).decode())


def placed(entries: "Sequence[Any]", made: "Entry", since: str | None) -> "list[Entry]":
    """With this entry: from `since`, else ever since when it is the first of its name, else from now on."""
    from datetime import UTC, datetime

    from msgspec import structs

    from amp.ledger.catalogue import moment_ms

    if since is None and any(each.names == made.names for each in entries):
        since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    made = structs.replace(made, valid_from=since)
    at = moment_ms(since)
    return [
        *(each for each in entries if each.names != made.names or moment_ms(each.valid_from) != at),
        made,
    ]


def without(entries: "Sequence[Any]", names: tuple[str, ...], since: str | None) -> "list[Entry]":
    """Without the entries of this name, or without the one of this date.

    Raises:
        CommandFailed: there is none.
    """
    from amp.exits import CommandFailed

    kept = [each for each in entries if each.names != names or (since and each.valid_from != since)]
    if len(kept) == len(entries):
        raise CommandFailed(f"There is no {'/'.join(names)}{f' from {since}' if since else ''} to remove.")
    return kept


def amount(value: str, what: str) -> Any:
    """A number as it was written, in plain digits.

    Raises:
        CommandFailed: it is none.
    """
    from amp.exits import CommandFailed
    from amp.parse import decimal

    try:
        return decimal(value)
    except ValueError as error:
        raise CommandFailed(f"{what} {error}, not {value!r}.") from error


def optional(value: str | None, what: str) -> Any:
    """The same where it need not be given."""
    return None if value is None else amount(value, what)


def _print(kind: "Kind", found: "Document[Any]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    columns, row, titled = _SHAPES[kind]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, right in columns:
        table.add_column(name, justify="right" if right else "left", overflow="fold", min_width=4)
    for each in found.entries:
        table.add_row(*row(each))
    console = Console(highlight=False)
    console.print(f"[bold]{titled}[/]  [dim]version {found.version}[/]")
    console.print(table)


def _number(value: Any) -> str:
    return "[dim]-[/]" if value is None else f"{value:f}"


def _since(each: Any) -> str:
    said: str | None = each.valid_from
    return "[dim]ever since[/]" if said is None else said.replace("T", " ")[:16]


def _price(each: Any) -> tuple[str, ...]:
    numbers = (each.input, each.output, each.cache_creation, each.cache_read)
    return (f"{each.provider}/{each.model}", *map(_number, numbers), each.currency, _since(each))


def _tool(each: Any) -> tuple[str, ...]:
    per = each.unit if each.per == "unit" else each.per
    kind = "human" if each.human or each.tool_id.startswith("human_") else "tool"
    state = "" if each.active else "[yellow]inactive[/]"
    return (each.tool_id, _number(each.price), each.currency, per, kind, _since(each), state)


def _rate(each: Any) -> tuple[str, ...]:
    return (f"1 {each.source}", f"{each.rate:f} {each.to}", _since(each))


_SHAPES: dict[str, tuple[list[tuple[str, bool]], Callable[[Any], tuple[str, ...]], str]] = {
    "pricing": (
        [
            ("model", False),
            ("in", True),
            ("out", True),
            ("cache+", True),
            ("cache", True),
            ("per 1M", False),
            ("from", False),
        ],
        _price,
        "What models cost",
    ),
    "tools": (
        [
            ("tool", False),
            ("price", True),
            ("", False),
            ("per", False),
            ("kind", False),
            ("from", False),
            ("", False),
        ],
        _tool,
        "What tools cost",
    ),
    "rates": ([("", False), ("is worth", True), ("from", False)], _rate, "Rates between currencies"),
}
