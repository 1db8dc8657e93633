"""Sessions as the wire has them. Contract: graded-outcomes.md, section 3."""

from collections.abc import Sequence
from typing import Any

import msgspec

from amp.grading.times import rfc3339
from amp.grading.types import Outcome, Session, State

Document = dict[str, Any]


def session(found: Session, descriptions: Sequence[str], now_us: int) -> Document:
    """The session, with the descriptions of its outcomes in their order."""
    head, state = found.head, found.state
    active_s = _active_us(state, now_us) / 1e6
    return {
        "id": head.id,
        "type": "session",
        "status": state.status,
        "title": head.title,
        "agent": head.agent,
        "environment_id": head.environment_id,
        "metadata": head.metadata,
        "resources": head.resources,
        "vault_ids": head.vault_ids,
        "budget": head.budget,
        "deployment_id": None,
        "outcome_evaluations": [
            evaluation(each, told) for each, told in zip(state.outcomes, descriptions, strict=True)
        ],
        "stats": {"active_seconds": active_s, "duration_seconds": _duration_us(found, now_us) / 1e6},
        "usage": {
            "input_tokens": state.usage.input_tokens,
            "output_tokens": state.usage.output_tokens,
            "cache_read_input_tokens": state.usage.cache_read_input_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": state.usage.cache_creation_input_tokens,
                "ephemeral_1h_input_tokens": 0,
            },
            "active_seconds": active_s,
        },
        "created_at": rfc3339(head.created_us),
        "updated_at": rfc3339(max(head.updated_us, state.at_us)),
        "archived_at": rfc3339(head.archived_us) if head.archived_us is not None else None,
    }


def evaluation(outcome: Outcome, description: str) -> Document:
    """One outcome's record; `max_iterations`, `criteria` and `error` are ours beyond the contract."""
    return {
        "type": "outcome_evaluation",
        "outcome_id": outcome.outcome_id,
        "description": description,
        "result": outcome.result,
        "iteration": outcome.iteration,
        "explanation": outcome.explanation,
        "completed_at": outcome.completed_at,
        "max_iterations": outcome.max_iterations,
        "criteria": msgspec.to_builtins(
            [{"gap": "", **msgspec.to_builtins(mark)} for mark in outcome.criteria]
        ),
        **({"error": outcome.error} if outcome.error else {}),
    }


def _active_us(state: State, now_us: int) -> int:
    running = max(0, now_us - state.running_since_us) if state.running_since_us is not None else 0
    return state.active_us + running


def _duration_us(found: Session, now_us: int) -> int:
    end_us = found.state.at_us if found.state.status == "terminated" else now_us
    return max(0, end_us - found.head.created_us)
