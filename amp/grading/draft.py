"""What is due in a session, and one write of it being thought out. What may follow what is in session.py."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from amp.grading.types import Change, Event, Mark, Outcome, Pen, Session, State, Usage

Phase = Literal["turn", "grading", "closing", "chat", "rest"]


class Message(NamedTuple):
    """What the agent says."""

    text: str


class Thinking(NamedTuple):
    """That the agent thinks."""


class ToolUse(NamedTuple):
    """A tool that the agent used, and what came of it."""

    name: str
    input: dict[str, Any]
    output: str
    is_error: bool = False


Said = Message | Thinking | ToolUse


class Trouble(NamedTuple):
    """What went wrong with a model or a role, in the contract's words."""

    kind: str
    """`model_overloaded_error`, `model_request_failed_error`, `unknown_error`."""
    message: str


def phase(state: State) -> Phase:
    """What is to be done."""
    if state.status in {"idle", "terminated"}:
        return "rest"
    if state.loop.get("closing"):
        return "closing"
    active = state.active()
    if active is None:
        return "chat"
    return "grading" if active.result == "evaluating" else "turn"


def request_of(state: State) -> str:
    """The open model request, if any."""
    return state.loop.get("request", "")


def ticket(state: State) -> str:
    """What a step on this session answers: the open model request, or the open evaluation."""
    active = state.active()
    return active.start_id if phase(state) == "grading" and active else request_of(state)


class Draft:
    """One write being thought out; the session that was read stays as it is."""

    def __init__(self, session: Session, pen: Pen) -> None:
        self.state = _own(session.state)
        self.events: list[Event] = []
        self.pen = pen

    def change(self) -> Change:
        self.state.at_us = self.pen.at_us
        return Change(self.state, self.events)

    def add(self, kind: str, **fields: Any) -> Event:
        event = self.pen.event(kind, **fields)
        self.events.append(event)
        return event

    def outcome(self) -> Outcome:
        active = self.state.active()
        assert active, "an outcome is under way"
        return active

    def say(self, said: Said) -> None:
        if isinstance(said, Message):
            self.add("agent.message", content=_text(said.text))
        elif isinstance(said, Thinking):
            self.add("agent.thinking")
        else:
            use = self.add("agent.tool_use", name=said.name, input=said.input, evaluated_permission="allow")
            content = _text(said.output)
            self.add("agent.tool_result", tool_use_id=use["id"], content=content, is_error=said.is_error)

    def begin_request(self) -> None:
        active = self.state.active()
        if active and active.result == "pending" and not self.state.loop.get("closing"):
            active.result = "running"
        self.state.loop["request"] = self.add("span.model_request_start")["id"]
        self.state.loop["rounds"] = self.state.loop.get("rounds", 0) + 1

    def end_request(self, usage: Usage, *, is_error: bool = False) -> None:
        start = self.state.loop.pop("request")
        told = msgspec.to_builtins(usage)
        self.add("span.model_request_end", model_request_start_id=start, model_usage=told, is_error=is_error)
        self.state.usage = self.state.usage.plus(usage)
        self.run()

    def end_turn(self) -> None:
        """What the agent has done is graded, if it was for an outcome."""
        graded = phase(self.state) == "turn"
        self.state.loop = {}
        if not graded:
            return self.go_on()
        outcome = self.outcome()
        outcome.result = "evaluating"
        start = self.add(
            "span.outcome_evaluation_start", outcome_id=outcome.outcome_id, iteration=outcome.iteration
        )
        outcome.start_id = start["id"]
        return None

    def end_evaluation(
        self,
        outcome: Outcome,
        result: str,
        explanation: str,
        marks: Sequence[Mark],
        usage: Usage,
        *,
        error: str | None = None,
    ) -> None:
        """Ends the evaluation, or the outcome of which none is open, and keeps what came of it."""
        self.run()
        more = {"error": error} if error else {}
        end = self.add(
            "span.outcome_evaluation_end",
            outcome_evaluation_start_id=outcome.start_id,
            outcome_id=outcome.outcome_id,
            iteration=outcome.iteration,
            result=result,
            explanation=explanation,
            usage=msgspec.to_builtins(usage),
            criteria=[told(mark) for mark in marks],
            **more,
        )
        outcome.start_id, outcome.explanation, outcome.error = "", explanation, error
        outcome.criteria = list(marks) or outcome.criteria
        outcome.result = "running" if result == "needs_revision" else result  # pyright: ignore[reportAttributeAccessIssue]
        outcome.completed_at = end["processed_at"] if outcome.over else None
        self.state.usage = self.state.usage.plus(usage)

    def trouble(self, trouble: Trouble, retry: str) -> None:
        error = {"type": trouble.kind, "message": trouble.message, "retry_status": {"type": retry}}
        self.add("session.error", error=error)

    def run(self) -> None:
        """The session is running, and says so if it was not."""
        if self.state.status != "running":
            if self.state.status == "idle":
                self.state.running_since_us = self.pen.at_us
            self.state.status = "running"
            self.add("session.status_running")

    def go_on(self) -> None:
        """To the next outcome, to what waits, or to rest."""
        self.state.loop = {}
        if self.state.active() is None and not any(
            each.type == "user.message" for each in self.state.waiting
        ):
            self.rest("end_turn")

    def rest(self, reason: str) -> None:
        self.state.loop = {}
        self.state.status = "idle"
        self.add("session.status_idle", stop_reason={"type": reason})
        since = self.state.running_since_us
        if since is not None:
            self.state.active_us += max(0, self.pen.at_us - since)
        self.state.running_since_us = None


def _own(state: State) -> State:
    """A copy of all that a draft may change; an outcome that is over never does."""
    return msgspec.structs.replace(
        state,
        outcomes=[each if each.over else msgspec.structs.replace(each) for each in state.outcomes],
        waiting=list(state.waiting),
        sent=dict(state.sent),
        loop=dict(state.loop),
    )


def told(mark: Mark) -> dict[str, Any]:
    """A mark as on the wire: every field."""
    return {"id": mark.id, "name": mark.name, "passed": mark.passed, "gap": mark.gap}


def _text(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]
