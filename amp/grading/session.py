"""What the loop makes of a session: (session, what happened) -> what one write changes.

    turn ──agent is done──> grading ──needs_revision──> turn
                               │
                               ├─ satisfied, failed ─> next outcome, waiting messages, or idle
                               └─ the last iteration ─> closing turn, which nobody grades ─> as above

A step names what it answers: the open model request or the open evaluation. Where that is no longer open, the
step came too late and is None: nothing is written. So a killed process repeats a step, and only one of them
counts.
"""

from collections.abc import Sequence

from amp.grading.draft import Draft, Said, Trouble, phase, request_of, ticket
from amp.grading.rubric import Verdict
from amp.grading.types import Change, Event, Outcome, Pen, Session, Usage, Waiting

ROUNDS_MAX = 60
"""Model requests of one turn; the last one ends it."""


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
    elif result == "max_iterations_reached":
        draft.state.loop = {"closing": True}
    else:
        draft.go_on()
        return draft.change()
    if not draft.state.waiting:  # else the messages are processed first, and for that they must be read
        draft.begin_request()
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
