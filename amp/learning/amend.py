"""What a change makes of a policy, and why it may not: every refusal names the field.

Only what is sent changes. Source: amp.md, Errors, for the refusals; the document is ours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from msgspec import UNSET, Struct, UnsetType, structs

from amp import parse
from amp.errors import InvalidParameter
from amp.learning.dimensions import DimensionSaid, own_dimensions
from amp.learning.document import (
    DIMENSIONS_MAX,
    POINTS_MAX,
    VERSION_MAX,
    Document,
    OwnDimension,
    Place,
)
from amp.learning.layouts import Layout, points_count
from amp.learning.types import Learner, Mode, Policy, Weights

Value = TypeVar("Value")

WEIGHT_MAX = 10.0
TEMPERATURE_MAX = 2.0
SPEED_HALF_LIFE_S_MAX = 30 * 86_400.0


class WeightsSaid(Struct, rename="camel"):
    """Strengths of the signals; one that is left out stays."""

    never_started: float | UnsetType = UNSET
    started: float | UnsetType = UNSET
    completed: float | UnsetType = UNSET
    flow: float | UnsetType = UNSET
    speed: float | UnsetType = UNSET
    speed_half_life: float | UnsetType = UNSET
    """Seconds."""
    satisfaction: float | UnsetType = UNSET


class PolicyChange(Struct, rename="camel"):
    """PUT /v1/policy: only what is sent changes; null is the default where there is one."""

    version: int | UnsetType = UNSET
    """The version that the change is meant for."""
    dimensions: list[DimensionSaid] | UnsetType = UNSET
    weights: WeightsSaid | UnsetType = UNSET
    outcome_window: float | str | UnsetType = UNSET
    """Seconds, or a duration such as 24h."""
    control_share: float | UnsetType = UNSET
    explore_floor: float | UnsetType = UNSET
    decay: float | UnsetType = UNSET
    temperature: float | UnsetType | None = UNSET
    population_temperature: float | UnsetType | None = UNSET
    learner: Learner | UnsetType = UNSET
    mode: Mode | UnsetType = UNSET
    baseline: dict[str, str] | UnsetType | None = UNSET


def amended(current: Document, change: PolicyChange, now_ms: int) -> Document:
    """The next version; the current one when nothing would change.

    Raises:
        InvalidParameter: a value that no policy can have.
    """
    dimensions = current.dimensions
    if not isinstance(change.dimensions, UnsetType):
        dimensions = own_dimensions(change.dimensions, current)
    amendment = structs.replace(
        current,
        policy=_policy(current, change, dimensions, now_ms),
        dimensions=dimensions,
        layouts=_layouts(current, dimensions),
        slots=_slots(current.slots, dimensions, now_ms),
        temperature=_new(change.temperature, current.temperature),
    )
    if amendment == current:
        return current
    if current.version == VERSION_MAX:
        raise InvalidParameter("version", f"{VERSION_MAX:,} is the last that a row can carry")
    numbered = replace(amendment.policy, version=current.version + 1)
    return structs.replace(amendment, policy=numbered, since_ms=now_ms)


def _layouts(current: Document, dimensions: tuple[OwnDimension, ...]) -> tuple[Layout, ...]:
    names = tuple((each.name, each.names) for each in dimensions)
    if names == current.names:
        return current.layouts
    layouts = (*current.layouts, Layout(current.version + 1, names))
    if points_count(names, layouts) > POINTS_MAX:
        what = "with options and dimensions that were removed, as rows may carry any of them"
        raise InvalidParameter("dimensions", f"make more than {POINTS_MAX:,} combinations ({what})")
    return layouts


def _slots(slots: tuple[Place, ...], dimensions: Sequence[OwnDimension], now_ms: int) -> tuple[Place, ...]:
    """A new dimension takes a slot that none ever had, else the unused one that was given longest ago."""
    names = [each.name for each in dimensions]
    taken = list(slots)
    for name in names:
        if any(place.dimension == name for place in taken):
            continue
        if len(taken) < DIMENSIONS_MAX:
            taken.append(Place(name, now_ms))
            continue
        free = [number for number, place in enumerate(taken) if place.dimension not in names]
        taken[min(free, key=lambda number: taken[number].since_ms)] = Place(name, now_ms)
    return tuple(taken)


def _policy(
    current: Document, change: PolicyChange, dimensions: tuple[OwnDimension, ...], now_ms: int
) -> Policy:
    before = current.policy
    mode = _new(change.mode, before.mode)
    temperature = _ranged("temperature", change.temperature, 0.0, TEMPERATURE_MAX)
    return replace(
        _with_window(before, change.outcome_window, now_ms),
        learner=_new(change.learner, before.learner),
        mode=mode,
        frozen_ms=0 if mode != "frozen" else now_ms if before.mode != "frozen" else before.frozen_ms,
        baseline=_baseline(current, change.baseline, dimensions),
        weights=_weights(before.weights, change.weights),
        decay=_new(_ranged("decay", change.decay, 0.5, 1.0), before.decay),
        temperature=_new(temperature, before.temperature),
        population_temperature=_population_temperature(before, change.population_temperature),
        explore_floor=_new(_ranged("exploreFloor", change.explore_floor, 0.0, 1.0), before.explore_floor),
        control_share=_new(_ranged("controlShare", change.control_share, 0.0, 1.0), before.control_share),
    )


def _population_temperature(before: Policy, said: float | UnsetType | None) -> float:
    if said is None:
        return Policy().population_temperature
    said = _ranged("populationTemperature", said, 0.0, TEMPERATURE_MAX)
    return _new(said, before.population_temperature)


def _new(said: Value | UnsetType, before: Value) -> Value:
    return before if isinstance(said, UnsetType) else said


def _ranged(field: str, said: Value, low: float, high: float) -> Value:
    """What was said, a number of it being in this range."""
    if isinstance(said, int | float) and not low <= said <= high:
        raise InvalidParameter(field, f"must be a number from {low:g} to {high:g}")
    return said


def _weights(before: Weights, said: WeightsSaid | UnsetType) -> Weights:
    if isinstance(said, UnsetType):
        return before
    strengths = {
        name: _new(_ranged(f"weights.{wire}", getattr(said, name), -WEIGHT_MAX, WEIGHT_MAX), number)
        for name, wire, number in _strengths(before)
    }
    half_life = _ranged("weights.speedHalfLife", said.speed_half_life, 1.0, SPEED_HALF_LIFE_S_MAX)
    return Weights(**strengths, speed_half_life_s=_new(half_life, before.speed_half_life_s))


def _strengths(weights: Weights) -> Iterable[tuple[str, str, float]]:
    fields = {"never_started": "neverStarted"}
    for name in ("never_started", "started", "completed", "flow", "speed", "satisfaction"):
        yield name, fields.get(name, name), getattr(weights, name)


def _with_window(before: Policy, said: float | str | UnsetType, now_ms: int) -> Policy:
    if isinstance(said, UnsetType):
        return before
    window_ms, earlier_ms = _window_ms(said), before.outcome_window_ms
    if window_ms <= earlier_ms:
        return replace(before, outcome_window_ms=window_ms)
    if now_ms - before.widened_ms < before.earlier_window_ms:  # what was decided before that is not over yet
        earlier_ms = before.earlier_window_ms
    return replace(before, outcome_window_ms=window_ms, widened_ms=now_ms, earlier_window_ms=earlier_ms)


def _window_ms(said: float | str) -> int:
    if not isinstance(said, str):
        seconds = _ranged("outcomeWindow", said, 0.001, parse.DURATION_MS_MAX / 1000)
        return round(seconds * 1000)
    try:
        return parse.duration_ms(said)
    except ValueError as error:
        raise InvalidParameter("outcomeWindow", str(error)) from error


def _baseline(
    current: Document, said: dict[str, str] | UnsetType | None, dimensions: Sequence[OwnDimension]
) -> tuple[int, ...] | None:
    """The option of each dimension; the one that stands is read again by its names."""
    known = {each.name for each in dimensions}
    if isinstance(said, UnsetType):
        said = baseline_named(current)
        if said and said.keys() != known:
            raise InvalidParameter("baseline", "stands for other dimensions: send it too, or null to drop it")
    if said is None:
        return None
    for name in said:
        if name not in known:
            raise InvalidParameter(f"baseline.{name}", "is no dimension")
    chosen: list[int] = []
    for each in dimensions:
        active = [option.name for option in each.options if option.state == "active"]
        if said.get(each.name) not in active:
            raise InvalidParameter(f"baseline.{each.name}", f"must be one of {', '.join(active)}")
        chosen.append(each.names.index(said[each.name]))
    return tuple(chosen)


def baseline_named(document: Document) -> dict[str, str] | None:
    """The operator's own approach by its names."""
    chosen = document.policy.baseline
    if chosen is None:
        return None
    pairs = zip(document.dimensions, chosen, strict=True)
    return {dimension.name: dimension.names[option] for dimension, option in pairs}
