"""From a session's log to what a model reads: the conversation of its agent, and the work of one iteration.

The agent sees descriptions, messages and gaps, never a rubric. The grader sees what the agent said since the
newest evaluation before.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from amp.grading.checks import OUTPUTS
from amp.grading.types import Event

LENGTH_MAX = 400_000
"""Characters of a conversation; the oldest go first."""

AGENT = f"""You are an agent that does a task and leaves deliverables. Write them with the tools into \
{OUTPUTS}; there is no shell and no network. Do the task completely, then end with a short message that says \
what you made. When an independent grader names gaps, revise the work itself, not only your description of \
it."""


class ToolCall(NamedTuple):
    """A use of a tool."""

    id: str
    name: str
    input: dict[str, Any]


class Line(NamedTuple):
    """One message of a conversation with a model."""

    role: str
    """`user`, `assistant`, or `tool`: the output of a tool."""
    text: str
    calls: Sequence[ToolCall] = ()
    """Of the assistant."""
    call: str = ""
    """Of a tool: whose output it is."""
    is_error: bool = False


def conversation(log: Iterable[Event]) -> list[Line]:
    """The session so far, as its agent knows it."""
    lines: list[Line] = []
    for event in log:
        _TELL.get(event["type"], _nothing)(lines, event)
    return _shortened(lines)


def work(log: Sequence[Event], start: str) -> list[str]:
    """What the agent said for the evaluation that begins with the event `start`."""
    said: list[str] = []
    open_ = False
    for event in reversed(log):  # the evaluation is near the end, however long the log is
        if not open_:
            open_ = event["id"] == start
        elif event["type"] == "agent.message":
            said.append(_text(event))
        elif event["type"] in {"user.define_outcome", "span.outcome_evaluation_end"}:
            break
    return said[::-1]


def _user(lines: list[Line], text: str) -> None:
    if lines and lines[-1].role == "user":
        lines[-1] = Line("user", f"{lines[-1].text}\n\n{text}")
    else:
        lines.append(Line("user", text))


def _nothing(lines: list[Line], event: Event) -> None:
    del lines, event


def _outcome(lines: list[Line], event: Event) -> None:
    _user(lines, f"{event['description']}\n\n(Write deliverables to {OUTPUTS}.)")


def _message(lines: list[Line], event: Event) -> None:
    if event.get("processed_at"):
        _user(lines, _text(event))


def _said(lines: list[Line], event: Event) -> None:
    last = lines[-1] if lines and lines[-1].role == "assistant" and not lines[-1].calls else None
    if last:
        lines[-1] = last._replace(text=f"{last.text}\n\n{_text(event)}")
    else:
        lines.append(Line("assistant", _text(event)))


def _used(lines: list[Line], event: Event) -> None:
    """A use joins the message before it."""
    call = ToolCall(event["id"], event["name"], event["input"])
    if lines and lines[-1].role == "assistant" and not lines[-1].calls:
        lines[-1] = lines[-1]._replace(calls=(call,))
    else:
        lines.append(Line("assistant", "", calls=(call,)))


def _output(lines: list[Line], event: Event) -> None:
    lines.append(Line("tool", _text(event), call=event["tool_use_id"], is_error=bool(event.get("is_error"))))


def _graded(lines: list[Line], event: Event) -> None:
    result = event["result"]
    if result == "needs_revision":
        _user(
            lines,
            f"An independent grader found gaps:\n{_gaps(event)}\nPlease revise your work.",
        )
    elif result == "max_iterations_reached":
        _user(
            lines,
            f"An independent grader looked for the last time and still found gaps:\n{_gaps(event)}\n"
            "There are no more evaluations. Say briefly what was delivered and what is still missing.",
        )
    elif result == "interrupted":
        _user(lines, "(The user interrupted this work.)")


def _gaps(event: Event) -> str:
    found = [each for each in event.get("criteria", ()) if not each["passed"]]
    told = "\n".join(f"- {each['name']}: {each['gap']}" for each in found)
    return "\n".join(part for part in (event["explanation"], told) if part)


def _text(event: Event) -> str:
    blocks: list[dict[str, Any]] = event.get("content") or []
    return "\n".join(str(block.get("text", f"({block.get('type')} block)")) for block in blocks)


_TELL = {
    "user.define_outcome": _outcome,
    "user.message": _message,
    "system.message": _message,
    "agent.message": _said,
    "agent.tool_use": _used,
    "agent.tool_result": _output,
    "span.outcome_evaluation_end": _graded,
}


def _shortened(lines: list[Line]) -> list[Line]:
    """The newest lines that fit, from a user's message on."""
    length, kept = 0, len(lines)
    while kept and length < LENGTH_MAX:
        kept -= 1
        length += len(lines[kept].text) + sum(len(str(call.input)) for call in lines[kept].calls)
    while kept < len(lines) and lines[kept].role != "user" and kept:
        kept += 1
    return lines[kept:]
