"""What the loop makes of a session: (session, what happened) -> what one write changes. No clock, no ids of its own.

    turn ──agent is done──> grading ──needs_revision──> turn
                               │
                               ├─ satisfied, failed ─> next outcome, waiting messages, or idle
                               └─ the last iteration ─> closing turn, which nobody grades ─> as above

A step names what it answers: the open model request or the open evaluation. Where that is no longer open, the step
came too late and is None: nothing is written. So a killed process repeats a step, and only one of them counts.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from amp.grading.rubric import Verdict
from amp.grading.types import Change, Event, Mark, Outcome, Pen, Session, State, Usage, Waiting

Phase = Literal["turn", "grading", "closing", "chat", "rest"]
ROUNDS_MAX = 60
"""Model requests of one turn; the last one ends it."""


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


def wants(session: Session) -> list[Waiting]:
    """The waiting inputs that the next request processes."""
    return list(session.state.waiting) if not session.state.loop.get("rounds") else []


def begun(session: Session, pen: Pen, waiting: Sequence[Event]) -> Change | None:
    """A model request of the agent begins; `waiting` are the events of `wants`. None: one is open already."""
    if phase(session.state) in {"rest", "grading"} or request_of(session.state):
        return None
    draft = Draft(session, pen)
    for event in waiting:
        draft.events.append(pen.processed(event))
    taken = {event["id"] for event in waiting}
    draft.state.waiting = [each for each in draft.state.waiting if each.id not in taken]
    draft.begin_request()
    return draft.change()


def answered(
    session: Session, pen: Pen, request: str, said: Sequence[Said], usage: Usage, *, done: bool
) -> Change | None:
    """A model request ends with what the agent said and did; `done` ends its turn."""
    if not request or request_of(session.state) != request:
        return None
    draft = Draft(session, pen)
    for each in said:
        draft.say(each)
    draft.end_request(usage)
    if done or draft.state.loop["rounds"] >= ROUNDS_MAX:
        draft.end_turn()
    else:
        draft.begin_request()
    return draft.change()


def ongoing(session: Session, pen: Pen, start: str) -> Change | None:
    """The grader still runs."""
    outcome = _graded(session, start)
    if outcome is None:
        return None
    draft = Draft(session, pen)
    draft.add("span.outcome_evaluation_ongoing", outcome_id=outcome.outcome_id, iteration=outcome.iteration)
    return draft.change()


def decided(session: Session, pen: Pen, start: str, verdict: Verdict) -> Change | None:
    """The grader has spoken; None when that evaluation is no longer open."""
    if _graded(session, start) is None:
        return None
    draft = Draft(session, pen)
    outcome = draft.outcome()
    last = outcome.iteration + 1 >= outcome.max_iterations
    result = "max_iterations_reached" if last and verdict.result == "needs_revision" else verdict.result
    draft.end_evaluation(outcome, result, verdict.explanation, verdict.marks, verdict.usage)
    draft.state.loop = {}
    if result == "needs_revision":
        outcome.iteration += 1
        return draft.change()
    if result == "max_iterations_reached":
        draft.state.loop = {"closing": True}
        return draft.change()
    draft.go_on()
    return draft.change()


def grader_broke(session: Session, pen: Pen, start: str, trouble: Trouble) -> Change | None:
    """The grader gave no verdict: the outcome fails, and says that it is not the work's fault."""
    if _graded(session, start) is None:
        return None
    draft = Draft(session, pen)
    draft.trouble(trouble, "exhausted")
    told = f"The grader broke, so nothing is known of the work: {trouble.message}"
    draft.end_evaluation(draft.outcome(), "failed", told, (), Usage(), error=trouble.message)
    draft.rest("retries_exhausted")
    return draft.change()


def agent_broke(session: Session, pen: Pen, request: str, trouble: Trouble) -> Change | None:
    """The agent gave no answer: what it worked on fails."""
    if not request or request_of(session.state) != request:
        return None
    draft = Draft(session, pen)
    draft.end_request(Usage(), is_error=True)
    draft.trouble(trouble, "exhausted")
    if phase(session.state) == "turn":
        told = f"The agent broke, so there is nothing to grade: {trouble.message}"
        draft.end_evaluation(draft.outcome(), "failed", told, (), Usage(), error=trouble.message)
    draft.rest("retries_exhausted")
    return draft.change()


def retrying(session: Session, pen: Pen, answers: str, trouble: Trouble) -> Change | None:
    """The step failed and will be tried again."""
    if not answers or ticket(session.state) != answers:
        return None
    draft = Draft(session, pen)
    draft.trouble(trouble, "retrying")
    if draft.state.status == "running":
        draft.state.status = "rescheduling"
        draft.add("session.status_rescheduled")
    return draft.change()


def handed(session: Session, pen: Pen, answers: str) -> Change | None:
    """The open step is a worker's to do, as the piece of work that gets its id here."""
    if ticket(session.state) != answers or session.state.loop.get("worker"):
        return None
    draft = Draft(session, pen)
    draft.state.loop["worker"] = pen.new_id("work")
    return draft.change()


def resumed(session: Session, pen: Pen) -> Change | None:
    """The step is tried again now."""
    if session.state.status != "rescheduling":
        return None
    draft = Draft(session, pen)
    draft.run()
    return draft.change()


def _graded(session: Session, start: str) -> Outcome | None:
    active = session.state.active()
    open_ = active and active.result == "evaluating" and active.start_id == start
    return active if start and open_ else None


class Draft:
    """One write being thought out; the session that was read stays as it is."""

    def __init__(self, session: Session, pen: Pen) -> None:
        self.state = msgspec.convert(msgspec.to_builtins(session.state), State)
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


def told(mark: Mark) -> dict[str, Any]:
    """A mark as on the wire: every field."""
    return {"id": mark.id, "name": mark.name, "passed": mark.passed, "gap": mark.gap}


def _text(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]
