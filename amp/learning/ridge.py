"""Fits the population's offsets to what users' own posteriors leave unexplained.

Ridge regression on residual sums for each (context, combination), with one variance for each group of
effects by empirical Bayes: a group that explains nothing shrinks to nothing. Source: learning.md section 1.
"""

from dataclasses import dataclass

import numpy as np

from amp.learning import rows
from amp.learning.approaches import Approaches
from amp.learning.crowd import Crowd
from amp.learning.effects import ANY_OTHER_TASK, PopulationEffects, task_numbers
from amp.learning.prior import POPULATION_DRAWS, paired_normals
from amp.learning.types import LEVELS, Floats, History, Ints

TASK_OUTCOMES_MIN = 200
"""Outcomes that a task type needs before it has effects of its own."""
TASK_TYPES_MAX = 32
"""The commonest ones, so that a published prior stays under 1 MB."""
SWEEPS = 8
"""Of empirical Bayes over the variances of the groups."""
EFFECT_SD = 0.03
"""Of an effect before any outcome, in units of reward: small, so that few outcomes suggest few effects."""
GROUPS = 4
PAIRS, CONTEXTS, TASK_OPTIONS, LEVEL_OPTIONS = range(GROUPS)


@dataclass(frozen=True)
class _Layout:
    """Where the effects stand in theta: pairs, then a shift for each level, then one for each task type."""

    pairs: Floats
    """Shape (count, pair contrasts)."""
    design: Floats
    tasks: int

    @property
    def size(self) -> int:
        return self.pairs.shape[1] + (len(LEVELS) + self.tasks) * self.design.shape[1]

    def columns(self, task: int, level: int) -> Ints:
        """Which effects a row of this context has; the order is that of `[pairs, design, design]`."""
        first, p = self.pairs.shape[1], self.design.shape[1]
        own = np.arange(self.size, dtype=np.int64)
        shifts = own[first:].reshape(-1, p)
        return np.concatenate([own[:first], shifts[level], shifts[len(LEVELS) + task]])

    def groups(self) -> Ints:
        """The group of each effect; -1 for the shifts that are 0 (level not said, any other task type)."""
        options = self.design.shape[1] - 1
        level, task = [CONTEXTS, *[LEVEL_OPTIONS] * options], [CONTEXTS, *[TASK_OPTIONS] * options]
        none = [-1] * (options + 1)
        told = [none, *[level] * (len(LEVELS) - 1), *[task] * (self.tasks - 1), none]
        return np.concatenate([np.full(self.pairs.shape[1], PAIRS), *told])


def offsets(
    crowd: Crowd, residuals: Floats, noise: float, approaches: Approaches, rng: np.random.Generator
) -> PopulationEffects:
    """The offsets that explain these residuals (reward - x'm of the row's user), one a row."""
    hashes = task_types(crowd.history)
    layout = _Layout(approaches.pair_contrasts, approaches.design, len(hashes))
    gram, pull = _sums(crowd, residuals, hashes, layout)
    groups = layout.groups()
    active = groups >= 0
    mean, covariance = _ridge(gram[np.ix_(active, active)] / noise, pull[active] / noise, groups[active])
    versions = np.zeros((1 + POPULATION_DRAWS, layout.size))
    versions[0, active] = mean
    normals = paired_normals(rng, len(mean))
    versions[1:, active] = mean + normals @ np.linalg.cholesky(covariance).T
    first, p = layout.pairs.shape[1], layout.design.shape[1]
    shifts = versions[:, first:].reshape(len(versions), -1, p)
    return PopulationEffects(
        sizes=approaches.sizes,
        design=approaches.design,
        pairs=versions[:, :first] @ layout.pairs.T,
        levels=shifts[:, : len(LEVELS)],
        tasks=shifts[:, len(LEVELS) :],
        hashes=hashes,
    )


def task_types(history: History) -> Ints:
    """The task types with outcomes enough, by hash, ascending, then `ANY_OTHER_TASK`."""
    told, counts = np.unique(history["task_hash"], return_counts=True)
    enough = (counts >= TASK_OUTCOMES_MIN) & (told != 0)
    told, counts = told[enough], counts[enough]
    commonest = told[np.argsort(-counts, kind="stable")[:TASK_TYPES_MAX]]
    return np.append(np.sort(commonest).astype(np.int64), ANY_OTHER_TASK)


def _sums(crowd: Crowd, residuals: Floats, hashes: Ints, layout: _Layout) -> tuple[Floats, Floats]:
    """Phi'W Phi and Phi'Wr over all rows, context by context."""
    history, weights = crowd.history, crowd.weights
    count = len(layout.design)
    level = (history["circumstance"] & rows.LEVEL_MASK).astype(np.int64)
    context = task_numbers(hashes, history["task_hash"]) * len(LEVELS) + level
    cell = context * count + history["combination"]
    contexts = len(hashes) * len(LEVELS)
    mass = np.bincount(cell, weights, contexts * count).reshape(contexts, count)
    told = np.bincount(cell, weights * residuals, contexts * count).reshape(contexts, count)
    phi = np.hstack([layout.pairs, layout.design, layout.design])
    gram, pull = np.zeros((layout.size, layout.size)), np.zeros(layout.size)
    for each in np.flatnonzero(mass.any(axis=1)):
        columns = layout.columns(*divmod(int(each), len(LEVELS)))
        gram[np.ix_(columns, columns)] += phi.T @ (mass[each][:, None] * phi)
        pull[columns] += phi.T @ told[each]
    return gram, pull


def _ridge(gram: Floats, pull: Floats, groups: Ints) -> tuple[Floats, Floats]:
    """Mean and covariance of the effects, their groups' variances by empirical Bayes."""
    sizes = np.bincount(groups, minlength=GROUPS)
    variances = np.full(GROUPS, EFFECT_SD**2)
    mean, covariance = _posterior(gram, pull, variances[groups])
    for _ in range(SWEEPS):
        energy = np.bincount(groups, mean**2 + np.diag(covariance), GROUPS)
        # One effect of the usual size beside the real ones keeps a small group from collapsing for good.
        variances = (energy + EFFECT_SD**2) / (sizes + 1.0)
        mean, covariance = _posterior(gram, pull, variances[groups])
    return mean, covariance


def _posterior(gram: Floats, pull: Floats, variances: Floats) -> tuple[Floats, Floats]:
    covariance = np.linalg.inv(gram + np.diag(1.0 / variances)).astype(np.float64)
    return covariance @ pull, (covariance + covariance.T) / 2.0
