"""What goes over the wire and what the caller holds; unknown fields are ignored, so newer servers are fine.

Contract: amp.md. Options are plain strings on purpose: a server that learns a new one breaks nobody.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Required, Self, TypedDict, Unpack

from msgspec import Struct, UnsetType, field
from msgspec.structs import fields

from amp.client.signals import Outcome, Receipt, Reports, Signals
from amp.client.tracking import Track

__all__ = ["Outcome", "Receipt", "Reports", "Signals"]  # of signals.py


class Hints(TypedDict, total=False):
    """What may be said of a task beside its text."""

    complexity: str | None
    """How hard it is: low, medium or high."""
    task_type: str | None
    """Any word: coding, writing."""
    metadata: dict[str, Any] | None
    """`timezone` (IANA name) sets the user's clock."""
    exclude: Mapping[str, Sequence[str]] | None
    """Options, by dimension, that must not be picked this time: `{"encouragement": ["none"]}`."""


class Ask(Hints, total=False):
    """One item of `get_contexts`."""

    user_id: Required[str]
    task: Required[str]


class Changes(TypedDict, total=False):
    """An update of a profile: left out or UNSET leaves a field as it is, None clears it."""

    preferred_framing: str | UnsetType | None
    communication_style: str | UnsetType | None
    complexity_preference: str | UnsetType | None
    encouragement_level: str | UnsetType | None
    preferences: dict[str, str | None]
    """Of a tenant's own dimensions, by the names that its policy gives them."""
    metadata: dict[str, Any] | UnsetType | None
    lock: bool | UnsetType
    """Pins the preferences that are sent with it; false unpins them."""


class OutcomeReceipt(Struct, rename="camel", frozen=True):
    """What became of a report."""

    success: bool
    message: str = ""
    replayed: bool = False
    """The server had this very report already; nothing was counted twice."""


class ContextMetadata(Struct, rename="camel", kw_only=True):
    """How the approach came about."""

    profile_phase: str
    """cold_start, learning or optimised."""
    interaction_count: int = 0
    exploration_mode: bool = False
    dimension_confidence: dict[str, float] = field(default_factory=dict[str, float])
    user_weight: float = 0.0
    group: str | None = None
    """learned or control."""
    policy_version: int | None = None
    degraded: bool = False
    """The server decided without its store: on what holds for everybody."""
    shadow: bool = False
    """The operator's own approach, while amp only watches and learns."""
    fallback: str | None = None
    """None, or why this is the client's fallback and not the server's answer: an error code, lower case."""


class Context(Struct, Generic[Receipt], rename="camel", kw_only=True, dict=True):
    """The approach for one user and task, which knows where its outcome is to be reported."""

    request_id: str
    suggested_framing: str = ""
    communication_style: str = ""
    complexity: str = ""
    encouragement: str = ""
    """These four are empty where the tenant has other dimensions: see `approach`."""
    confidence: float
    rationale: str
    metadata: ContextMetadata

    @property
    def approach(self) -> dict[str, str]:
        """The option of each dimension, whatever the tenant's dimensions are, as the server names them."""
        own: dict[str, str] | None = self.__dict__.get("own")
        return own if own is not None else _stated(self, _DIMENSIONS)

    def of(self, approach: dict[str, str]) -> Self:
        """Say what the dimensions are."""
        self.own = approach  # in the instance's dict, like the client
        return self

    def bind(self, client: Reports[Receipt]) -> Self:
        """Say which client reports the outcome."""
        self._client = client  # in the instance's dict, so that it is no field and never encoded
        return self

    def report(self, *, started: bool, **signals: Unpack[Signals]) -> Receipt:
        """Report the outcome and wait for the answer (an AsyncAMP's context: `await` it)."""
        return self._client.report_outcome(self.request_id, started=started, **signals)

    def report_background(self, *, started: bool, **signals: Unpack[Signals]) -> bool:
        """Queue the outcome and return at once; false when it was not queued."""
        return self._client.report_outcome_background(self.request_id, started=started, **signals)

    def track(self, clock: Callable[[], float] = time.monotonic) -> Track[Receipt]:
        """Watch what the user does from now on, and have it reported as this context's outcome."""
        return Track(self._client, self.request_id, clock)

    def report_later(self, delay_s: float, ask: Callable[[], Any]) -> None:
        """After `delay_s`, ask for the accurate report: see the client's `report_outcome_later`."""
        self._client.report_outcome_later(self.request_id, delay_s, ask)


