"""What an outcome of a job, or a grade, says of the decision that it followed: a tenant's rules, or these.

An effect is one of `completed` (started and completed), `not_completed` (started, and not completed) and
`nothing`. Of a job the outcome type decides, and only where there is none the execution status; CUSTOM by the
tenant's rule for its name, which stands in the outcome's metadata as `amp_outcome`, else by CUSTOM's own.

A graded outcome that is satisfied says a satisfaction too: `iterationDecay` to the power of its iteration, so
1 when the first attempt was good and, by default, 0.8 and 0.64 when it took one and two revisions.

What a job was worth against what it cost may say a satisfaction as well, when `valueWeight` is over 0:
    satisfaction = (1 + valueWeight * (value - cost) / (value + cost)) / 2
which lies between 0 and 1 and is 0.5 where value and cost are equal. So it needs no place of its own in the
48 bytes of a row, and moves the reward by at most the policy's weight of satisfaction (reward.py). It is left
out where the value is not said, where the two are in different currencies (they are never added silently),
and where a part of the cost has no price.

Source: the mapping of outcome types is issue 6, point 1; the two formulas are ours.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from amp.errors import InvalidParameter
from amp.learning.types import Signals
from amp.ledger.job import State

Effect = Literal["completed", "not_completed", "nothing"]

_NOTHING: Effect = "nothing"

CUSTOM_NAME = "amp_outcome"
"""Where a CUSTOM outcome's metadata says what it is."""
CUSTOM_MAX, NAME_LENGTH_MAX, WHY_LENGTH_MAX = 256, 128, 2048
VERSION_MAX = 999_999_999

_TYPES: dict[str, Effect] = {
    "CONVERTED": "completed",
    "DEFLECTED": "completed",
    "ESCALATED": "not_completed",
    "UNSUCCESSFUL": "not_completed",
    "CUSTOM": "nothing",
}
_STATUSES: dict[str, Effect] = {
    "SUCCESS": "nothing",
    "FAILED": "not_completed",
    "CANCELLED": "nothing",
}
_RESULTS: dict[str, Effect] = {
    "satisfied": "completed",
    "max_iterations_reached": "not_completed",
    "failed": "not_completed",
    "interrupted": "nothing",
}


class Mapping(Struct, frozen=True, rename="camel"):
    """One version of a tenant's rules."""

    version: int = 1
    since_ms: int = 0
    """When it was made; 0 is what everybody begins with."""
    by: str = ""
    """Who made it: the id of a key, or the operator's command."""
    why: str = ""
    outcome_types: dict[str, Effect] = msgspec.field(default_factory=lambda: dict(_TYPES))
    execution_statuses: dict[str, Effect] = msgspec.field(default_factory=lambda: dict(_STATUSES))
    """For an outcome without a type."""
    results: dict[str, Effect] = msgspec.field(default_factory=lambda: dict(_RESULTS))
    """Of graded outcomes."""
    custom: dict[str, Effect] = {}
    """CUSTOM outcomes by name."""
    iteration_decay: float = 0.8
    value_weight: float = 0.0


class MappingChange(Struct, rename="camel"):
    """What is to change; what is left out stays."""

    outcome_types: dict[str, Effect] = {}
    execution_statuses: dict[str, Effect] = {}
    results: dict[str, Effect] = {}
    custom: dict[str, Effect | None] = {}
    """null takes a rule away."""
    iteration_decay: float | None = None
    value_weight: float | None = None
    why: str | None = None


