"""What the combination of a row meant when it was decided, in terms of the options that there are now.

Options are only ever added to a dimension, so the orthonormal Helmert contrasts of a layout are a part of
those of every later one: an earlier row is a point of the present design. A dimension that a row's layout did
not have has no option there, and its contrasts are 0.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from amp.learning.types import Floats, History, Ints

Names = tuple[tuple[str, tuple[str, ...]], ...]
"""Dimensions and their options, in the order of their numbers."""


class Layout(NamedTuple):
    """What combinations mean from one version of a policy on."""

    since_version: int
    dimensions: Names


class Points:
    """The combinations that there are, then those of earlier layouts that lack some of their dimensions.

    The last point has no option at all: it stands for a row whose combination its layout has not, which a
    worker meets that does not know the row's policy yet.
    """

    def __init__(self, names: Names, layouts: Sequence[Layout], options_of: Ints) -> None:
        self._names = names
        self._blocks = [options_of]
        self._starts: dict[tuple[int, ...], int] = {tuple(range(len(names))): 0}
        self._size = len(options_of)
        tables = [self._table(layout.dimensions) for layout in layouts]
        self.options: Ints = np.vstack([*self._blocks, np.full((1, len(names)), -1)])
        """Shape (points, dimensions)."""
        self._since = np.array([layout.since_version for layout in layouts])
        self._last = np.array([len(table) for table in tables])
        self._firsts = np.concatenate([[0], np.cumsum(self._last + 1)[:-1]])
        self._places = np.concatenate([place for table in tables for place in (table, [self._size])])

    def of(self, history: History) -> Ints:
        """The point of each row; shape (n,)."""
        layout = np.maximum(self._since.searchsorted(history["policy_version"], "right") - 1, 0)
        within = np.minimum(history["combination"], self._last.take(layout))
        return self._places.take(self._firsts.take(layout) + within)

    def _table(self, layout: Names) -> Ints:
        """The point of each combination of a layout."""
        sizes = [len(options) for _, options in layout]
        was = np.stack(np.unravel_index(np.arange(int(np.prod(sizes))), sizes), axis=1)
        before = {name: (place, options) for place, (name, options) in enumerate(layout)}
        kept = tuple(place for place, (name, _) in enumerate(self._names) if name in before)
        now: list[Ints] = []
        for place in kept:
            name, options = self._names[place]
            column, earlier = before[name]
            now.append(np.array([options.index(option) for option in earlier])[was[:, column]])
        start = self._starts.get(kept)
        if start is None:
            start = self._block(kept)
        if not kept:
            return np.full(len(was), start)
        return start + np.ravel_multi_index(tuple(now), self._sizes(kept))

    def _block(self, kept: tuple[int, ...]) -> int:
        """Makes room for every combination of some of the dimensions; where it starts."""
        sizes = self._sizes(kept)
        block = np.full((int(np.prod(sizes)), len(self._names)), -1)
        if kept:
            block[:, list(kept)] = np.stack(np.unravel_index(np.arange(len(block)), sizes), axis=1)
        start = self._size
        self._blocks.append(block)
        self._starts[kept] = start
        self._size += len(block)
        return start

    def _sizes(self, kept: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(len(self._names[place][1]) for place in kept)


def layout_of(layouts: Sequence[Layout], version: int) -> Names:
    """The layout of the rows of a policy's version."""
    known = [layout.dimensions for layout in layouts if layout.since_version <= version]
    return known[-1] if known else layouts[0].dimensions


def named(layout: Names, combination: int) -> dict[str, str]:
    """A combination's option of each dimension; nothing of one that the layout does not have."""
    sizes = [len(options) for _, options in layout]
    if combination >= math.prod(sizes):
        return {}
    chosen: list[int] = [int(number) for number in np.unravel_index(combination, sizes)]
    return {name: options[number] for (name, options), number in zip(layout, chosen, strict=True)}


def points_count(names: Names, layouts: Sequence[Layout]) -> int:
    """How many points these layouts make, without making them."""
    sizes = {name: len(options) for name, options in names}
    kept = {frozenset(sizes.keys() & dict(layout.dimensions).keys()) for layout in layouts}
    return sum(math.prod(sizes[name] for name in each) for each in kept | {frozenset(sizes)}) + 1


def helmert(size: int) -> Floats:
    """Orthonormal Helmert contrasts of so many options; shape (size, size - 1).

    Those of fewer options are the upper left part of those of more, and 0 in the rows of the later ones.
    """
    contrast = np.zeros((size, size - 1))
    for column in range(size - 1):
        contrast[: column + 1, column] = 1.0
        contrast[column + 1, column] = -(column + 1.0)
    return contrast / np.linalg.norm(contrast, axis=0)
