"""Per-user Beta counts, for those who doubt the model: a Beta distribution an option, nobody else's word.

Each option starts at Beta(1, 1); a row with reward r and decay weight w adds w r to the first parameter of
the options it was shown with and w (1 - r) to the second. A decision draws from each and takes the best of
every dimension: the draws are the inverse distribution function at uniforms of the ask's nonce, so they can
be made again. What it is worth beside the model: learning.md section 2, "per-user factored Beta, flat prior".
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from amp.learning import draws, reward
from amp.learning.approaches import Approaches
from amp.learning.baseline import baseline
from amp.learning.choice import anything, controls, number
from amp.learning.population import Population, population
from amp.learning.posterior import DimensionBelief, OptionBelief
from amp.learning.preference import tilt
from amp.learning.prior import POPULATION_DRAWS, Prior
from amp.learning.types import Ask, Choice, Floats, History, Ints, Policy, Preference

_SPECIAL: Any = special  # without types

FLAT_MEAN, FLAT_VARIANCE = 0.5, 1.0 / 12.0
"""Of Beta(1, 1)."""
_FLOOR, _FLOOR_PICK, _OPTIONS = range(3)  # what each uniform of a nonce decides


def choose(asks: Sequence[Ask], prior: Prior, policy: Policy, approaches: Approaches) -> list[Choice]:
    """One decision for each ask; each is the same, to the bit, alone and in any batch.

    The prior is looked at for the default of control users alone.
    """
    crowd = population(prior, approaches)
    uniform = draws.uniforms([ask.nonce for ask in asks], _OPTIONS + len(crowd.option_means))
    return [_choice(ask, own, crowd, policy) for ask, own in zip(asks, uniform, strict=True)]


def _choice(ask: Ask, uniform: Floats, crowd: Population, policy: Policy) -> Choice:
    good, bad = counts(ask.history, crowd, policy)
    means = good / (good + bad)
    added = _added(ask, means, crowd, policy)
    drawn = _best(_SPECIAL.betaincinv(good, bad, uniform[_OPTIONS:]), added, crowd)
    floored = bool(uniform[_FLOOR] < policy.explore_floor)
    wanted = drawn
    if ask.control:
        wanted = controls(ask, added, policy, crowd)
    elif floored:
        wanted = anything(uniform[_FLOOR_PICK], added, crowd)
    shadowing = policy.mode == "shadow"
    shown = baseline(ask, added, policy, crowd) if shadowing else wanted
    fixed = shadowing or ask.control
    best = _share_best(good, bad, added, crowd)[crowd.options_of[shown]]
    return Choice(
        combination=number(shown, crowd),
        floored=floored and not fixed,
        explored=not fixed and (floored or drawn != _best(means, added, crowd)),
        confidence=float(best.mean()),
        dimension_confidence=tuple(best.tolist()),
        user_weight=0.0 if fixed else _weight(good, bad),
        shadow=number(wanted, crowd) if shadowing else None,
    )


def best_of_draws(
    ask: Ask, nonces: npt.NDArray[np.uint64], crowd: Population, policy: Policy
) -> tuple[Ints, Floats | None]:
    """The combination that each of these nonces would draw, and what preferences add to each option."""
    good, bad = counts(ask.history, crowd, policy)
    added = _added(ask, good / (good + bad), crowd, policy)
    uniform = draws.uniforms(nonces, _OPTIONS + len(crowd.option_means))[:, _OPTIONS:]
    worth: Floats = _SPECIAL.betaincinv(good, bad, uniform)
    return np.array([_best(each, added, crowd) for each in worth]), added


def _added(ask: Ask, means: Floats, crowd: Population, policy: Policy) -> Floats | None:
    """What preferences and exclusions add to each option; None where there are none."""
    if not any(ask.preferences) and not ask.excluded:
        return None
    known, history = (crowd.option_means, ask.history[:0]) if ask.control else (means, ask.history)
    return tilt(ask.preferences, history, known, crowd, policy, excluded=ask.excluded)


def counts(history: History, crowd: Population, policy: Policy) -> tuple[Floats, Floats]:
    """Both parameters of each option's Beta distribution; shape (options,) each."""
    weight = policy.decay ** np.arange(len(history) - 1, -1, -1)
    told = np.clip(reward.rewards(history, policy.weights), 0.0, 1.0)
    shown = crowd.options_at[crowd.approaches.points(history)]
    offered = shown >= 0

    def summed(amounts: Floats) -> Floats:
        each = np.broadcast_to(amounts[:, None], shown.shape)[offered]
        counted = np.bincount(shown[offered], each, minlength=len(crowd.option_means))
        return 1.0 + counted.astype(np.float64, copy=False)

    return summed(weight * told), summed(weight * (1.0 - told))


