"""What `amp tail` shows of one event: a line for a person, a struct for a machine."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.text import Text

from amp.learning.tailing import Told
from amp.ledger import entries
from amp.terminal.session_view import cut_line

_END = b"span.outcome_evaluation_end"
_GOOD = {"SUCCESS": "green", "satisfied": "green", "FAILED": "red", "failed": "red"}


class JobLine(Struct, rename="camel", kw_only=True, tag="job", tag_field="kind"):
    """What came of a job, as the ledger has it."""

    at: datetime
    job: str
    status: str
    outcome: str | None
    value: str | None
    """In decimal; null: none was said."""
    currency: str | None
    by: str


class VerdictLine(Struct, rename="camel", kw_only=True, tag="verdict", tag_field="kind"):
    """What a grader said of a session's outcome."""

    at: datetime
    session: str
    outcome: str
    result: str
    iteration: int
    """From 0."""
    criteria_met: int
    criteria: int


class _Ended(Struct):
    type: str
    processed_at: datetime
    outcome_id: str
    result: str
    iteration: int
    criteria: list[dict[str, object]] = []


Line = Told | JobLine | VerdictLine
_ended = msgspec.json.Decoder(_Ended)


def now() -> datetime:
    return datetime.now(UTC)


def of_job(entry: entries.Outcome) -> JobLine:
    value = entry.value_nanos
    return JobLine(
        at=datetime.fromtimestamp(entry.at_ms / 1000, UTC),
        job=entry.job,
        status=entry.status,
        outcome=entry.outcome,
        value=None if value is None else f"{Decimal(value).scaleb(-9).normalize():f}",
        currency=entry.currency,
        by=entry.reported_by,
    )


def of_event(session: str, raw: bytes) -> VerdictLine | None:
    """The line of a verdict; None for any other event of a session."""
    if _END not in raw:
        return None
    try:
        event = _ended.decode(raw)
    except msgspec.MsgspecError:
        return None
    return VerdictLine(
        at=event.processed_at,
        session=session,
        outcome=event.outcome_id,
        result=event.result,
        iteration=event.iteration,
        criteria_met=sum(bool(each.get("passed")) for each in event.criteria),
        criteria=len(event.criteria),
    )


def drawer(console: Console) -> Callable[[Line], None]:
    """Draws a line as it comes, in colour where there is a terminal."""

    def draw(line: Line) -> None:
        console.print(_text(line), soft_wrap=True)
        console.file.flush()

    return draw


def _text(line: Line) -> Text:
    at = Text(line.at.astimezone().strftime("%H:%M:%S "), "dim")
    match line:
        case Told():
            return at + _told(line)
        case JobLine():
            value = "" if line.value is None else f"  {line.value} {line.currency or ''}".rstrip()
            words = " ".join(filter(None, (line.status, line.outcome)))
            style = _GOOD.get(line.status, "yellow")
            return at + Text.assemble(
                ("job     ", "blue"), cut_line(line.job, 60), " ", (words, style), value
            )
        case VerdictLine():
            met = f", {line.criteria_met} of {line.criteria} criteria" if line.criteria else ""
            told = (line.result.replace("_", " "), _GOOD.get(line.result, "yellow"))
            where = f"{line.session} iteration {line.iteration + 1} "
            return at + Text.assemble(("verdict ", "magenta"), where, told, met)


def _told(line: Told) -> Text:
    approach = " ".join(line.approach.values())
    shown = _mark(line)
    by = "" if line.by == "agent" else f"  taught by a {line.by}"
    more = "" if line.final else f"  step {line.step}, not final"
    against = "" if line.counts else "  contradicts what stands: not counted"
    style = "cyan" if line.group == "learned" else "dim cyan"
    return Text.assemble(
        ("outcome ", "bold"),
        (line.user[:8], style),
        " ",
        shown,
        f" {line.reward:+.2f}  ",
        (cut_line(line.task_type or "-", 32), "dim"),
        f"  {approach}",
        (f"{by}{more}{against}{'' if line.group == 'learned' else '  control'}", "dim"),
    )


def _mark(line: Told) -> tuple[str, str]:
    signals = line.signals
    if signals.completed:
        return ("completed", "green")
    if not signals.started:
        return ("ignored  ", "red")
    return ("started  ", "yellow") if signals.completed is None else ("dropped  ", "red")
