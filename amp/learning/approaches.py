"""Dimensions and their options, and the design that makes every combination a point in R^p."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from amp.learning.types import Floats, Ints


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


@dataclass(frozen=True)
class Approaches:
    """A set of dimensions; a combination is one option of each, numbered in mixed radix (first slowest)."""

    dimensions: tuple[Dimension, ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(dimension.options) for dimension in self.dimensions)

    @cached_property
    def count(self) -> int:
        """How many combinations there are."""
        return int(np.prod(self.sizes))

    @cached_property
    def options_of(self) -> Ints:
        """Option index of every combination in every dimension; shape (count, dimensions)."""
        return np.stack(np.unravel_index(np.arange(self.count), self.sizes), axis=1)

    @cached_property
    def contrasts(self) -> tuple[Floats, ...]:
        """Orthonormal Helmert contrasts of each dimension; shape (options, options - 1) each."""
        return tuple(_helmert(size) for size in self.sizes)

    @cached_property
    def design(self) -> Floats:
        """x(a) = [1, H1[a1], H2[a2], ...] of every combination; shape (count, 1 + sum(options - 1)).

        Source: learning.md section 1.
        """
        columns = [np.ones((self.count, 1))]
        columns += [contrast[self.options_of[:, index]] for index, contrast in enumerate(self.contrasts)]
        return np.ascontiguousarray(np.hstack(columns))

    @cached_property
    def pair_contrasts(self) -> Floats:
        """Products of the contrasts of every two dimensions; shape (count, pair contrasts)."""
        columns = [contrast[self.options_of[:, index]] for index, contrast in enumerate(self.contrasts)]
        pairs = [
            (one[:, :, None] * other[:, None, :]).reshape(self.count, -1)
            for one, other in combinations(columns, 2)
        ]
        return np.hstack([np.zeros((self.count, 0)), *pairs])

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

    def names(self, combination: int) -> tuple[str, ...]:
        """The option names of a combination, one a dimension."""
        return self._names[combination]

    def combination(self, options: tuple[int, ...]) -> int:
        """The number of the combination with these option indices."""
        return int(np.ravel_multi_index(options, self.sizes))


def _helmert(size: int) -> Floats:
    contrast = np.zeros((size, size - 1))
    for column in range(size - 1):
        contrast[: column + 1, column] = 1.0
        contrast[column + 1, column] = -(column + 1.0)
    return contrast / np.linalg.norm(contrast, axis=0)


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
