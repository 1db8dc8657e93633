"""Shows what is well, what is not, and the one line that mends it; deletes what is left over."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp import __version__
from amp.doctor import libraries
from amp.doctor.visit import Group, NothingKept, visit, with_store
from amp.exits import CommandFailed
from amp.origins import file_of
from amp.settings import Settings
from amp.store.connection import Store
from amp.store.finding import Finding, Status
from amp.store.told import told
from amp.terminal import talk

_SHOWN: dict[Status, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warn": ("warn", "yellow"),
    "fail": ("fail", "bold red"),
    "unknown": ("?", "dim"),
}
_NAMES_WIDTH = 16


def run(settings: Settings, *, as_json: bool) -> None:
    """Shows every check.

    Raises:
        CommandFailed: one of them fails.
    """
    groups = visit(settings, file_of(os.environ))
    if as_json:
        talk.write_json(_document(groups))
    else:
        draw(groups, Console(highlight=False))
    _judge([each for group in groups for each in group.findings])


def draw(groups: Sequence[Group], console: Console) -> None:
    """For the eyes."""
    for group in groups:
        console.print(Text(group.title, style="bold"))
        table = Table.grid(padding=(0, 2))
        table.add_column(width=4, no_wrap=True)
        table.add_column(width=_NAMES_WIDTH, no_wrap=True)
        table.add_column(overflow="fold", ratio=1)
        for each in group.findings:
            word, style = _SHOWN[each.status]
            found = Text(each.found, style="dim" if each.status == "unknown" else "")
            if each.fix:
                found.append(f"\nfix: {each.fix}", style="cyan")
            table.add_row(Text(word, style=style), each.name, found)
        console.print(table)
        console.print()


def _document(groups: Sequence[Group]) -> dict[str, Any]:
    counts = Counter(each.status for group in groups for each in group.findings)
    return {
        "ok": not counts["fail"],
        "version": __version__,
        "counts": {status: counts[status] for status in _SHOWN},
        "groups": [
            {"title": group.title, "checks": [each._asdict() for each in group.findings]} for group in groups
        ],
    }


def _judge(findings: Sequence[Finding]) -> None:
    """Says how it stands and what to do first."""
    counts = Counter(each.status for each in findings)
    told_of = (
        f"{len(findings)} checks: {counts['ok']} ok, {counts['warn']} to look at, "
        f"{counts['fail']} failed, {counts['unknown']} not known."
    )
    failed = [each for each in findings if each.status == "fail"]
    if failed:
        raise CommandFailed(f"{told_of} First: {failed[0].name}: {failed[0].fix}")
    warned = [each for each in findings if each.status == "warn"]
    talk.say(f"{told_of} Next: {warned[0].name}: {warned[0].fix}" if warned else f"{told_of} All is well.")


def prune(settings: Settings, *, yes: bool, as_json: bool) -> None:
    """Deletes libraries that no release of this code needs, once somebody has said so.

    Raises:
        CommandFailed: there is no store to look at, or the answer is no.
    """

    async def look(_: Settings, store: Store) -> list[str]:
        return libraries.left_over((await told(store)).libraries or ())

    async def delete(_: Settings, store: Store) -> list[str]:
        return await libraries.prune(store)

    try:
        names = with_store(settings, look)
        if names and not yes:
            talk.say(f"No release of this code needs: {', '.join(names)}")
            talk.say("Workers of an older release that still run load theirs again. Delete them? [y/N]")
            if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
                raise CommandFailed("Nothing was deleted. With --yes nobody is asked.")
        deleted = with_store(settings, delete) if names else []
    except NothingKept as nothing:
        raise CommandFailed(f"There is no store: {nothing}.") from nothing
    if as_json:
        return talk.write_json({"deleted": deleted})
    for name in deleted:
        talk.write(name)
    return talk.say(f"Deleted: {len(deleted)}. Next: amp doctor" if deleted else "Nothing is left over.")
