"""A policy as it goes out, and what tells two versions of it apart."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from amp.learning.document import OwnDimension
from amp.learning.impact import Impact
from amp.learning.types import Learner, Mode


class WeightsReply(Struct, rename="camel"):
    """Strength of each signal in the reward."""

    never_started: float
    started: float
    completed: float
    flow: float
    speed: float
    speed_half_life: float
    """Seconds."""
    satisfaction: float


class PolicyReply(Struct, rename="camel"):
    """GET /v1/policy: all that is in force; what is sent back of it changes nothing."""

    version: int
    since: str | None
    """When it was made; null for what the operator's settings say."""
    dimensions: tuple[OwnDimension, ...]
    combinations: int
    """How many can be shown."""
    weights: WeightsReply
    outcome_window: float
    """Seconds."""
    control_share: float
    explore_floor: float
    decay: float
    temperature: float | None
    """Share of a user's own uncertainty that a decision draws; null is what self-play finds."""
    population_temperature: float
    """The same of what is uncertain of everybody."""
    learner: Learner
    mode: Mode
    frozen_at: str | None
    baseline: dict[str, str] | None


class Change(Struct, rename={"before": "from", "after": "to"}):
    """One field that would be another; null is "not there"."""

    field: str
    before: Any
    after: Any


class VersionReply(Struct):
    """One version, and how it differs from the one before."""

    version: int
    since: str | None
    changes: list[Change]


class DryRunReply(Struct, rename="camel"):
    """PUT /v1/policy?dryRun=true: what the change would do, which is not done."""

    policy: PolicyReply
    changes: list[Change]
    no_longer_shown: list[str]
    """Options that are offered now, as `dimension.option`."""
    combinations_before: int
    combinations_after: int
    rewards: Impact | None
    """Of a change of weights."""


def changes(before: PolicyReply, after: PolicyReply) -> list[Change]:
    """What is not the same in two versions, field by field; of a dimension that comes or goes, all in one."""
    names = [[each.name for each in policy.dimensions] for policy in (before, after)]
    both = set(names[0]) & set(names[1])
    old, new = dict(_facts(before, both)), dict(_facts(after, both))
    if len(both) == len(names[0]) == len(names[1]) and names[0] != names[1]:
        old["dimensions"], new["dimensions"] = names
    fields = [*old, *(name for name in new if name not in old)]
    return [Change(name, old.get(name), new.get(name)) for name in fields if old.get(name) != new.get(name)]


def no_longer_shown(before: PolicyReply, after: PolicyReply) -> list[str]:
    """Options that were offered and are not any more, as `dimension.option`."""
    still = set(_offered(after))
    return [name for name in _offered(before) if name not in still]


def _offered(policy: PolicyReply) -> list[str]:
    return [
        f"{each.name}.{option.name}"
        for each in policy.dimensions
        for option in each.options
        if option.state == "active"
    ]


def _facts(policy: PolicyReply, both: set[str]) -> Iterator[tuple[str, Any]]:
    told: dict[str, Any] = msgspec.to_builtins(policy)
    del told["version"], told["since"], told["dimensions"]
    weights: dict[str, float] = told.pop("weights")
    for each in policy.dimensions:
        if each.name in both:
            yield from _of_dimension(each)
        else:
            yield f"dimensions.{each.name}", [option.name for option in each.options]
    yield from ((f"weights.{name}", strength) for name, strength in weights.items())
    yield from told.items()


def _of_dimension(dimension: OwnDimension) -> Iterator[tuple[str, str]]:
    yield f"dimensions.{dimension.name}.preference", dimension.preference
    yield f"dimensions.{dimension.name}.confidence", dimension.confidence
    for option in dimension.options:
        yield f"dimensions.{dimension.name}.{option.name}", option.state
