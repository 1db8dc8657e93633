"""What a caller's events make of a session: a whole batch, or nothing of it."""

from collections.abc import Callable, Sequence
from typing import Any

from amp.errors import InvalidParameter
from amp.grading.draft import Draft
from amp.grading.rubric import freeze
from amp.grading.types import (
    ITERATIONS,
    OUTCOMES_MAX,
    Change,
    Definition,
    Event,
    Outcome,
    Pen,
    Session,
    Usage,
)

QUEUED = frozenset({"user.message", "system.message"})


def received(session: Session, inputs: Sequence[Event], pen: Pen) -> tuple[Change, list[Event]]:
    """What a batch changes, and the echo of each of its events, in order.

    The inputs are well formed, each with `type` and the type's own fields; the rubric of a
    `user.define_outcome` is text.

    Raises:
        InvalidParameter: an outcome is under way already, or a check of a rubric cannot be read.
    """
    if session.state.status == "terminated":
        raise InvalidParameter("events", "the session has ended")
    batch = _Batch(session, pen)
    echoes = [_TAKE.get(each["type"], _Batch.pass_on)(batch, each) for each in inputs]
    batch.settle()
    change = batch.draft.change()
    return change._replace(definitions=batch.definitions), echoes


def closed(session: Session, pen: Pen) -> Change:
    """Ends a session that is not running, for good."""
    draft = Draft(session, pen)
    draft.state.status = "terminated"
    draft.add("session.status_terminated")
    return draft.change()


class _Batch:
    def __init__(self, session: Session, pen: Pen) -> None:
        self.draft = Draft(session, pen)
        self.definitions: list[Definition] = []
        self._interrupted = False
        self._works = session.state.status in {"running", "rescheduling"}

    def define(self, given: Event) -> Event:
        state, pen = self.draft.state, self.draft.pen
        if state.active() is not None:
            raise InvalidParameter(
                "events", "an outcome is active already: wait until it has ended, or interrupt it"
            )
        if len(state.outcomes) >= OUTCOMES_MAX:
            raise InvalidParameter("events", f"of a session define at most {OUTCOMES_MAX} outcomes")
        text: str = given["rubric"]["content"]
        try:
            criteria = freeze(text)
        except ValueError as error:
            raise InvalidParameter("rubric", str(error)) from error
        most = given.get("max_iterations") or ITERATIONS
        outcome = Outcome(pen.new_id("outc"), max_iterations=most)
        state.outcomes.append(outcome)
        self.definitions.append(Definition(outcome.outcome_id, given["description"], text, most, criteria))
        self._works = True
        echo = self.draft.add(
            "user.define_outcome",
            outcome_id=outcome.outcome_id,
            description=given["description"],
            rubric={"type": "text", "content": text},
            max_iterations=most,
        )
        self._start()
        return echo

    def interrupt(self, given: Event) -> Event:
        draft, fields = self.draft, _fields(given)
        if draft.state.status not in {"running", "rescheduling"}:
            self._works = False
            return draft.add("user.interrupt", **fields)
        waiting, _ = draft.pen.waiting("user.interrupt", **fields)
        draft.events.append(waiting)
        if draft.state.loop.get("request"):
            draft.end_request(Usage(), is_error=True)
        echo = draft.pen.processed(waiting)
        draft.events.append(echo)
        active = draft.state.active()
        if active is not None:
            told = "Interrupted by the user."
            draft.end_evaluation(active, "interrupted", active.explanation or told, (), Usage())
        draft.state.loop = {}
        self._interrupted, self._works = True, False
        return echo

    def queue(self, given: Event) -> Event:
        event, place = self.draft.pen.waiting(given["type"], **_fields(given))
        self.draft.events.append(event)
        self.draft.state.waiting.append(place)
        if given["type"] == "user.message":
            self._works = True
            self._start()
        return event

    def _start(self) -> None:
        if self.draft.state.status == "idle":
            self.draft.run()

    def pass_on(self, given: Event) -> Event:
        return self.draft.add(given["type"], **_fields(given))

    def settle(self) -> None:
        """In the end a session that was interrupted rests, unless there is something else to do."""
        if self._interrupted and not self._works:
            self.draft.rest("end_turn")


def _fields(given: Event) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in {"type", "id", "processed_at"}}


_TAKE: dict[str, Callable[[_Batch, Event], Event]] = {
    "user.define_outcome": _Batch.define,
    "user.interrupt": _Batch.interrupt,
} | dict.fromkeys(QUEUED, _Batch.queue)
