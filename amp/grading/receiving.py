"""What a batch of inputs does on receipt. Contract: graded-outcomes.md, section 4."""

from collections.abc import Sequence

import msgspec

from amp.errors import InvalidParameter
from amp.grading.types import Change, Definition, Event, Outcome, Pen, Session, State


def received(session: Session, inputs: Sequence[Event], pen: Pen) -> tuple[Change, list[Event]]:
    """Takes a batch in, all of it or nothing.

    Raises:
        InvalidParameter: an outcome is under way already, or the session has ended.
    """
    if session.state.status == "terminated":
        raise InvalidParameter("events", "the session has ended")
    state: State = msgspec.json.decode(msgspec.json.encode(session.state), type=State)
    state.at_us = session.state.at_us
    events: list[Event] = []
    echoes: list[Event] = []
    definitions: list[Definition] = []
    for each in inputs:
        fields = {name: value for name, value in each.items() if name != "type"}
        kind = each["type"]
        if kind == "user.define_outcome":
            if state.active():
                raise InvalidParameter(
                    "events", "an outcome is under way already; interrupt it, or wait for its end"
                )
            outcome_id = pen.new_id("outc")
            echo = pen.event(kind, outcome_id=outcome_id, **fields)
            events.append(echo)
            definitions.append(
                Definition(
                    outcome_id, fields["description"], fields["rubric"]["content"], fields["max_iterations"]
                )
            )
            state.outcomes.append(Outcome(outcome_id, fields["max_iterations"]))
            _run(state, events, pen)
        elif kind == "user.message":
            echo, waits = pen.waiting(kind, **fields)
            events.append(echo)
            state.waiting.append(waits)
            _run(state, events, pen)
        else:
            echo = pen.event(kind, **fields)
            events.append(echo)
            if kind == "user.interrupt":
                _interrupt(state, events, pen)
        echoes.append(echo)
    state.at_us = pen.at_us
    return Change(state, events, definitions), echoes


def posted(session: Session, posts: Sequence[Event], pen: Pen) -> tuple[Change, list[Event]]:
    """Takes in what a worker says of its job."""
    events = [
        pen.event(each["type"], **{k: v for k, v in each.items() if k not in ("type", "id")})
        for each in posts
    ]
    state = msgspec.structs.replace(session.state, at_us=pen.at_us)
    return Change(state, events), events


def closed(session: Session, pen: Pen) -> Change:
    """Ends a session that is not running."""
    events = [pen.event("session.status_terminated")]
    return Change(msgspec.structs.replace(session.state, status="terminated", at_us=pen.at_us), events)


def _run(state: State, events: list[Event], pen: Pen) -> None:
    if state.status != "running":
        state.status = "running"
        events.append(pen.event("session.status_running"))
        state.running_since_us = pen.at_us


def _interrupt(state: State, events: list[Event], pen: Pen) -> None:
    outcome = state.active()
    if state.status != "running":
        return
    if outcome:
        outcome.result, outcome.completed_at = "interrupted", pen.time()
        events.append(
            pen.event(
                "span.outcome_evaluation_end",
                outcome_evaluation_start_id=outcome.start_id,
                outcome_id=outcome.outcome_id,
                iteration=outcome.iteration,
                result="interrupted",
                explanation="Interrupted.",
                usage=msgspec.to_builtins(state.usage.__class__()),
            )
        )
    state.active_us += pen.at_us - (state.running_since_us or pen.at_us)
    state.status, state.running_since_us = "idle", None
    events.append(pen.event("session.status_idle", stop_reason={"type": "end_turn"}))
