"""What the room's calls carry: requests as they may come in, answers as they go out.

Contract: amp.md. Names are the wire's in camelCase; unknown fields are ignored, null is "left out".
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, defstruct
from msgspec.structs import fields

Kind = TypeVar("Kind", bound=Struct)


class ContextRequest(Struct, rename="camel"):
    """POST /v1/context."""

    user_id: str
    task: str
    complexity: Literal["low", "medium", "high"] | None = None
    task_type: str | None = None
    metadata: dict[str, Any] | None = None
    exclude: dict[str, list[str]] | None = None
    """Options, by dimension, that must not be picked this time."""


Phase = Literal["cold_start", "learning", "optimised"]


class ContextMetadata(Struct, rename="camel", omit_defaults=True):
    """How the answer came about."""

    profile_phase: Phase
    interaction_count: int
    exploration_mode: bool
    dimension_confidence: dict[str, float]
    user_weight: float
    group: Literal["learned", "control"]
    policy_version: int
    degraded: bool = False
    """Sent only when true: the store did not answer in time and the prior stood in."""
    shadow: bool = False
    """Sent only when true: the operator's baseline is served, while what amp would have picked is logged."""


class ContextReply(Struct, rename="camel"):
    """The approach to take with this user and task."""

    request_id: str
    suggested_framing: str
    communication_style: str
    complexity: str
    encouragement: str
    confidence: float
    rationale: str
    metadata: ContextMetadata


class OutcomeReport(Struct, rename="camel"):
    """POST /v1/outcome."""

    request_id: str
    started: bool
    completed: bool | None = None
    time_to_start: float | None = None
    final: bool | None = None
    step: int | None = None
    flow_state: bool | None = None
    satisfaction: float | None = None
    metadata: dict[str, Any] | None = None


class OutcomeReply(Struct):
    """Sent only after the store has the outcome."""

    success: bool = True
    message: str = "Outcome reported successfully"


class ProfileChange(Struct, rename="camel"):
    """PUT /v1/profile/{userId}: only what is sent changes, null clears."""

    preferred_framing: str | UnsetType | None = UNSET
    communication_style: str | UnsetType | None = UNSET
    complexity_preference: str | UnsetType | None = UNSET
    encouragement_level: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | None = None
    lock: bool | None = None


class HourPattern(Struct, rename="camel"):
    """What happened in one hour of the user's day."""

    hour: int
    interactions: int
    completion_rate: float


class ProfileReply(Struct, rename="camel"):
    """What is known of a user."""

    user_id: str
    preferred_framing: str
    communication_style: str
    complexity_preference: str
    encouragement_level: str
    total_interactions: int
    completion_rate: float
    average_time_to_start: float | None
    flow_state_frequency: float
    framing_confidence: float
    style_confidence: float
    complexity_confidence: float
    encouragement_confidence: float
    task_type_affinities: dict[str, float]
    time_of_day_patterns: list[HourPattern]
    locked: list[str]
    metadata: dict[str, Any]
    created_at: str
    last_updated: str
    profile_version: str


class OptionReply(Struct, rename="camel"):
    """One option in the eyes of this user's posterior."""

    option: str
    mean: float
    sd: float
    probability_best: float
    population_mean: float
    population_sd: float


class DimensionReply(Struct, rename="camel"):
    dimension: str
    options: list[OptionReply]


class PosteriorReply(Struct, rename="camel"):
    """GET /v1/profile/{userId}/posterior."""

    user_id: str
    total_interactions: int
    user_weight: float
    prior_version: int
    policy_version: int
    dimensions: list[DimensionReply]


class InteractionReply(Struct, rename="camel"):
    """One row of the history, or one outcome of the log whose row is no longer kept."""

    decided_at: str
    reported_at: str
    approach: dict[str, str]
    task_type: str | None
    complexity: str | None
    hour: int
    started: bool
    completed: bool | None
    time_to_start: float | None
    flow_state: bool | None
    satisfaction: float | None
    final: bool
    step: int
    group: str
    exploration_mode: bool
    policy_version: int
    prior_version: int
    metadata: dict[str, Any] | None
    said_by: list[str]
    """`agent` (its own report), `bridge` (a job's outcome or a grade), or both."""


class ExportReply(Struct, rename="camel"):
    """GET /v1/profile/{userId}/export: all that is kept of a user."""

    profile: ProfileReply
    interactions: list[InteractionReply]
    contradictions: list[InteractionReply]
    """What contradicted what stands, by `agent`, `business` or `graded`, and counts in nothing."""


class Items(Struct):
    """The body of a batch call; each item is judged by itself."""

    items: list[msgspec.Raw]


_DIMENSIONS = ("suggested_framing", "communication_style", "complexity", "encouragement")
_PREFERENCES = ("preferred_framing", "communication_style", "complexity_preference", "encouragement_level")
_CONFIDENCES = (
    "framing_confidence",
    "style_confidence",
    "complexity_confidence",
    "encouragement_confidence",
)


@lru_cache(maxsize=256)
def context_reply(names: tuple[str, ...]) -> type[ContextReply]:
    """`ContextReply` with these dimensions in the place of the four."""
    return _with(ContextReply, (_DIMENSIONS, names))


@lru_cache(maxsize=256)
def profile_reply(preferences: tuple[str, ...], confidences: tuple[str, ...]) -> type[ProfileReply]:
    """`ProfileReply` with these dimensions in the place of the four."""
    return _with(ProfileReply, (_PREFERENCES, preferences), (_CONFIDENCES, confidences))


@lru_cache(maxsize=256)
def profile_change(preferences: tuple[str, ...]) -> type[ProfileChange]:
    """`ProfileChange` with these dimensions in the place of the four, before all else."""
    return _with(ProfileChange, (_PREFERENCES, preferences))


def _with(kind: type[Kind], *swaps: tuple[Sequence[str], Sequence[str]]) -> type[Kind]:
    """The struct with fields for these names where it has others.

    They are numbered inside, because a dimension may be called as no attribute can be.
    """
    told: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for each in fields(kind):
        swap = next((swap for swap in swaps if each.name in swap[0]), None)
        own = {each.name: each.encode_name}
        if swap is not None:
            first = each.name == swap[0][0]
            own = {f"{each.name}_{place}": name for place, name in enumerate(swap[1])} if first else {}
        names |= own
        default = {} if each.required else {"default": each.default}
        told += [(attribute, each.type, msgspec.field(**default)) for attribute in own]
    same = list(names.values()) == [each.encode_name for each in fields(kind)]
    own_kind: Any = kind if same else defstruct(kind.__name__, told, rename=names)
    return own_kind
