"""Dimensions and their options, and the design that makes every combination a point in R^p."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from amp.learning.layouts import Layout, Names, Points, helmert, layout_of, named
from amp.learning.types import Floats, History, Ints, Preference
from amp.learning.wire import (
    ContextReply,
    ProfileChange,
    ProfileReply,
    context_reply,
    profile_change,
    profile_reply,
)

PAIR_CONTRASTS_MAX = 1024
"""Beyond it pairs of options are not modelled: their fit would take minutes."""


@dataclass(frozen=True)
class Dimension:
    """One thing that can be varied. Names are those of the wire."""

    name: str
    """In the answer of POST /v1/context."""
    preference: str
    """In the profile."""
    confidence: str
    """In the profile and in `dimensionConfidence`."""
    options: tuple[str, ...]
    """Every option that ever was, in the order in which they came: their numbers stand in rows."""
    closed: tuple[int, ...] = ()
    """The options that are not offered: paused or retired."""

    @cached_property
    def offered(self) -> tuple[int, ...]:
        return tuple(number for number in range(len(self.options)) if number not in self.closed)


class Slot(NamedTuple):
    """Where a user's record keeps the preference of a dimension."""

    number: int
    since_ms: int = 0
    """What was stated before then is of another dimension, which had the slot."""


@dataclass(frozen=True)
class Approaches:
    """A set of dimensions; a combination is one option of each, numbered in mixed radix (first slowest).

    A tenant whose dimensions have changed has more than these: the layouts under which earlier rows were
    decided, and options that are no longer offered. Then a row's place in `design` is its point.
    """

    dimensions: tuple[Dimension, ...]
    layouts: tuple[Layout, ...] = ()
    """Every layout that a row may have, the last being this one; none when there never was another."""
    slots: tuple[Slot, ...] = ()
    """One a dimension, where it is not simply the dimension's number."""

    @cached_property
    def plain(self) -> bool:
        """Nothing has ever changed: a row's combination is its place in `design`."""
        return not (self.layouts or self.slots or any(each.closed for each in self.dimensions))

    @cached_property
    def layout(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The names of the dimensions and of their options."""
        return tuple((each.name, each.options) for each in self.dimensions)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(dimension.options) for dimension in self.dimensions)

    @cached_property
    def offered_sizes(self) -> tuple[int, ...]:
        """How many options each dimension offers."""
        return tuple(len(dimension.offered) for dimension in self.dimensions)

    @cached_property
    def offered(self) -> Ints:
        """The combinations of offered options, ascending."""
        chosen = np.ix_(*(dimension.offered for dimension in self.dimensions))
        return np.arange(self.count).reshape(self.sizes)[chosen].ravel()

    @cached_property
    def count(self) -> int:
        """How many combinations there are, whether offered or not."""
        return int(np.prod(self.sizes))

    @cached_property
    def options_of(self) -> Ints:
        """Option index of every combination in every dimension; shape (count, dimensions)."""
        return np.stack(np.unravel_index(np.arange(self.count), self.sizes), axis=1)

    @cached_property
    def contrasts(self) -> tuple[Floats, ...]:
        """Orthonormal Helmert contrasts of each dimension; shape (options, options - 1) each."""
        return tuple(helmert(size) for size in self.sizes)

    @cached_property
    def _points(self) -> Points:
        return Points(self.layout, self.layouts, self.options_of)

    @cached_property
    def options_at(self) -> Ints:
        """Option of every point in every dimension, -1 where it has none; shape (points, dimensions)."""
        return self._points.options if self.layouts else self.options_of

    @cached_property
    def design(self) -> Floats:
        """x(a) = [1, H1[a1], H2[a2], ...] of every point; shape (points, 1 + sum(options - 1)).

        The points are the combinations, then those of earlier layouts that had not all of these dimensions:
        the contrasts of one that was not there are 0. Source: learning.md section 1.
        """
        columns = [np.ones((len(self.options_at), 1))]
        columns += [
            np.vstack([contrast, np.zeros(contrast.shape[1])])[self.options_at[:, index]]
            for index, contrast in enumerate(self.contrasts)
        ]
        return np.ascontiguousarray(np.hstack(columns))

    def points(self, history: History) -> Ints:
        """The place of each row's combination in `design`; shape (n,)."""
        return self._points.of(history) if self.layouts else history["combination"]

    def stated(self, preferences: Sequence[Preference | None]) -> tuple[Preference | None, ...]:
        """The preferences of a record that have an effect now, one a dimension; empty when there is none.

        One for an option that is not offered waits until it is.
        """
        if not (self.slots and preferences):
            return tuple(preferences[: len(self.sizes)])
        found = [self._stated(preferences, index) for index in range(len(self.sizes))]
        return tuple(found) if any(found) else ()

    def _stated(self, preferences: Sequence[Preference | None], index: int) -> Preference | None:
        slot, dimension = self.slots[index], self.dimensions[index]
        preference = preferences[slot.number] if slot.number < len(preferences) else None
        if preference is None or preference.since_ms < slot.since_ms:
            return None
        return preference if preference.option in dimension.offered else None

    def slot(self, index: int) -> int:
        """Where a record keeps the preference of this dimension."""
        return self.slots[index].number if self.slots else index

    @cached_property
    def pair_blocks(self) -> tuple[tuple[int, int, slice], ...]:
        """Which two dimensions have which of the pairs' contrasts; none when those are too many."""
        blocks: list[tuple[int, int, slice]] = []
        start = 0
        for one, other in combinations(range(len(self.sizes)), 2):
            end = start + (self.sizes[one] - 1) * (self.sizes[other] - 1)
            blocks.append((one, other, slice(start, end)))
            start = end
        return tuple(blocks) if start <= PAIR_CONTRASTS_MAX else ()

    @cached_property
    def pair_contrasts(self) -> Floats:
        """Products of the contrasts of every two dimensions; shape (points, pair contrasts)."""
        columns = [
            np.vstack([contrast, np.zeros(contrast.shape[1])])[self.options_at[:, index]]
            for index, contrast in enumerate(self.contrasts)
        ]
        count = len(self.options_at)
        pairs = [
            (columns[one][:, :, None] * columns[other][:, None, :]).reshape(count, -1)
            for one, other, _ in self.pair_blocks
        ]
        return np.hstack([np.zeros((count, 0)), *pairs])

    @cached_property
    def confidence_names(self) -> tuple[str, ...]:
        return tuple(dimension.confidence for dimension in self.dimensions)

    @cached_property
    def _names(self) -> list[tuple[str, ...]]:
        columns = [
            np.array(dimension.options, dtype=object)[self.options_of[:, index]].tolist()
            for index, dimension in enumerate(self.dimensions)
        ]
        return list(zip(*columns, strict=True))

    @cached_property
    def reply(self) -> Callable[..., ContextReply]:
        """Makes the answer of POST /v1/context, with these dimensions."""
        return context_reply(tuple(each.name for each in self.dimensions))

    @cached_property
    def profile_reply(self) -> type[ProfileReply]:
        """A profile, with these dimensions."""
        return profile_reply(tuple(each.preference for each in self.dimensions), self.confidence_names)

    @cached_property
    def profile_change(self) -> type[ProfileChange]:
        """A profile's update, whose first fields are the preferences."""
        return profile_change(tuple(each.preference for each in self.dimensions))

    def told(self, version: int, combination: int) -> dict[str, str]:
        """What a row's combination was called when it was decided, by dimension."""
        return named(self.layout_at(version), combination)

    def layout_at(self, version: int) -> Names:
        """The names of the dimensions and options of the rows of a policy's version."""
        return layout_of(self.layouts, version) if self.layouts else self.layout

    def names(self, combination: int) -> tuple[str, ...]:
        """The option names of a combination, one a dimension."""
        return self._names[combination]

    def combination(self, options: tuple[int, ...]) -> int:
        """The number of the combination with these option indices."""
        return int(np.ravel_multi_index(options, self.sizes))


PUBLISHED = Approaches(
    (
        Dimension(
            "suggestedFraming",
            "preferredFraming",
            "framingConfidence",
            ("achievement", "learning", "micro_task", "challenge"),
        ),
        Dimension(
            "communicationStyle",
            "communicationStyle",
            "styleConfidence",
            ("brief_directive", "detailed_explanatory", "conversational", "technical"),
        ),
        Dimension(
            "complexity",
            "complexityPreference",
            "complexityConfidence",
            ("full_solution", "break_into_steps", "hints_only", "high_level"),
        ),
        Dimension(
            "encouragement",
            "encouragementLevel",
            "encouragementConfidence",
            ("high", "moderate", "minimal", "none"),
        ),
    )
)
"""The four dimensions of the contract. Source: amp.md, POST /v1/context."""
