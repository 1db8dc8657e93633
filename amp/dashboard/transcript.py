"""What an agent and its user did, line by line, to be read; each text is short enough to be looked at.

Whatever is said here was said by others: it is text, and never becomes anything else.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from amp.grading.types import Event

LETTERS_MAX = 4000
TYPES = (
    "user.define_outcome",
    "user.message",
    "system.message",
    "user.interrupt",
    "user.tool_confirmation",
    "user.custom_tool_result",
    "user.tool_result",
    "agent.message",
    "agent.tool_use",
    "agent.custom_tool_use",
    "agent.tool_result",
    "span.outcome_evaluation_end",
    "session.error",
)
"""What says something to a person."""


class Turn(NamedTuple):
    """One line of it."""

    who: str
    at: str | None
    """Null: it waits to be processed."""
    text: str
    cut: int = 0
    """Letters that are left out."""
    code: bool = False
    """It is not prose."""
    bad: bool = False


def turns(events: Iterable[Event]) -> list[Turn]:
    """What these events say."""
    return [_turn(event) for event in events]


def shown(text: str, most: int = LETTERS_MAX) -> tuple[str, int]:
    """The beginning of a long text, and how many letters are left out."""
    return text[:most], max(0, len(text) - most)


def _turn(event: Event) -> Turn:
    who, text, code, bad = _told(event)
    told, cut = shown(text)
    return Turn(who, event.get("processed_at"), told, cut, code, bad)


def _told(event: Event) -> tuple[str, str, bool, bool]:
    """Who, what, whether it is code, whether it is trouble."""
    kind: str = event["type"]
    if kind == "user.define_outcome":
        return "Outcome", event["description"], False, False
    if kind == "span.outcome_evaluation_end":
        return f"Grader, iteration {event['iteration'] + 1}", _verdict(event), False, False
    if kind == "session.error":
        return "Trouble", event["error"]["message"], False, True
    if kind.endswith("tool_use"):
        return f"Tool {event['name']}", _json(event.get("input")), True, False
    if kind.endswith("tool_result"):
        return "Tool's answer", _text(event), True, bool(event.get("is_error"))
    return _who(kind), _text(event), False, False


def _who(kind: str) -> str:
    return {"agent.message": "Agent", "system.message": "System"}.get(kind, "User")


def _verdict(event: Event) -> str:
    return f"{event['result'].replace('_', ' ')}: {event.get('explanation') or 'no explanation'}"


def _text(event: Event) -> str:
    if event["type"] == "user.interrupt":
        return "Interrupt."
    if event["type"] == "user.tool_confirmation":
        return f"{event['result']} {event.get('deny_message') or ''}".strip()
    blocks: list[dict[str, Any]] = event.get("content") or []
    return "\n".join(str(block.get("text", f"({block.get('type')} block)")) for block in blocks)


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()
