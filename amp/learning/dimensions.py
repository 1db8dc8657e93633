"""A tenant's own dimensions, as they are sent: checked, and laid over those that there were.

Every refusal names the field, as in `dimensions[1].options`.
"""

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import fields

from amp.errors import InvalidParameter
from amp.learning.approaches import PUBLISHED
from amp.learning.document import (
    DIMENSIONS_MAX,
    OFFERED_MAX,
    OPTIONS_MAX,
    OPTIONS_MIN,
    Document,
    Option,
    OwnDimension,
    State,
    offered_count,
)
from amp.learning.wire import ContextReply, ProfileChange, ProfileReply

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class OptionSaid(Struct):
    """An option; where it is active its name alone will do."""

    name: str
    state: State = "active"


class DimensionSaid(Struct):
    """A dimension with all its options; the names of its preference and confidence may be left out."""

    name: str
    options: list[str | OptionSaid]
    preference: str | None = None
    confidence: str | None = None


def _encoded_names(*kinds: type[Struct]) -> set[str]:
    return {each.encode_name for kind in kinds for each in fields(kind)}


# "error": an item of a batch that has it is a refusal.
_OF_REPLY = _encoded_names(ContextReply) - {each.name for each in PUBLISHED.dimensions} | {"error"}
_OF_PROFILE = _encoded_names(ProfileReply, ProfileChange) - {
    name for each in PUBLISHED.dimensions for name in (each.preference, each.confidence)
}


def own_dimensions(said: Sequence[DimensionSaid], current: Document) -> tuple[OwnDimension, ...]:
    """The dimensions from now on, with every option that they ever had.

    Raises:
        InvalidParameter: they are none that a policy can have.
    """
    if not 1 <= len(said) <= DIMENSIONS_MAX:
        raise InvalidParameter("dimensions", f"must be 1 to {DIMENSIONS_MAX}")
    now = {each.name: each for each in current.dimensions}
    ever = {name: options for layout in current.layouts for name, options in layout.dimensions}
    dimensions = tuple(
        _dimension(f"dimensions[{place}]", each, now.get(each.name), ever.get(each.name, ()))
        for place, each in enumerate(said)
    )
    _check_names(dimensions)
    count = offered_count(dimensions)
    if count > OFFERED_MAX:
        raise InvalidParameter(
            "dimensions", f"make {count:,} combinations of active options; {OFFERED_MAX:,} is the most"
        )
    return dimensions


def _dimension(
    field: str, said: DimensionSaid, now: OwnDimension | None, ever: Sequence[str]
) -> OwnDimension:
    _check_name(f"{field}.name", said.name)
    options = [OptionSaid(each) if isinstance(each, str) else each for each in said.options]
    states = _states(f"{field}.options", options)
    if now is not None:
        for name in now.names:
            if name not in states:
                reason = f"must keep {name!r}, for rows speak of it: give it the state retired or paused"
                raise InvalidParameter(f"{field}.options", reason)
    names = [*ever, *(each.name for each in options if each.name not in ever)]
    if not OPTIONS_MIN <= len(names) <= OPTIONS_MAX:
        raise InvalidParameter(
            f"{field}.options", f"must be {OPTIONS_MIN} to {OPTIONS_MAX}, retired ones among them"
        )
    if "active" not in states.values():
        raise InvalidParameter(f"{field}.options", "must have one that is active")
    preference, confidence = _profile_names(field, said, now)
    return OwnDimension(
        said.name, preference, confidence, tuple(Option(name, states.get(name, "retired")) for name in names)
    )


def _profile_names(field: str, said: DimensionSaid, now: OwnDimension | None) -> tuple[str, str]:
    preference, confidence = said.preference, said.confidence
    if preference is None:
        preference = now.preference if now else f"preferred{said.name[:1].upper()}{said.name[1:]}"
    if confidence is None:
        confidence = now.confidence if now else f"{said.name}Confidence"
    _check_name(f"{field}.preference", preference)
    _check_name(f"{field}.confidence", confidence)
    return preference, confidence


def _states(field: str, options: Sequence[OptionSaid]) -> dict[str, State]:
    states: dict[str, State] = {}
    for place, option in enumerate(options):
        _check_name(f"{field}[{place}].name", option.name)
        if option.name in states:
            raise InvalidParameter(field, f"name {option.name!r} twice")
        states[option.name] = option.state
    return states


def _check_name(field: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidParameter(field, "must be 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'")


def _check_names(dimensions: Sequence[OwnDimension]) -> None:
    """In an answer no field may have two meanings."""
    _unique([(f"dimensions[{place}].name", each.name) for place, each in enumerate(dimensions)], _OF_REPLY)
    _unique(
        [
            (f"dimensions[{place}].{field}", name)
            for place, each in enumerate(dimensions)
            for field, name in (("preference", each.preference), ("confidence", each.confidence))
        ],
        _OF_PROFILE,
    )


def _unique(named: Sequence[tuple[str, str]], reserved: set[str]) -> None:
    seen: set[str] = set()
    for field, name in named:
        if name in reserved:
            raise InvalidParameter(field, f"{name!r} is a field of every answer")
        if name in seen:
            raise InvalidParameter(field, f"{name!r} is there already")
        seen.add(name)
