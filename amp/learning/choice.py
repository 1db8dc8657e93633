"""Draws to an approach: two-level Thompson sampling with a uniform floor, and how sure it is.

Every draw is a function of the ask's nonce, so a decision can be made again, alone or in any batch, to the
bit. Source: learning.md section 1, "Decide, with two temperatures", Floor, Confidence, Control group.
"""

from collections.abc import Sequence

import numpy as np

from amp.learning import draws
from amp.learning.approaches import Approaches
from amp.learning.baseline import baseline
from amp.learning.population import Population, population
from amp.learning.posterior import Posteriors, option_draws, posteriors
from amp.learning.preference import tilt
from amp.learning.prior import POPULATION_DRAWS, Prior
from amp.learning.types import Ask, Choice, Context, Draws, Floats, Ints, Policy

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
    wanted: list[int] = drawn.copy()
    for index, ask in enumerate(asks):
        if ask.control:
            wanted[index] = controls(ask, tilts.get(index), policy, crowd)
        elif floors[index]:
            wanted[index] = anything(uniform[index, _FLOOR_PICK], tilts.get(index), crowd)
    shadowing, picked = policy.mode == "shadow", wanted
    if shadowing:
        picked = [baseline(ask, tilts.get(index), policy, crowd) for index, ask in enumerate(asks)]
    confidences = _confidences(asks, picked, beliefs, tilts, crowd)
    weights: list[float] = beliefs.user_weight.tolist()
    fixed = [shadowing or ask.control for ask in asks]  # nothing of such an answer is the user's own
    return [
        Choice(
            combination=number(picked[index], crowd),
            floored=floors[index] and not fixed[index],
            explored=not fixed[index] and (floors[index] or drawn[index] != expected[index]),
            confidence=sum(confidences[index]) / len(confidences[index]),
            dimension_confidence=tuple(confidences[index]),
            user_weight=0.0 if fixed[index] else weights[index],
            shadow=number(wanted[index], crowd) if shadowing else None,
        )
        for index in range(len(asks))
    ]


def controls(ask: Ask, added: Floats | None, policy: Policy, crowd: Population) -> int:
    """What a control is served: the operator's own approach, or else the population's default."""
    return baseline(ask, added, policy, crowd) if policy.baseline else _default(ask.context, added, crowd)


def number(place: int, crowd: Population) -> int:
    """The combination's number in rows, from its place among those that are offered."""
    return place if crowd.numbers is None else crowd.numbers[place]


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
    share = policy.population_temperature
    temperatures = crowd.prior.drawn(policy), share
    coefficients, population_draws = _coefficients(beliefs, uniform, temperatures)
    tilts = _tilts(asks, coefficients, crowd, policy)
    values = coefficients @ crowd.combinations
    for index, ask in enumerate(asks):
        values[index] += crowd.prior.effects.drawn(ask.context, share)[population_draws[index]]
    for index, added in tilts.items():
        values[index] += _over_combinations(added, crowd)
    return values.argmax(axis=2), tilts


def _coefficients(
    beliefs: Posteriors, uniform: Floats, temperatures: tuple[float, float]
) -> tuple[Floats, Ints]:
    """Posterior mean and draws of each user's coefficients, shape (users, 1 + draws, p), and whose mu's.

    The mu of each is a number of `Posteriors.whitened`: 0 is the mean mu.
    """
    users, count, _ = uniform.shape
    own, shared = temperatures
    drawn = np.zeros((users, 1 + count), np.int64)
    drawn[:, 1:] = uniform[:, :, _POPULATION_DRAW] * POPULATION_DRAWS + 1
    each = beliefs.whitened.transpose(0, 2, 1)[np.arange(users)[:, None], drawn]
    mean, draws_of = each[:, :1], each[:, 1:]
    draws_of -= mean
    draws_of *= shared
    draws_of += mean
    draws_of += own * draws.normals(uniform[:, :, _NORMALS:])
    return each @ beliefs.root, drawn


def _tilts(asks: Sequence[Ask], coefficients: Floats, crowd: Population, policy: Policy) -> dict[int, Floats]:
    """What preferences add to each option, and exclusions forbid, for the asks that have any.

    Outcomes do not move a control's.
    """
    effects = crowd.prior.effects
    tilts: dict[int, Floats] = {}
    for index, ask in enumerate(asks):
        if not any(ask.preferences) and not ask.excluded:
            continue
        history, means = ask.history[:0], crowd.option_means
        if not ask.control:
            history = ask.history
            means = crowd.option_design @ coefficients[index, 0] + effects.options(ask.context)[0]
        tilts[index] = tilt(ask.preferences, history, means, crowd, policy, excluded=ask.excluded)
    return tilts


def _over_combinations(added: Floats, crowd: Population) -> Floats:
    """An addition to options, summed over each combination's options; shape (count,)."""
    return added[crowd.options_of].sum(axis=1)


def _default(context: Context, added: Floats | None, crowd: Population) -> int:
    """The population's best combination in this context, preferences, locks and exclusions honoured."""
    worth = crowd.combination_means + crowd.prior.effects.table(context)[0]
    return int((worth if added is None else worth + _over_combinations(added, crowd)).argmax())


def anything(uniform: float, added: Floats | None, crowd: Population) -> int:
    """One combination of those that no lock and no exclusion forbids, all alike likely."""
    among = allowed(added, crowd)
    return int(among[int(uniform * among.size)])


def allowed(added: Floats | None, crowd: Population) -> Ints:
    """The combinations that no lock and no exclusion forbids, which the floor draws from."""
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
    options = crowd.options_of.take(picked, axis=0) + worth.shape[1] * np.arange(len(asks))[:, None]
    shown = np.take(worth.reshape(-1, POPULATION_DRAWS), options, axis=0)
    shares: list[list[float]] = ((shown == _best(worth, crowd)).sum(axis=2) / POPULATION_DRAWS).tolist()
    return shares


def _best(worth: Draws, crowd: Population) -> Draws:
    """The worth of each dimension's best option in each draw; shape (users, dimensions, draws)."""
    users, _, count = worth.shape
    sizes = set(crowd.sizes)
    if len(sizes) == 1:
        return worth.reshape(users, -1, *sizes, count).max(axis=2)
    best = np.empty((users, len(crowd.sizes), count), worth.dtype)
    for dimension, (start, size) in enumerate(zip(crowd.starts, crowd.sizes, strict=True)):
        np.maximum.reduce(worth[:, start : start + size], axis=1, out=best[:, dimension])
    return best
