"""What a worker's posts make of a session: a whole batch, or nothing of it. A late one is refused.

A worker that plays the agent posts `agent.*` events and ends the turn with `span.model_request_end`; one that
grades posts `span.outcome_evaluation_end`. Each names what it answers, by the start event's id or by outcome
and iteration.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from amp.errors import Conflict
from amp.grading.draft import Draft, phase
from amp.grading.rubric import Judged
from amp.grading.types import Change, Event, Pen, Session, Usage


def posted(session: Session, events: Sequence[Event], pen: Pen) -> tuple[Change, list[Event]]:
    """What a worker's batch changes, and the echo of each of its events, in order.

    Raises:
        Conflict: nothing is open that such an event could answer, or it answers what is over.
    """
    batch = _Batch(session, pen)
    echoes = [batch.take(each) for each in events]
    return batch.draft.change(), echoes


def as_judged(verdict: dict[str, Any]) -> Judged:
    """A verdict that a worker posted, as the loop merges it with what code decides."""
    criteria: list[dict[str, Any]] = verdict.get("criteria", [])
    passed: dict[int, bool] = {}
    for each in criteria:
        passed[each["id"]] = passed.get(each["id"], True) and each["passed"] is True
    gaps = {each["id"]: each.get("gap", "") for each in criteria}
    usage = msgspec.convert(verdict.get("usage", {}), Usage)
    return Judged(verdict["result"], verdict.get("explanation", ""), passed, gaps, usage)


class _Batch:
    def __init__(self, session: Session, pen: Pen) -> None:
        self.draft = Draft(session, pen)
        self._ids: dict[str, str] = {}

    def take(self, given: Event) -> Event:
        kind = given["type"]
        if kind.startswith("span.outcome_evaluation"):
            return self._of_grader(given)
        self._hold(given, "request", given.get("model_request_start_id"))
        if kind == "span.model_request_end":
            return self._end_turn(given)
        fields = {name: value for name, value in given.items() if name not in _OURS}
        if kind == "agent.tool_result":
            fields["tool_use_id"] = self._ids.get(fields["tool_use_id"], fields["tool_use_id"])
        event = self.draft.add(kind, **fields)
        if kind == "agent.tool_use" and given.get("id"):
            self._ids[given["id"]] = event["id"]
        return event

    def _of_grader(self, given: Event) -> Event:
        self._hold(given, "evaluation", given.get("outcome_evaluation_start_id"))
        outcome = self.draft.outcome()
        if given["type"] == "span.outcome_evaluation_ongoing":
            return self.draft.add(given["type"], outcome_id=outcome.outcome_id, iteration=outcome.iteration)
        if "verdict" in self.draft.state.loop:
            raise Conflict("This evaluation has its verdict already.")
        self.draft.state.loop["verdict"] = {
            name: given[name] for name in ("result", "explanation", "criteria", "usage") if given.get(name)
        }
        return {**given, "outcome_evaluation_start_id": outcome.start_id, "outcome_id": outcome.outcome_id}

    def _end_turn(self, given: Event) -> Event:
        if given.get("is_error"):
            self.draft.state.loop["gave_up"] = True
            return given
        self.draft.end_request(msgspec.convert(given.get("model_usage") or {}, Usage))
        end = self.draft.events[-1]
        self.draft.end_turn()
        return end

    def _hold(self, given: Event, what: str, start: str | None) -> None:
        """Refuses a post that does not answer what is open now."""
        state = self.draft.state
        grading, active = phase(state) == "grading", state.active()
        open_ = active.start_id if grading and active else state.loop.get("request", "")
        if not open_ or grading != (what == "evaluation") or not state.loop.get("worker"):
            raise Conflict(f"No {what} of a worker is open.")
        stale = start is not None and start != open_
        if given.get("outcome_id") is not None:
            stale = stale or active is None or given["outcome_id"] != active.outcome_id
        if given.get("iteration") is not None:
            stale = stale or active is None or given["iteration"] != active.iteration
        if stale:
            raise Conflict(f"This answers another {what} than the one that is open.")


_OURS = frozenset({"type", "id", "processed_at", "outcome_id", "iteration"})
