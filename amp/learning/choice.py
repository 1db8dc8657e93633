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
from amp.learning.types import Ask, Choice, Floats, Policy

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
    expected, drawn = _best_two(asks, coefficients, population_draws, tilts, crowd)
    floors: list[bool] = (uniform[:, _FLOOR] < policy.explore_floor).tolist()
    wanted = drawn.copy()
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
            combination=picked[index],
            floored=floors[index] and not fixed[index],
            explored=not fixed[index] and (floors[index] or drawn[index] != expected[index]),
            confidence=sum(confidences[index]) / len(confidences[index]),
            dimension_confidence=tuple(confidences[index]),
            user_weight=0.0 if fixed[index] else weights[index],
            shadow=wanted[index] if shadowing else None,
        )
        for index in range(len(asks))
    ]


def controls(ask: Ask, added: Floats | None, policy: Policy, crowd: Population) -> int:
    """What a control is served: the operator's own approach, or else the population's default."""
    return baseline(ask, added, policy, crowd) if policy.baseline else _default(added, crowd)


def _coefficients(
    beliefs: Posteriors, uniform: Floats, crowd: Population, policy: Policy
) -> tuple[Floats, list[int]]:
    """Posterior mean and draw of each user's coefficients, shape (users, 2, p), and which mu was drawn."""
    drawn = (uniform[:, _POPULATION_DRAW] * POPULATION_DRAWS).astype(np.int64)
    pair = np.empty((len(uniform), 2, crowd.prior.mean.size))
    pair[:, 0] = beliefs.whitened[:, :, 0]
    pair[:, 1] = beliefs.whitened[np.arange(len(uniform)), :, 1 + drawn]
    pair[:, 1] += policy.temperature * draws.normals(uniform[:, _NORMALS:])
    return pair @ beliefs.root, drawn.tolist()


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
            history, means = ask.history, crowd.option_design @ coefficients[index, 0]
            if effects is not None:
                means += effects.options(ask.context)[0]
        tilts[index] = tilt(ask.preferences, history, means, crowd, policy, excluded=ask.excluded)
    return tilts


def _best_two(
    asks: Sequence[Ask],
    coefficients: Floats,
    population_draws: Sequence[int],
    tilts: dict[int, Floats],
    crowd: Population,
) -> tuple[list[int], list[int]]:
    """The best combination of each ask under the posterior mean, and under its draw."""
    values = coefficients @ crowd.combinations
    if crowd.prior.effects is not None:
        for ask, own, drawn in zip(asks, values, population_draws, strict=True):
            table = crowd.prior.effects.table(ask.context)
            own[0] += table[0]
            own[1] += table[1 + drawn]
    for index, added in tilts.items():
        values[index] += _over_combinations(added, crowd)
    expected, best_drawn = values.argmax(axis=2).T.tolist()
    return expected, best_drawn


def _over_combinations(added: Floats, crowd: Population) -> Floats:
    """An addition to options, summed over each combination's options; shape (count,)."""
    return added[crowd.options_of].sum(axis=1)


def _default(added: Floats | None, crowd: Population) -> int:
    """The population's best combination, preferences, locks and exclusions honoured."""
    if added is None:
        return crowd.default
    return int((crowd.approaches.design @ crowd.prior.mean + _over_combinations(added, crowd)).argmax())


def anything(uniform: float, added: Floats | None, crowd: Population) -> int:
    """One combination of those that no lock and no exclusion forbids, all alike likely."""
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
