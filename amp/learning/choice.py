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
from amp.learning.types import Ask, Choice, Context, Floats, Ints, Policy

_FLOOR, _FLOOR_PICK, _POPULATION_DRAW, _NORMALS = range(4)  # what each uniform of a nonce decides


def choose(asks: Sequence[Ask], prior: Prior, policy: Policy, approaches: Approaches) -> list[Choice]:
    """One decision for each ask; each is the same, to the bit, alone and in any batch."""
    if not asks:
        return []
    crowd = population(prior, approaches)
    beliefs = posteriors([ask.history for ask in asks], prior, policy, approaches)
    uniform = draws.uniforms([ask.nonce for ask in asks], uniforms_each(prior))
    best, tilts = best_of_draws(asks, uniform[:, None], beliefs, crowd, policy)
    expected, drawn = best.T.tolist()
    floors: list[bool] = (uniform[:, _FLOOR] < policy.explore_floor).tolist()
    picked: list[int] = drawn.copy()
    for index, ask in enumerate(asks):
        if ask.control:
            picked[index] = _default(ask.context, tilts.get(index), crowd)
        elif floors[index]:
            allowed_here = allowed(tilts.get(index), crowd)
            picked[index] = int(allowed_here[int(uniform[index, _FLOOR_PICK] * allowed_here.size)])
    confidences = _confidences(asks, picked, beliefs, tilts, crowd)
    weights: list[float] = beliefs.user_weight.tolist()
    return [
        Choice(
            combination=picked[index] if crowd.numbers is None else crowd.numbers[picked[index]],
            floored=floors[index] and not ask.control,
            explored=not ask.control and (floors[index] or drawn[index] != expected[index]),
            confidence=sum(confidences[index]) / len(confidences[index]),
            dimension_confidence=tuple(confidences[index]),
            user_weight=0.0 if ask.control else weights[index],  # nothing of a control's answer is its own
        )
        for index, ask in enumerate(asks)
    ]


def uniforms_each(prior: Prior) -> int:
    """How many uniforms a decision takes from its nonce."""
    return _NORMALS + prior.mean.size


def best_of_draws(
    asks: Sequence[Ask], uniform: Floats, beliefs: Posteriors, crowd: Population, policy: Policy
) -> tuple[Ints, dict[int, Floats]]:
    """The best combination of each ask under the posterior mean, then under each of its draws.

    Uniforms of shape (asks, draws, `uniforms_each`) give shape (asks, 1 + draws); what preferences add to
    each option comes with it, for the asks that have any.
    """
    coefficients, population_draws = _coefficients(beliefs, uniform, policy)
    tilts = _tilts(asks, coefficients, crowd, policy)
    values = coefficients @ crowd.combinations
    for index, ask in enumerate(asks):
        table = crowd.prior.effects.table(ask.context)
        drawn = table.take(population_draws[index], axis=0)
        values[index] += table[0] + policy.population_temperature * (drawn - table[0])
    for index, added in tilts.items():
        values[index] += _over_combinations(added, crowd)
    return values.argmax(axis=2), tilts


def _coefficients(beliefs: Posteriors, uniform: Floats, policy: Policy) -> tuple[Floats, Ints]:
    """Posterior mean and draws of each user's coefficients, shape (users, 1 + draws, p), and whose mu's.

    The mu of each is a number of `Posteriors.whitened`: 0 is the mean mu.
    """
    users, count, _ = uniform.shape
    drawn = np.zeros((users, 1 + count), np.int64)
    drawn[:, 1:] = uniform[:, :, _POPULATION_DRAW] * POPULATION_DRAWS + 1
    each = beliefs.whitened.transpose(0, 2, 1)[np.arange(users)[:, None], drawn]
    each[:, 1:] = each[:, :1] + policy.population_temperature * (each[:, 1:] - each[:, :1])
    each[:, 1:] += policy.temperature * draws.normals(uniform[:, :, _NORMALS:])
    return each @ beliefs.root, drawn


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


def _over_combinations(added: Floats, crowd: Population) -> Floats:
    """An addition to options, summed over each combination's options; shape (count,)."""
    return added[crowd.options_of].sum(axis=1)


def _default(context: Context, added: Floats | None, crowd: Population) -> int:
    """The population's best combination in this context, preferences and locks honoured."""
    worth = crowd.combination_means + crowd.prior.effects.table(context)[0]
    return int((worth if added is None else worth + _over_combinations(added, crowd)).argmax())


def allowed(added: Floats | None, crowd: Population) -> Ints:
    """The combinations that no lock forbids, which the floor draws from."""
    if added is None:
        return np.arange(len(crowd.options_of))
    return np.flatnonzero(np.isfinite(_over_combinations(added, crowd)))


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
    for dimension, (start, size) in enumerate(zip(crowd.starts, crowd.sizes, strict=True)):
        np.maximum.reduce(worth[:, start : start + size], axis=1, out=best[:, dimension])
    shares: list[list[float]] = ((shown == best).sum(axis=2) / POPULATION_DRAWS).tolist()
    return shares
