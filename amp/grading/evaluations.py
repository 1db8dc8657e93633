"""From a session and its events to what people see of its gradings."""

from collections.abc import Iterable, Mapping
from typing import Any

from amp.grading.graded_wire import (
    CriterionReply,
    EvaluationReply,
    GradedOutcomeReply,
    MarkReply,
    SessionRow,
    TokensReply,
)
from amp.grading.times import rfc3339
from amp.grading.types import Definition, Event, Outcome, Session, Usage

START, END = "span.outcome_evaluation_start", "span.outcome_evaluation_end"
_USAGE = dict.fromkeys(Usage.__struct_fields__, 0)


def row(found: Session, now_us: int) -> SessionRow:
    """The session in a list."""
    head, state = found.head, found.state
    newest = state.outcomes[-1] if state.outcomes else None
    marks = newest.criteria if newest else []
    running_us = max(0, now_us - state.running_since_us) if state.running_since_us is not None else 0
    return SessionRow(
        id=head.id,
        title=head.title,
        status=state.status,
        archived_at=None if head.archived_us is None else rfc3339(head.archived_us),
        agent_name=str(head.agent.get("name", "")),
        model=str(head.agent.get("model", {}).get("id", "")),
        outcomes=len(state.outcomes),
        result=newest.result if newest else None,
        iterations=newest.iteration + 1 if newest and newest.result != "pending" else 0,
        max_iterations=newest.max_iterations if newest else None,
        criteria_met=sum(mark.passed for mark in marks),
        criteria=len(marks),
        tokens=_tokens(state.usage),
        active_seconds=(state.active_us + running_us) / 1e6,
        created_at=rfc3339(head.created_us),
        updated_at=rfc3339(max(head.updated_us, state.at_us)),
    )


def evaluations(events: Iterable[Event]) -> dict[str, list[EvaluationReply]]:
    """The gradings of each outcome, in the order in which they began."""
    found: dict[str, list[EvaluationReply]] = {}
    open_: dict[str, EvaluationReply] = {}
    for event in events:
        if event["type"] == START:
            begun = EvaluationReply(
                event["iteration"], None, None, event["processed_at"], None, TokensReply(0, 0), []
            )
            open_[event["id"]] = begun
            found.setdefault(event["outcome_id"], []).append(begun)
        elif event["type"] == END:
            ended = open_.pop(event["outcome_evaluation_start_id"], None)
            if ended is None:  # interrupted, or broken, before a grading began
                ended = EvaluationReply(event["iteration"], None, None, None, None, TokensReply(0, 0), [])
                found.setdefault(event["outcome_id"], []).append(ended)
            _end(ended, event)
    return found


def outcome(standing: Outcome, asked: Definition, graded: list[EvaluationReply]) -> GradedOutcomeReply:
    """One outcome with its gradings."""
    return GradedOutcomeReply(
        outcome_id=standing.outcome_id,
        description=asked.description,
        rubric=asked.rubric,
        criteria=[CriterionReply(each.id, each.name, each.check) for each in asked.criteria],
        result=standing.result,
        iteration=standing.iteration,
        max_iterations=standing.max_iterations,
        explanation=standing.explanation,
        error=standing.error,
        completed_at=standing.completed_at,
        evaluations=graded,
    )


def _end(evaluation: EvaluationReply, event: Event) -> None:
    used: Mapping[str, int] = _USAGE | (event.get("usage") or {})
    told: list[dict[str, Any]] = event.get("criteria") or []
    evaluation.result = event["result"]
    evaluation.explanation = event.get("explanation")
    evaluation.ended_at = event["processed_at"]
    evaluation.tokens = _tokens(Usage(**{name: used[name] for name in _USAGE}))
    evaluation.marks = [
        MarkReply(each["id"], each["name"], each["passed"], each.get("gap", "")) for each in told
    ]


def _tokens(used: Usage) -> TokensReply:
    read = used.input_tokens + used.cache_creation_input_tokens + used.cache_read_input_tokens
    return TokensReply(read, used.output_tokens)