class HourPattern(Struct, rename="camel"):
    """One hour (0 to 23) of the user's day."""

    hour: int
    interactions: int
    completion_rate: float


class OptionPosterior(Struct, rename="camel"):
    """What is believed of one option; the means are expected rewards, 0 to 1."""

    option: str
    mean: float
    sd: float
    probability_best: float
    population_mean: float
    population_sd: float


class DimensionPosterior(Struct, rename="camel"):
    """One dimension and its options."""

    dimension: str
    options: list[OptionPosterior]


class Posterior(Struct, rename="camel", kw_only=True):
    """What is believed of every option for one user, beside the population."""

    user_id: str
    total_interactions: int
    user_weight: float
    dimensions: list[DimensionPosterior]
    prior_version: int | None = None
    policy_version: int | None = None


class Profile(Struct, rename="camel", kw_only=True, dict=True):
    """What is set and what was learned of a user."""

    user_id: str
    preferred_framing: str = ""
    communication_style: str = ""
    complexity_preference: str = ""
    encouragement_level: str = ""
    """These four are empty where the tenant has other dimensions: see `preferences`."""
    total_interactions: int
    completion_rate: float = 0.0
    average_time_to_start: float | None = None
    """Seconds."""
    flow_state_frequency: float = 0.0
    framing_confidence: float = 0.0
    style_confidence: float = 0.0
    complexity_confidence: float = 0.0
    encouragement_confidence: float = 0.0
    task_type_affinities: dict[str, float] = field(default_factory=dict[str, float])
    """Completion rate by task type."""
    time_of_day_patterns: list[HourPattern] = field(default_factory=list[HourPattern])
    locked: list[str] = field(default_factory=list[str])
    """The preferences that are pinned."""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    created_at: datetime | None = None
    last_updated: datetime | None = None
    profile_version: str = ""

    @property
    def preferences(self) -> dict[str, str]:
        """The option of each dimension, stated or else learned, by the name of its preference."""
        own: dict[str, str] | None = self.__dict__.get("own")
        return own if own is not None else _stated(self, _PREFERENCES)

    def of(self, preferences: dict[str, str]) -> Self:
        """Say what the preferences are."""
        self.own = preferences  # in the instance's dict, so that it is no field and never encoded
        return self


_DIMENSIONS = ("suggested_framing", "communication_style", "complexity", "encouragement")
_PREFERENCES = ("preferred_framing", "communication_style", "complexity_preference", "encouragement_level")


def _stated(struct: Struct, names: tuple[str, ...]) -> dict[str, str]:
    wire = {each.name: each.encode_name for each in fields(struct)}
    return {wire[name]: option for name in names if (option := getattr(struct, name))}


def other_strings(told: dict[str, Any], kind: type[Struct], *, than: tuple[str, ...]) -> dict[str, str]:
    """The texts of an answer that are no fixed field of it: a tenant's own dimensions."""
    fixed = {each.encode_name for each in fields(kind) if each.name not in than}
    return {name: value for name, value in told.items() if name not in fixed and isinstance(value, str)}


def approach_in(told: dict[str, Any]) -> dict[str, str]:
    return other_strings(told, Context, than=_DIMENSIONS)


def preferences_in(told: dict[str, Any]) -> dict[str, str]:
    return other_strings(told, Profile, than=_PREFERENCES)
