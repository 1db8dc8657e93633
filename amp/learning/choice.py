"""Draws to an approach: two-level Thompson sampling with a uniform floor, and how sure it is.

Every draw is a function of the ask's nonce, so a decision can be made again, alone or in any batch, to the
bit. Source: learning.md section 1, "Decide, with two temperatures", Floor, Confidence, Control group.
"""

from collections.abc import Sequence

import numpy as np

from amp.learning import draws
from amp.learning.approaches import Approaches
from amp.learning.population import Population, population
from amp.learning.posterior import Posteriors, option_draws, posteriors
from amp.learning.preference import tilt
from amp.learning.prior import POPULATION_DRAWS, Prior
from amp.learning.types import Ask, Choice, Context, Floats, Policy

_FLOOR, _FLOOR_PICK, _POPULATION_DRAW, _NORMALS = range(4)  # what each uniform of a nonce decides


def choose(asks: Sequence[Ask], prior: Prior, policy: Policy, approaches: Approaches) -> list[Choice]:
    """One decision for each ask; each is the same, to the bit, alone and in any batch."""
    if not asks:
        return []
    crowd = population(prior, approaches)
    beliefs = posteriors([ask.history for ask in asks], prior, policy, approaches)
    uniform = draws.uniforms([ask.nonce for ask in asks], _NORMALS + prior.mean.size)
    coefficients, population_draws = _coefficients(beliefs, uniform, crowd, policy)
    tilts = _tilts(asks, coefficients, crowd, policy)
    expected, drawn = _best_two(asks, coefficients, population_draws, tilts, (crowd, policy))
    floors: list[bool] = (uniform[:, _FLOOR] < policy.explore_floor).tolist()
    picked = drawn.copy()
    for index, ask in enumerate(asks):
        if ask.control:
            picked[index] = _default(ask.context, tilts.get(index), crowd)
        elif floors[index]:
            picked[index] = _anything(uniform[index, _FLOOR_PICK], tilts.get(index), crowd)
    confidences = _confidences(asks, picked, beliefs, tilts, crowd)
    weights: list[float] = beliefs.user_weight.tolist()
    return [
        Choice(
            combination=picked[index],
            floored=floors[index] and not ask.control,
            explored=not ask.control and (floors[index] or drawn[index] != expected[index]),
            confidence=sum(confidences[index]) / len(confidences[index]),
            dimension_confidence=tuple(confidences[index]),
            user_weight=0.0 if ask.control else weights[index],  # nothing of a control's answer is its own
        )
        for index, ask in enumerate(asks)
    ]


def _coefficients(
    beliefs: Posteriors, uniform: Floats, crowd: Population, policy: Policy
) -> tuple[Floats, list[int]]:
    """Posterior mean and draw of each user's coefficients, shape (users, 2, p), and which mu was drawn."""
    drawn = (uniform[:, _POPULATION_DRAW] * POPULATION_DRAWS).astype(np.int64)
    pair = np.empty((len(uniform), 2, crowd.prior.mean.size))
    mean = beliefs.whitened[:, :, 0]
    pair[:, 0] = mean
    apart = beliefs.whitened[np.arange(len(uniform)), :, 1 + drawn] - mean
    pair[:, 1] = mean + policy.population_temperature * apart
    pair[:, 1] += policy.temperature * draws.normals(uniform[:, _NORMALS:])
    return pair @ beliefs.root, drawn.tolist()


def _tilts(asks: Sequence[Ask], coefficients: Floats, crowd: Population, policy: Policy) -> dict[int, Floats]:
    """What preferences add to each option, for the asks that have any; outcomes do not move a control's."""
    effects = crowd.prior.effects
    tilts: dict[int, Floats] = {}
    for index, ask in enumerate(asks):
        if not any(ask.preferences):
            continue
        if ask.control:
            tilts[index] = tilt(ask.preferences, ask.history[:0], crowd.option_means, crowd, policy)
            continue
        means = crowd.option_design @ coefficients[index, 0] + effects.options(ask.context)[0]
        tilts[index] = tilt(ask.preferences, ask.history, means, crowd, policy)
    return tilts


def _best_two(
    asks: Sequence[Ask],
    coefficients: Floats,
    population_draws: Sequence[int],
    tilts: dict[int, Floats],
    given: tuple[Population, Policy],
) -> tuple[list[int], list[int]]:
    """The best combination of each ask under the posterior mean, and under its draw."""
    crowd, policy = given
    values = coefficients @ crowd.combinations
    for index, (ask, drawn) in enumerate(zip(asks, population_draws, strict=True)):
        table = crowd.prior.effects.table(ask.context)
        values[index] += table[0]
        values[index, 1] += policy.population_temperature * (table[1 + drawn] - table[0])
    for index, added in tilts.items():
        values[index] += _over_combinations(added, crowd)
    expected, best_drawn = values.argmax(axis=2).T.tolist()
    return expected, best_drawn


def _over_combinations(added: Floats, crowd: Population) -> Floats:
    """An addition to options, summed over each combination's options; shape (count,)."""
    return added[crowd.options_of].sum(axis=1)


def _default(context: Context, added: Floats | None, crowd: Population) -> int:
    """The population's best combination in this context, preferences and locks honoured."""
    worth = crowd.combination_means + crowd.prior.effects.table(context)[0]
    return int((worth if added is None else worth + _over_combinations(added, crowd)).argmax())


def _anything(uniform: float, added: Floats | None, crowd: Population) -> int:
    """One combination of those that no lock forbids, all alike likely."""
    if added is None:
        return int(uniform * crowd.approaches.count)
    allowed = np.flatnonzero(np.isfinite(_over_combinations(added, crowd)))
    return int(allowed[int(uniform * allowed.size)])


def _confidences(
    asks: Sequence[Ask],
    picked: Sequence[int],
    beliefs: Posteriors,
    tilts: dict[int, Floats],
    crowd: Population,
) -> list[list[float]]:
    """For each dimension of each ask, the share of posterior draws in which the shown option is its best."""
    worth = option_draws(beliefs, [ask.context for ask in asks], crowd)
    for index, added in tilts.items():
        worth[index] += added[:, None]
    shown = worth[np.arange(len(asks))[:, None], crowd.options_of[picked]]
    best = np.empty_like(shown)
    for dimension, (start, size) in enumerate(zip(crowd.starts, crowd.approaches.sizes, strict=True)):
        np.maximum.reduce(worth[:, start : start + size], axis=1, out=best[:, dimension])
    shares: list[list[float]] = ((shown == best).sum(axis=2) / POPULATION_DRAWS).tolist()
    return shares