def user_weight(history: History, prior: Prior, policy: Policy, approaches: Approaches) -> float:
    """How much narrower the distributions are than at first: 1 - mean variance / (1/12), 0 without rows."""
    return _weight(*counts(history, population(prior, approaches), policy))


def _weight(good: Floats, bad: Floats) -> float:
    return max(0.0, 1.0 - float(_variance(good, bad).mean()) / FLAT_VARIANCE)


def _variance(good: Floats, bad: Floats) -> Floats:
    total = good + bad
    return good * bad / (total**2 * (total + 1.0))


def _best(worth: Floats, added: Floats | None, crowd: Population) -> int:
    """The combination of the best options; of equals the first."""
    total = worth if added is None else worth + added
    sizes = zip(crowd.starts, crowd.sizes, strict=True)
    return int(np.ravel_multi_index([int(total[at : at + size].argmax()) for at, size in sizes], crowd.sizes))


def _share_best(good: Floats, bad: Floats, added: Floats | None, crowd: Population) -> Floats:
    """Share of fixed draws in which each option is the best of its dimension; shape (options,).

    They are drawn from the normal distribution with the mean and variance of the log odds: in the limit of
    many draws within 2 points of the Beta distributions' own shares, whose exact draws take 15 times as long.
    """
    mean: Floats = _SPECIAL.digamma(good) - _SPECIAL.digamma(bad)
    sd: Floats = np.sqrt(_SPECIAL.zeta(2.0, good) + _SPECIAL.zeta(2.0, bad))
    worth: Floats = _SPECIAL.expit(mean[:, None] + sd[:, None] * _bank(len(good)))
    if added is not None:
        worth = worth + added[:, None]
    best = np.maximum.reduceat(worth, crowd.starts).repeat(crowd.sizes, axis=0)
    return (worth == best).mean(axis=1)


@lru_cache(maxsize=16)
def _bank(options: int) -> Floats:
    """Standard normal draws, each with its opposite, the same for every user; shape (options, draws)."""
    half = draws.normals(draws.uniforms(range(POPULATION_DRAWS // 2), options)).T
    return np.hstack([half, -half])


def describe(
    history: History,
    preferences: Sequence[Preference | None],
    prior: Prior,
    policy: Policy,
    approaches: Approaches,
) -> tuple[DimensionBelief, ...]:
    """What is believed of every option for this user; the population's columns are Beta(1, 1)."""
    crowd = population(prior, approaches)
    good, bad = counts(history, crowd, policy)
    means = good / (good + bad)
    added = tilt(preferences, history, means, crowd, policy)
    columns = (
        means + np.where(np.isinf(added), 0.0, added),
        np.sqrt(_variance(good, bad)),
        _share_best(good, bad, added, crowd),
        np.full(len(means), FLAT_MEAN),
        np.full(len(means), FLAT_VARIANCE**0.5),
    )
    told = iter(np.column_stack(columns).tolist())
    return tuple(
        DimensionBelief(
            each.name, tuple(OptionBelief(each.options[number], *next(told)) for number in each.offered)
        )
        for each in approaches.dimensions
    )
