"""Draws sessions: a line an event, a mark a criterion, and what is missing."""

from collections.abc import Sequence
from typing import Any
from unicodedata import category

from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.grading.types import Event

MARKS = {True: ("✓", "bold green"), False: ("✗", "bold red")}
PLAIN_MARKS = {True: ("+", "bold green"), False: ("-", "bold red")}
_RESULTS = {
    "satisfied": "bold green",
    "needs_revision": "yellow",
    "max_iterations_reached": "bold yellow",
    "failed": "bold red",
    "interrupted": "bold magenta",
}
_WIDTH_MAX = 400
_DOING = {
    "span.model_request_start": "The agent works",
    "span.outcome_evaluation_start": "The grader reads",
    "session.status_rescheduled": "Waiting to try again",
}


class View:
    """Draws events as they come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._marks = MARKS if console.encoding.lower().startswith("utf") else PLAIN_MARKS
        self._iteration = 0

    def doing(self, event: Event) -> str | None:
        """What happens from this event on; None when it does not say."""
        if event["type"] == "session.status_idle":
            return ""
        told = _DOING.get(event["type"])
        return told and f"{told} (iteration {self._iteration + 1})"

    def draw(self, event: Event) -> None:
        """One event; what says nothing to a person is left out."""
        if event["type"] == "span.outcome_evaluation_end":
            self._iteration = event["iteration"] + (event["result"] == "needs_revision")
            return self._verdict(event)
        line = self._line(event)
        if line is not None:
            self._console.print(line, crop=False, overflow="ignore", soft_wrap=True)
        return None

    def _line(self, event: Event) -> Text | None:  # noqa: PLR0911  a line a kind
        match event["type"]:
            case "user.define_outcome":
                self._iteration = 0
                return Text.assemble(("Outcome  ", "bold"), _short(event["description"]))
            case "user.message" | "system.message" if event["processed_at"]:
                return Text.assemble(("You      ", "bold cyan"), _short(_said(event)))
            case "agent.message":
                return Text.assemble(("Agent    ", "bold blue"), _short(_said(event)))
            case "agent.tool_use":
                path = event["input"].get("path", "")
                return Text.assemble(("Tool     ", "dim"), _short(f"{event['name']} {path}"))
            case "agent.tool_result" if event.get("is_error"):
                return Text.assemble(("         ", ""), (_short(_said(event)), "red"))
            case "session.error":
                error = event["error"]
                retry = error["retry_status"]["type"]
                return Text.assemble(("Trouble  ", "bold red"), f"{_short(error['message'])} ({retry})")
            case "session.status_idle":
                return Text(f"At rest: {event['stop_reason']['type']}", "dim")
            case _:
                return None

    def _verdict(self, event: Event) -> None:
        marks: Sequence[dict[str, Any]] = event.get("criteria", [])
        met = sum(mark["passed"] for mark in marks)
        style = _RESULTS.get(event["result"], "bold")
        head = Text.assemble(
            ("Graded   ", "bold"),
            f"iteration {event['iteration'] + 1}: ",
            (event["result"].replace("_", " "), style),
        )
        if marks:
            head.append(f", {met} of {len(marks)} criteria")
        self._console.print(head)
        if marks:
            self._console.print(criteria(marks, self._marks))
        else:
            self._console.print(Text(f"         {_short(event['explanation'])}"), soft_wrap=True)


def criteria(marks: Sequence[dict[str, Any]], drawn: dict[bool, tuple[str, str]] = MARKS) -> Table:
    """A row a criterion: its mark, its words, and the gap below them."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=8, justify="right")
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for mark in marks:
        letter, style = drawn[mark["passed"]]
        words = Text(_short(mark["name"], 120))
        if not mark["passed"]:
            words.append(f"\n{_short(mark['gap'])}", style="yellow")
        table.add_row(Text(letter, style), f"{mark['id']}", words)
    return table


def listed(found: Sequence[dict[str, Any]]) -> Table:
    """Sessions, one a row."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("session", no_wrap=True, min_width=29)
    table.add_column("status", no_wrap=True, min_width=10)
    table.add_column("outcome", no_wrap=True, min_width=13)
    table.add_column("model", overflow="fold")
    table.add_column("title", overflow="fold")
    for each in found:
        records = each["outcome_evaluations"]
        last = records[-1] if records else None
        result = Text("-", "dim")
        if last:
            words = f"{last['result'].replace('_', ' ')} ({last['iteration'] + 1})"
            result = Text(words, _RESULTS.get(last["result"], ""))
        model, title = each["agent"]["model"]["id"], each["title"] or ""
        table.add_row(each["id"], each["status"], result, Text(_short(model)), Text(_short(title)))
    return table


def _said(event: Event) -> str:
    blocks: list[dict[str, Any]] = event.get("content") or []
    return " ".join(block.get("text", "") for block in blocks)


def _short(text: str, length: int = _WIDTH_MAX) -> str:
    """In one line, without what a terminal would obey: agents and graders are not trusted with it."""
    line = " ".join("".join(" " if category(each) == "Cc" else each for each in text).split())
    return line if len(line) <= length else line[: length - 1] + "…"
