"""A tenant's mapping and how the bridge gets on, as they go out."""

from msgspec import Struct

from amp.bridge.mapping import Effect, Mapping
from amp.clock import iso


class MappingReply(Struct, rename="camel"):
    """GET /v1/bridge: what outcomes and grades say of the decisions that jobs and sessions followed.

    An effect is `completed`, `not_completed` (started, and not completed) or `nothing`.
    """

    version: int
    since: str | None
    """When it was made; null for what everybody begins with."""
    by: str | None
    """The id of the key that made it, or `operator`."""
    why: str | None
    outcome_types: dict[str, Effect]
    execution_statuses: dict[str, Effect]
    """Of an outcome without a type."""
    results: dict[str, Effect]
    """Of graded outcomes."""
    custom: dict[str, Effect]
    """Of CUSTOM outcomes, by the name in their metadata (`amp_outcome`)."""
    iteration_decay: float
    """Satisfaction of a graded outcome that is satisfied: this to the power of its iteration."""
    value_weight: float
    """How far value against cost moves satisfaction; 0 is not at all."""


class StatusReply(Struct, rename="camel"):
    """GET /v1/bridge/status: what there is to carry, and what came of all that was carried."""

    waiting: int
    """Outcomes and grades that are on their way."""
    oldest_age: float | None
    """Seconds that the oldest of them has waited."""
    last_looked: str | None
    """When a bridge last looked; null: never."""
    last_lag: float | None
    """Seconds from an outcome's answer to its effect, of the last that was carried for anybody."""
    taught: int
    """Decisions that a job's outcome or a grade was the first to speak of."""
    filled: int
    """Those that it added something to, or changed by a correction."""
    agreed: int
    """It said what was known."""
    contradictions: int
    """It contradicts what stands, or what gives way to it, or a report of the agent that came after it does:
    kept, and counts in nothing."""
    nothing: int
    """It says nothing by the mapping."""
    replays: int
    """It was carried before."""
    unknown: int
    """Its requestId is none of this tenant's."""
    expired: int
    """The decision is too old, or its user was erased since."""
    full: int
    """Sixteen others speak of the decision."""
    skipped: int
    """Nobody can read it; the log says why."""


def mapping_reply(of: Mapping) -> MappingReply:
    """The mapping as everybody may read it."""
    return MappingReply(
        version=of.version,
        since=iso(of.since_ms) if of.since_ms else None,
        by=of.by or None,
        why=of.why or None,
        outcome_types=of.outcome_types,
        execution_statuses=of.execution_statuses,
        results=of.results,
        custom=of.custom,
        iteration_decay=of.iteration_decay,
        value_weight=of.value_weight,
    )
