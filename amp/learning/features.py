"""What the population's expectation is linear in: options, their pairs, and what a context shifts.

A row of features is f(c, a) = [x(a), pairs(a), x(a) in the block of its level, x(a) in the block of its
task type]; a level that was not said and a task type that is not known have none.
Source: learning.md section 1.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from amp.learning import rows
from amp.learning.approaches import Approaches
from amp.learning.effects import ANY_OTHER_TASK, PopulationEffects, assembled, task_numbers
from amp.learning.types import LEVELS, Floats, History, Ints

TASK_OUTCOMES_MIN = 20
"""Outcomes that a task type needs before it has effects of its own; with few they stay near 0."""
TASK_TYPES_MAX = 32
"""The commonest ones, so that a published prior stays under 1 MB."""
MEAN, OPTIONS, PAIRS, CONTEXTS, CONTEXT_OPTIONS = range(5)
"""Groups of coefficients that share a variance."""
GROUPS = 5


@dataclass(frozen=True)
class Features:
    """Which coefficient stands where."""

    approaches: Approaches
    hashes: Ints
    """Task types with a block, by hash, ascending, then `ANY_OTHER_TASK`, which has none."""

    @property
    def p(self) -> int:
        return self.approaches.design.shape[1]

    @property
    def fixed(self) -> int:
        """Coefficients that every context has."""
        return self.p + self.approaches.pair_contrasts.shape[1]

    @property
    def blocks(self) -> int:
        """Shifts: one for each level that can be said, then one for each known task type."""
        return len(LEVELS) - 1 + len(self.hashes) - 1

    @property
    def size(self) -> int:
        return self.fixed + self.blocks * self.p

    @cached_property
    def dimensions(self) -> Ints:
        """The dimension of each of a user's own coefficients, from 1; 0 is the intercept; shape (p,)."""
        sizes = [1, *(size - 1 for size in self.approaches.sizes)]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def everywhere(self) -> Floats:
        """[x, pairs] of every point; shape (points, fixed)."""
        return np.hstack([self.approaches.design, self.approaches.pair_contrasts])

    @cached_property
    def groups(self) -> Ints:
        """The group of each coefficient; shape (size,)."""
        shift = [CONTEXTS, *[CONTEXT_OPTIONS] * (self.p - 1)]
        pairs = self.fixed - self.p
        return np.array([MEAN, *[OPTIONS] * (self.p - 1), *[PAIRS] * pairs, *shift * self.blocks])

    def contexts(self, history: History) -> Ints:
        """The number of each row's context: task type times levels, plus level; shape (n,)."""
        level = (history["circumstance"] & rows.LEVEL_MASK).astype(np.int64)
        return task_numbers(self.hashes, history["task_hash"]) * len(LEVELS) + level

    def shifts(self, context: int) -> list[slice]:
        """Where the blocks of a context stand."""
        task, level = divmod(context, len(LEVELS))
        numbers = [level - 1] * (level > 0)
        numbers += [len(LEVELS) - 1 + task] * (task < len(self.hashes) - 1)
        return [slice(self.fixed + n * self.p, self.fixed + (n + 1) * self.p) for n in numbers]

    def columns(self, context: int) -> Ints:
        """Which coefficients a context has, in the order of `compact`."""
        every = np.arange(self.size, dtype=np.int64)
        return np.concatenate([every[: self.fixed], *(every[block] for block in self.shifts(context))])

    def compact(self, context: int) -> Floats:
        """Features of every point in a context, without the columns that are 0."""
        return np.hstack([self.everywhere, *[self.approaches.design for _ in self.shifts(context)]])

    def effects(self, versions: Floats) -> PopulationEffects:
        """What these coefficients, of shape (versions, size), add beside the mean of users."""
        shifts = versions[:, self.fixed :].reshape(len(versions), self.blocks, self.p)
        none, levels = np.zeros((len(versions), 1, self.p)), len(LEVELS) - 1
        by_level = np.concatenate([none, shifts[:, :levels]], axis=1)
        by_task = np.concatenate([shifts[:, levels:], none], axis=1)
        theta = versions[:, self.p : self.fixed]
        return assembled(
            self.approaches, theta, (by_level, by_task), self.hashes, own=not self.approaches.plain
        )


def features(history: History, approaches: Approaches) -> Features:
    """The features that these rows can teach."""
    told, counts = np.unique(history["task_hash"], return_counts=True)
    enough = (counts >= TASK_OUTCOMES_MIN) & (told != 0)
    told, counts = told[enough], counts[enough]
    commonest = told[np.argsort(-counts, kind="stable")[:TASK_TYPES_MAX]]
    return Features(approaches, np.append(np.sort(commonest).astype(np.int64), ANY_OTHER_TASK))
