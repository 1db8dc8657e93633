"""`amp config`: every setting, its value in force, and what says so."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

import os
from typing import TYPE_CHECKING, Annotated

import typer

from amp.terminal import talk
from amp.terminal.options import Data, Json, RedisUrl

if TYPE_CHECKING:
    from amp.origins import InForce

config = typer.Typer(no_args_is_help=True, help="Show the settings in force, and where each comes from.")

Given = Annotated[str | None, typer.Option(help="As `amp serve` takes it.")]


@config.command()
def show(
    *,
    origin: Annotated[
        bool, typer.Option("--origin", help="Where each comes from: default, amp.toml, variable or flag.")
    ] = False,
    host: Given = None,
    port: Given = None,
    data: Data = None,
    redis: RedisUrl = None,
    workers: Given = None,
    durability: Given = None,
    policy: Given = None,
    as_json: Json = False,
) -> None:
    """Show every setting with its value in force; secrets are masked.

    Flags count as they would for `amp serve`.
    """
    from amp import origins

    flags = {
        "host": host,
        "port": port,
        "data": data,
        "redis": redis,
        "workers": workers,
        "durability": durability,
        "policy": policy,
    }
    found = origins.in_force(os.environ, flags=flags)
    file = origins.file_of(os.environ)
    if as_json:
        facts = [_facts(each) for each in found]
        return talk.write_json({"file": str(file) if file else None, "settings": facts})
    _draw(found, origin=origin)
    read = f"Read: {file}." if file else "There is no amp.toml here."
    more = "" if origin else " Where each comes from: amp config show --origin"
    return talk.say(f"{read}{more} Is all of it well? amp doctor")


def _facts(each: "InForce") -> dict[str, str | None]:
    return {"name": each.name, "value": each.value, "origin": each.origin, "default": each.default}


def _draw(found: "list[InForce]", *, origin: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from amp.origins import DEFAULT

    table = Table("setting", "value", box=None, pad_edge=False, header_style="dim")
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    if origin:
        table.add_column("from", overflow="fold")
    for each in found:
        set_here = each.origin != DEFAULT
        value = Text(each.value or "not set", style="bold" if set_here else "" if each.value else "dim")
        row = [each.name, value, Text(each.origin, style="" if set_here else "dim")]
        table.add_row(*(row if origin else row[:2]))
    Console(highlight=False).print(table)
