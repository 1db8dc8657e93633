"""A tenant's policy as a document: what is in force, and what it was, kept whole in every version.

Options are only ever added to a dimension and never renumbered, because rows carry their numbers; one that is
no longer wanted is paused or retired. A dimension that is removed keeps its options for when it comes back.
"""

from typing import Literal

import msgspec

from amp.learning.approaches import PUBLISHED, Approaches, Dimension, Slot
from amp.learning.layouts import Layout
from amp.learning.types import Policy

State = Literal["active", "paused", "retired"]
VERSION_MAX = 65_535
"""A row keeps the version in 16 bits."""
DIMENSIONS_MAX = 12
OPTIONS_MIN, OPTIONS_MAX = 2, 64
OFFERED_MAX = 4_096
POINTS_MAX = 1 << 16
"""Combinations that were ever offered, those of removed dimensions included; a row has 16 bits for one."""


class Option(msgspec.Struct, frozen=True):
    """One way of doing it."""

    name: str
    state: State = "active"


class OwnDimension(msgspec.Struct, frozen=True):
    """A dimension with its options in the order in which they came."""

    name: str
    preference: str
    confidence: str
    options: tuple[Option, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(option.name for option in self.options)


class Place(msgspec.Struct, frozen=True):
    """Which dimension has a record's slot for preferences, or had it last, and since when."""

    dimension: str
    since_ms: int = 0


class Document(msgspec.Struct, frozen=True):
    """One version of a tenant's policy; its number is the policy's."""

    policy: Policy
    """Its baseline numbers the options of `dimensions`, in their order."""
    dimensions: tuple[OwnDimension, ...]
    layouts: tuple[Layout, ...]
    """Every layout that a row of the tenant may have, the last being that of `dimensions`."""
    slots: tuple[Place, ...]
    temperature: float | None = None
    """As it was said; None leaves it to the learner."""
    since_ms: int = 0

    @property
    def version(self) -> int:
        return self.policy.version

    @property
    def names(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((each.name, each.names) for each in self.dimensions)


def first(policy: Policy) -> Document:
    """What holds for a tenant that never said anything: the dimensions of the contract."""
    dimensions = tuple(
        OwnDimension(each.name, each.preference, each.confidence, tuple(map(Option, each.options)))
        for each in PUBLISHED.dimensions
    )
    layout = Layout(1, PUBLISHED.layout)
    return Document(policy, dimensions, (layout,), tuple(Place(each.name) for each in dimensions))


def approaches(
    dimensions: tuple[OwnDimension, ...], layouts: tuple[Layout, ...], slots: tuple[Place, ...]
) -> Approaches:
    """What the decisions of a document with these choose from."""
    own = tuple(
        Dimension(
            each.name,
            each.preference,
            each.confidence,
            each.names,
            tuple(number for number, option in enumerate(each.options) if option.state != "active"),
        )
        for each in dimensions
    )
    if own == PUBLISHED.dimensions and len(layouts) == 1:
        return PUBLISHED
    number = {place.dimension: number for number, place in enumerate(slots)}
    return Approaches(
        own,
        layouts if len(layouts) > 1 else (),
        tuple(Slot(number[each.name], slots[number[each.name]].since_ms) for each in own),
    )


def offered_count(dimensions: tuple[OwnDimension, ...]) -> int:
    """How many combinations can be shown."""
    count = 1
    for each in dimensions:
        count *= sum(option.state == "active" for option in each.options)
    return count


def encode(document: Document) -> bytes:
    return msgspec.json.encode(document)


def decode(data: bytes) -> Document:
    """The document as it was encoded.

    Raises:
        ValueError: it was not.
    """
    return msgspec.json.decode(data, type=Document)
