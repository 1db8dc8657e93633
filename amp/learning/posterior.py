"""What is believed of a user: the population prior, moved by the user's rows, for a whole batch at once.

P = X'WX/s2 + S^-1, m = P^-1 (X'Wy/s2 + S^-1 mu), W = decay^(later rows), y = signal - population
offset; the signal is the reward, or the index that the prior learns from.
With P = L L' all of it is one triangular L^-1 a user. Source: learning.md section 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.linalg import lapack

from amp.learning import draws, reward, rows
from amp.learning.approaches import Approaches
from amp.learning.population import Population, population
from amp.learning.preference import tilt
from amp.learning.prior import POPULATION_DRAWS, Prior
from amp.learning.types import Context, Draws, Floats, History, Policy, Preference

_LAPACK: Any = lapack  # made by f2py, without types


@dataclass(frozen=True, slots=True)
class Posteriors:
    """One posterior a user; `root' (whitened + z)` is a draw of the coefficients when z is normal."""

    root: Floats
    """L^-1, lower triangular; shape (users, p, p)."""
    whitened: Floats
    """L^-1 (X'Wy/s2 + S^-1 mu) under the mean mu, then under each draw; shape (users, p, 1 + draws)."""
    user_weight: Floats
    """1 - tr(P^-1)/tr(S); shape (users,)."""


def posteriors(
    histories: Sequence[History], prior: Prior, policy: Policy, approaches: Approaches
) -> Posteriors:
    """Each user's posterior; it is the same, to the bit, whoever else is in the batch."""
    crowd = population(prior, approaches)
    grams = _grams(histories, crowd, policy)
    p = prior.mean.size
    precision = grams[:, :p, :p] + prior.precision
    root = np.empty((len(histories), p, p))
    for index in range(len(histories)):
        root[index] = _inverse_root(precision[index])
    whitened = root @ (crowd.pulls + grams[:, :p, p:])
    weight = 1.0 - np.einsum("upq,upq->u", root, root) / crowd.spread
    for index, history in enumerate(histories):
        if not len(history):
            weight[index] = 0.0  # to the bit
    return Posteriors(root, whitened, weight)


def informed(
    beliefs: Posteriors, histories: Sequence[History], prior: Prior, policy: Policy, approaches: Approaches
) -> Posteriors:
    """The same with the rows read by each draw's own offsets, not their mean: for stated means and widths.

    m_k = P^-1 (X'W(y - off_k)/s2 + S^-1 mu_k). A draw adds its offsets to what the rows say; read by the mean
    offsets they would say them once more, and intervals would be too wide. Decisions keep to the mean: draws
    that agree with the rows explore less, and some users stayed with what was wrong.
    """
    whitened = beliefs.whitened.copy()
    scale = _root_weights(policy.decay, prior.noise_of(prior.heard(policy)))
    for index, history in enumerate(histories):
        away = prior.effects.drawn_at(history) - prior.effects.at(history)[:, None]
        x = approaches.design[approaches.points(history)]
        weight = scale[rows.KEPT_ROWS - len(history) :] ** 2
        whitened[index, :, 1:] -= beliefs.root[index] @ (x.T @ (weight * away))
    return replace(beliefs, whitened=whitened)


def _grams(histories: Sequence[History], crowd: Population, policy: Policy) -> Floats:
    """[X y]'W[X y]/s2 of each user; shape (users, p + 1, p + 1).

    Rows of all users are read in one go, then one product a user: padding them to the longest is slower alone
    and at 200 rows, gains at most 1 us at 20, and would let the batch into a user's last bits.
    """
    alone = len(histories) == 1
    history = rows.joined(histories)
    data = crowd.design.take(crowd.approaches.points(history), axis=0)
    heard = crowd.prior.heard(policy)
    data[:, -1] = reward.rewards(history, heard)
    data[:, -1] -= crowd.prior.effects.at(history)
    scale = _root_weights(policy.decay, crowd.prior.noise_of(heard))
    scales = [scale[rows.KEPT_ROWS - len(each) :] for each in histories]
    data *= scales[0] if alone else np.concatenate(scales)
    grams = np.empty((len(histories), data.shape[1], data.shape[1]))
    end = 0
    for index, each in enumerate(histories):
        start, end = end, end + len(each)
        np.matmul(data[start:end].T, data[start:end], out=grams[index])
    return grams


@lru_cache(maxsize=256)
def _root_weights(decay: float, noise: float) -> Floats:
    """Square roots of W/s2, oldest first; shape (KEPT_ROWS, 1)."""
    later = np.arange(rows.KEPT_ROWS - 1, -1, -1)
    return np.sqrt(decay**later / noise)[:, None]


def _inverse_root(precision: Floats) -> Floats:
    """L^-1 of P = L L'; plain LAPACK, for numpy's wrappers cost more than the algebra at this size."""
    lower, failed = _LAPACK.dpotrf(precision.T, lower=1)
    inverse, singular = _LAPACK.dtrtri(lower, lower=1, overwrite_c=1)
    if failed or singular:
        raise ValueError("the prior's precision is not positive definite")
    return inverse


def option_draws(beliefs: Posteriors, contexts: Sequence[Context], crowd: Population) -> Draws:
    """Draws of each option's expected reward, population uncertainty in; shape (users, options, draws).

    The normal draws behind them are the same for every user and every call. In single precision: they are
    only compared with each other, and half the memory is faster to read.
    """
    directions = (crowd.option_design @ beliefs.root.transpose(0, 2, 1)).astype(np.float32)
    noise = (beliefs.whitened[:, :, 1:] + _bank(crowd.prior.mean.size)).astype(np.float32)
    worth = directions @ noise
    for index, context in enumerate(contexts):
        worth[index] += crowd.prior.effects.option_draws(context)
    return worth


@lru_cache(maxsize=16)
def _bank(p: int) -> Floats:
    """Standard normal draws, in pairs and scaled so that mean and variance are exact; shape (p, draws)."""
    half = draws.normals(draws.uniforms(range(POPULATION_DRAWS // 2), p)).T
    half /= np.sqrt(np.mean(half**2, axis=1, keepdims=True))
    return np.hstack([half, -half])


@dataclass(frozen=True, slots=True)
class OptionBelief:
    """What is believed of one option; rewards are averaged over the other dimensions."""

    option: str
    mean: float
    sd: float
    best: float
    """Probability of being the best of its dimension."""
    population_mean: float
    population_sd: float
    """Spread over users, uncertainty of the mean included."""


@dataclass(frozen=True, slots=True)
class DimensionBelief:
    """What is believed of one dimension."""

    dimension: str
    options: tuple[OptionBelief, ...]


def describe(  # noqa: PLR0917 - a belief depends on these six and no two of them belong together
    history: History,
    preferences: Sequence[Preference | None],
    context: Context,
    prior: Prior,
    policy: Policy,
    approaches: Approaches,
) -> tuple[DimensionBelief, ...]:
    """What is believed of every option for this user in this context. Contract: GET .../posterior."""
    crowd = population(prior, approaches)
    beliefs = posteriors([history], prior, policy, approaches)
    stated = informed(beliefs, [history], prior, policy, approaches)
    directions = crowd.option_design @ beliefs.root[0].T
    offsets = prior.effects.options(context).T
    own = directions @ stated.whitened[0] + offsets
    shared = crowd.option_design @ np.column_stack([prior.mean, prior.mean_draws.T]) + offsets
    among_users = crowd.option_design @ np.linalg.inv(prior.precision) @ crowd.option_design.T
    added = tilt(preferences, history, own[:, 0], crowd, policy)
    worth = option_draws(beliefs, [context], crowd)[0] + added[:, None]
    columns = (
        own[:, 0] + np.where(np.isinf(added), 0.0, added),
        _sd(directions @ directions.T, own),
        _share_best(worth, crowd),
        shared[:, 0],
        _sd(among_users, shared),
    )
    told = iter(np.column_stack(columns).tolist())
    return tuple(
        DimensionBelief(
            each.name, tuple(OptionBelief(each.options[number], *next(told)) for number in each.offered)
        )
        for each in approaches.dimensions
    )


def _sd(covariance: Floats, centres: Floats) -> Floats:
    """Of a mixture of normals with one covariance and a centre in each column but the first."""
    return np.sqrt(np.diagonal(covariance) + centres[:, 1:].var(axis=1))


def _share_best(worth: Floats, crowd: Population) -> Floats:
    """Share of the draws in which each option is the best of its dimension; shape (options,)."""
    best = np.maximum.reduceat(worth, crowd.starts).repeat(crowd.sizes, axis=0)
    return (worth == best).mean(axis=1)
