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
_LABEL = 9
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
            self._print(*line)
        return None

    def _print(self, label: Text, words: Text) -> None:
        """One line; a terminal shows a long one in a column of its own, everything else gets it whole."""
        if not self._console.is_terminal:
            whole = Text.assemble(label, " " * (_LABEL - len(label)), words)
            return self._console.print(whole, crop=False, overflow="ignore", soft_wrap=True)
        grid = Table.grid()
        grid.add_column(width=_LABEL, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(label, words)
        return self._console.print(grid)

    def _line(self, event: Event) -> tuple[Text, Text] | None:  # noqa: PLR0911  a line a kind
        match event["type"]:
            case "user.define_outcome":
                self._iteration = 0
                return Text("Outcome", "bold"), Text(cut_line(event["description"]))
            case "user.message" | "system.message" if event["processed_at"]:
                return Text("You", "bold cyan"), Text(cut_line(_said(event)))
            case "agent.message":
                return Text("Agent", "bold blue"), Text(cut_line(_said(event)))
            case "agent.tool_use":
                path = event["input"].get("path", "")
                return Text("Tool", "dim"), Text(cut_line(f"{event['name']} {path}"))
            case "agent.tool_result" if event.get("is_error"):
                return Text(""), Text(cut_line(_said(event)), "red")
            case "session.error":
                error = event["error"]
                retry = error["retry_status"]["type"]
                return Text("Trouble", "bold red"), Text(f"{cut_line(error['message'])} ({retry})")
            case "session.status_idle":
                return Text("At rest", "dim"), Text(event["stop_reason"]["type"].replace("_", " "), "dim")
            case _:
                return None

    def _verdict(self, event: Event) -> None:
        marks: Sequence[dict[str, Any]] = event.get("criteria", [])
        met = sum(mark["passed"] for mark in marks)
        style = _RESULTS.get(event["result"], "bold")
        words = Text.assemble(
            f"iteration {event['iteration'] + 1}: ", (event["result"].replace("_", " "), style)
        )
        if marks:
            words.append(f", {met} of {len(marks)} criteria")
        self._print(Text("Graded", "bold"), words)
        if marks:
            self._console.print(criteria(marks, self._marks))
        else:
            self._print(Text(""), Text(cut_line(event["explanation"])))


def criteria(marks: Sequence[dict[str, Any]], drawn: dict[bool, tuple[str, str]] = MARKS) -> Table:
    """A row a criterion: its mark, its words, and the gap below them."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=8, justify="right")
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for mark in marks:
        letter, style = drawn[mark["passed"]]
        words = Text(cut_line(mark["name"], 120))
        if not mark["passed"]:
            words.append(f"\n{cut_line(mark['gap'])}", style="yellow")
        table.add_row(Text(letter, style), f"{mark['id']}", words)
    return table


def listed(found: Sequence[dict[str, Any]]) -> Table:
    """Sessions, one a row."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    table.add_column("session", no_wrap=True, min_width=29)
    table.add_column("outcome", no_wrap=True, min_width=13)
    table.add_column("model", no_wrap=True, overflow="ellipsis", min_width=12, max_width=20)
    table.add_column("title", no_wrap=True, overflow="ellipsis", ratio=1)
    for each in found:
        model, title = each["agent"]["model"]["id"], each["title"] or ""
        table.add_row(each["id"], _outcome(each), Text(cut_line(model)), Text(cut_line(title)))
    return table


def about(session: dict[str, Any]) -> Table:
    """One session: what it is, and who plays in it."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, words in (
        ("session", session["id"]),
        ("status", session["status"]),
        ("model", session["agent"]["model"]["id"]),
        ("title", session["title"] or ""),
        ("tokens", f"{session['usage']['input_tokens']:,} in, {session['usage']['output_tokens']:,} out"),
    ):
        grid.add_row(name, Text(cut_line(words)))
    return grid


def _outcome(session: dict[str, Any]) -> Text:
    """Where the newest outcome is; without one, where the session is."""
    records = session["outcome_evaluations"]
    if not records:
        return Text(session["status"], "dim")
    last = records[-1]
    told = last["result"].removesuffix("_reached").replace("_", " ")
    return Text(f"{told} ({last['iteration'] + 1})", _RESULTS.get(last["result"], ""))


def _said(event: Event) -> str:
    blocks: list[dict[str, Any]] = event.get("content") or []
    return " ".join(block.get("text", "") for block in blocks)


def cut_line(text: str, length: int = _WIDTH_MAX) -> str:
    """In one line, without what a terminal would obey: agents and graders are not trusted with it."""
    line = " ".join("".join(" " if category(each) == "Cc" else each for each in text).split())
    return line if len(line) <= length else line[: length - 1] + "…"
