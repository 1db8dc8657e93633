"""What the population prior would do with somebody of whom nothing is known, context by context."""

from typing import NamedTuple

import numpy as np

from amp.learning.approaches import Approaches
from amp.learning.effects import PopulationEffects
from amp.learning.population import option_design
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


class CrowdBelief(NamedTuple):
    """What is believed of an offered option for everybody; rewards are averaged over other dimensions."""

    option: int
    expected_reward: float
    sd: float
    """Of the population's mean reward with it: how little is known of the crowd."""
    user_sd: float
    """Of one user's expected reward: how users differ, and how little is known of the crowd."""
    probability_best: float
    strength: float
    """As in `Default`."""


def beliefs(prior: Prior, context: Context, approaches: Approaches) -> list[list[CrowdBelief]]:
    """Every offered option of each dimension in this context, in the order of the options."""
    design = option_design(approaches)
    offsets = prior.effects.options(context).T
    shared = design @ np.column_stack([prior.mean, prior.mean_draws.T]) + offsets
    among_users = np.diagonal(design @ np.linalg.inv(prior.precision) @ design.T)
    of_the_mean = shared[:, 1:].var(axis=1)
    told: list[list[CrowdBelief]] = []
    start = 0
    for dimension in approaches.dimensions:
        each = slice(start, start + len(dimension.offered))
        start = each.stop
        highest: Floats = shared[each, 1:].max(axis=0)
        columns = (
            shared[each, 0],
            np.sqrt(of_the_mean[each]),
            np.sqrt(among_users[each] + of_the_mean[each]),
            (shared[each, 1:] == highest).mean(axis=1),
            prior.noise / (among_users[each] + of_the_mean[each]),
        )
        found = zip(dimension.offered, np.column_stack(columns).tolist(), strict=True)
        told.append([CrowdBelief(option, *numbers) for option, numbers in found])
    return told


def defaults(prior: Prior, context: Context, approaches: Approaches) -> list[Default]:
    """The default of each dimension in this context."""
    return [
        _default(dimension, options) for dimension, options in enumerate(beliefs(prior, context, approaches))
    ]


def _default(dimension: int, options: list[CrowdBelief]) -> Default:
    """The first of those that are expected to do best."""
    best, *others = sorted(options, key=lambda each: -each.expected_reward)
    lead = best.expected_reward - others[0].expected_reward if others else 0.0
    return Default(dimension, best.option, best.expected_reward, lead, best.probability_best, best.strength)
