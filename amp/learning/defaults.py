"""What the population prior would do with somebody of whom nothing is known, context by context."""

from typing import NamedTuple

import numpy as np

from amp.learning.approaches import Approaches
from amp.learning.effects import PopulationEffects
from amp.learning.population import population
from amp.learning.prior import Prior
from amp.learning.types import LEVELS, Context, Floats


class Default(NamedTuple):
    """The best option of one dimension; rewards are averaged over the other dimensions."""

    dimension: int
    option: int
    expected_reward: float
    lead: float
    """Expected reward above the runner-up's."""
    probability_best: float
    """Share of the draws of the population's own posterior in which it is the best of its dimension."""
    strength: float
    """s2 / (variance of its expected reward, among users and in the population's mean).

    So many outcomes of a user with this option weigh as much as the population.
    """


def known_contexts(prior: Prior) -> list[Context]:
    """Every context that the prior tells from others; the first is the one of which nothing is said."""
    effects = prior.effects
    if not isinstance(effects, PopulationEffects):
        return [Context()]
    tasks: list[int] = [0, *effects.hashes[:-1].tolist()]  # the last stands for all others, as 0 does
    return [Context(task, level) for task in tasks for level in range(len(LEVELS))]


def defaults(prior: Prior, context: Context, approaches: Approaches) -> list[Default]:
    """The default of each dimension in this context."""
    crowd = population(prior, approaches)
    offsets = prior.effects.options(context).T
    shared = crowd.option_design @ np.column_stack([prior.mean, prior.mean_draws.T]) + offsets
    among_users = crowd.option_design @ np.linalg.inv(prior.precision) @ crowd.option_design.T
    variances = np.diagonal(among_users) + shared[:, 1:].var(axis=1)
    told: list[Default] = []
    for dimension, (start, size) in enumerate(zip(crowd.starts, crowd.sizes, strict=True)):
        own = shared[start : start + size]
        order = np.argsort(-own[:, 0], kind="stable")
        best = int(order[0])
        lead = float(own[best, 0] - own[order[1], 0]) if size > 1 else 0.0
        highest: Floats = own[:, 1:].max(axis=0)
        share = float(np.count_nonzero(own[best, 1:] == highest) / highest.size)
        strength = prior.noise / float(variances[start + best])
        option = approaches.dimensions[dimension].offered[best]
        told.append(Default(dimension, option, float(own[best, 0]), lead, share, strength))
    return told
