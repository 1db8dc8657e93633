"""What a benchmark found: a table, its targets beside it, and both as JSON."""

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table


class Target(msgspec.Struct, frozen=True):
    """A figure that has to be reached; `at_least` says from which side."""

    what: str
    value: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


class Section(msgspec.Struct, frozen=True):
    """One table. Every row has a cell a column; numbers are shown to four digits."""

    title: str
    columns: list[str]
    rows: list[list[str | float]]
    targets: list[Target] = []
    note: str = ""


def show(console: Console, section: Section) -> None:
    """Prints the table, its note, and which targets are met and missed."""
    table = Table(title=section.title, title_justify="left", title_style="bold")
    for number, column in enumerate(section.columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=not number)
    for row in section.rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)
    console.print(section.note, style="dim", highlight=False)
    for target in section.targets:
        console.print(_verdict(target), highlight=False)
    console.print()


def plain(section: Section) -> dict[str, Any]:
    """The section as JSON will have it."""
    found = msgspec.to_builtins(section)
    for target, told in zip(section.targets, found["targets"], strict=True):
        told["met"] = target.met
    return found


def _verdict(target: Target) -> str:
    word = "[green]met[/]" if target.met else "[bold red]missed[/]"
    side = "at least" if target.at_least else "at most"
    return f"{word}: {target.what} {_cell(target.value)} {target.unit} (aim: {side} {_cell(target.limit)})"


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