def amended(current: Mapping, change: MappingChange, *, at_ms: int, by: str) -> Mapping:
    """The next version; the current one when nothing would change.

    Raises:
        InvalidParameter: a value that no mapping can have.
    """
    after = msgspec.structs.replace(
        current,
        outcome_types=_known("outcomeTypes", current.outcome_types, change.outcome_types),
        execution_statuses=_known("executionStatuses", current.execution_statuses, change.execution_statuses),
        results=_known("results", current.results, change.results),
        custom=_custom(current.custom, change.custom),
        iteration_decay=_share("iterationDecay", change.iteration_decay, current.iteration_decay),
        value_weight=_share("valueWeight", change.value_weight, current.value_weight),
    )
    if after == current:
        return current
    why = (change.why or "").strip()
    if len(why) > WHY_LENGTH_MAX:
        raise InvalidParameter("why", f"must have at most {WHY_LENGTH_MAX:,} characters")
    if current.version == VERSION_MAX:
        raise InvalidParameter("version", f"{VERSION_MAX:,} is the last")
    return msgspec.structs.replace(after, version=current.version + 1, since_ms=at_ms, by=by, why=why)


def _known(field: str, current: dict[str, Effect], change: dict[str, Effect]) -> dict[str, Effect]:
    for name in change:
        if name not in current:
            raise InvalidParameter(field, f"has no {name!r}; it has {', '.join(current)}")
    return {**current, **change}


def _custom(current: dict[str, Effect], change: dict[str, Effect | None]) -> dict[str, Effect]:
    for name in change:
        if not name.strip() or len(name) > NAME_LENGTH_MAX:
            raise InvalidParameter("custom", f"must have names of 1 to {NAME_LENGTH_MAX} characters")
    merged: dict[str, Effect] = {name: effect for name, effect in current.items() if name not in change}
    merged.update((name, effect) for name, effect in change.items() if effect is not None)
    if len(merged) > CUSTOM_MAX:
        raise InvalidParameter("custom", f"must have at most {CUSTOM_MAX} names")
    return dict(sorted(merged.items()))


def _share(field: str, said: float | None, current: float) -> float:
    if said is None:
        return current
    if not 0.0 <= said <= 1.0:
        raise InvalidParameter(field, "must be a number from 0 to 1")
    return said


def of_job(
    mapping: Mapping, status: str, outcome: str | None, metadata: str | None, worth: float | None = None
) -> Signals | None:
    """What a job's outcome says; None is nothing. `worth` is `against` of its value and cost."""
    effect = _job_effect(mapping, status, outcome, metadata)
    if effect == "nothing":
        return None
    satisfaction = None
    if worth is not None and mapping.value_weight > 0.0:
        satisfaction = (1.0 + mapping.value_weight * worth) / 2.0
    return Signals(started=True, completed=effect == "completed", satisfaction=satisfaction)


def of_grade(mapping: Mapping, result: str, iteration: int) -> Signals | None:
    """What a graded outcome says, which ended in this iteration, the first being 0; None is nothing."""
    effect = mapping.results.get(result, _NOTHING)
    if effect == "nothing":
        return None
    done = effect == "completed"
    return Signals(
        started=True, completed=done, satisfaction=mapping.iteration_decay**iteration if done else None
    )


def against(value_nanos: int | None, currency: str | None, cost: State) -> float | None:
    """(value - cost) / (value + cost) of a job, from -1 to 1; None where that cannot be told."""
    if value_nanos is None or cost.unpriced_completions or cost.unpriced_tool_events:
        return None
    if any(code != currency for _, code in cost.cost_nanos):
        return None
    spent, gained = sum(cost.cost_nanos.values()), max(0, value_nanos)
    return (gained - spent) / (gained + spent) if gained + spent else None


def _job_effect(mapping: Mapping, status: str, outcome: str | None, metadata: str | None) -> Effect:
    if outcome is None:
        return mapping.execution_statuses.get(status, _NOTHING)
    if outcome == "CUSTOM" and (name := _custom_name(metadata)) in mapping.custom:
        return mapping.custom[name]
    return mapping.outcome_types.get(outcome, _NOTHING)


class _Named(Struct):
    name: str = msgspec.field(name=CUSTOM_NAME, default="")


_named = msgspec.json.Decoder(_Named)


def _custom_name(metadata: str | None) -> str:
    if not metadata or CUSTOM_NAME not in metadata:
        return ""
    try:
        return _named.decode(metadata).name
    except (msgspec.DecodeError, RecursionError):
        return ""
