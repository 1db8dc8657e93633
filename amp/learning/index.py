"""Which signals to learn from: an index of all five that tells an option's worth with less noise than r does.

z = (started, completed, flow, speed, satisfaction), the last four 0 unless the user started. The index is
b = P^-1 G w: w are the signals' weights in the reward, P their covariance within a user and G what of it lies
between options (Smith 1936, Hazel 1943). It is scaled so that one unit of the index's expectation is one of
the reward's, and drawn towards w while few users have enough outcomes. The value that is judged is still r.
Source: learning.md section 1, Index learning.
"""

import numpy as np

from amp.learning import reward, rows
from amp.learning.approaches import Approaches
from amp.learning.crowd import Crowd
from amp.learning.types import Floats, History, Weights

OUTCOMES_MIN = 6
"""Of a user who counts as one who tells signals apart."""
USERS_HALF = 50.0
"""Such users at which the index lies half way between w and its estimate."""
_RIDGE = 1e-4
"""On P: signals that are never said have no variance."""
_ROUNDING = 1e-12
"""Of the squared weights: a variance below it is the rounding of what is always the same."""


def index(crowd: Crowd, weights: Weights, spread: Floats, mean: Floats, approaches: Approaches) -> Weights:
    """The weights of the index, to be used like those of the reward; `weights` while nothing can be told.

    `spread` is S and `mean` mu of a model of the reward, which is `crowd.rewards`; shapes (p, p) and (p,).
    """
    told, worth = signals(crowd.history, weights), linear(weights)
    shared = spread[1:, 1:] + np.outer(mean[1:], mean[1:])
    within, between = _covariances(crowd, told, shared, approaches)
    gained = between @ worth
    if min(worth @ gained, crowd.rewards.var()) <= _ROUNDING * (worth @ worth):
        return weights
    best = np.linalg.solve(within + _RIDGE * np.eye(len(worth)), gained)
    best *= (worth @ gained) / (best @ gained)
    users = int(np.count_nonzero(np.diff(crowd.bounds) >= OUTCOMES_MIN))
    trust = users / (users + USERS_HALF)
    drawn = trust * best + (1.0 - trust) * worth
    level = float(np.mean(reward.rewards(crowd.history, weights)) - told.mean(axis=0) @ drawn)
    return weights_of(drawn, level, weights)


def signals(history: History, weights: Weights) -> Floats:
    """Z of each row; shape (n, 5)."""
    started = rows.has(history, rows.STARTED)
    half_lives = rows.start_ms(history) * (-1e-3 / weights.speed_half_life_s)
    satisfaction = history["satisfaction"] * (2.0 / rows.SATISFACTION_SCALE) - 1.0
    told = np.column_stack(
        [
            np.ones(len(history)),
            rows.has(history, rows.COMPLETED),
            rows.has(history, rows.FLOW),
            np.where(rows.has(history, rows.START_TIME_SAID), np.exp2(half_lives), 0.0),
            np.where(rows.has(history, rows.SATISFACTION_SAID), satisfaction, 0.0),
        ]
    )
    told[~started] = 0.0
    return told.astype(np.float64, copy=False)


def linear(weights: Weights) -> Floats:
    """What each signal adds to the reward of a report that says whether it was completed; shape (5,)."""
    told = (
        weights.started - weights.never_started,
        weights.completed - weights.started,
        weights.flow,
        weights.speed,
        weights.satisfaction,
    )
    return np.array(told) / 2.0


def weights_of(signal: Floats, level: float, like: Weights) -> Weights:
    """The weights whose reward is `level + signal @ z`: `linear`, read backwards."""
    started, completed, flow, speed, satisfaction = (2.0 * signal).tolist()
    never = 2.0 * level - 1.0
    return Weights(
        never_started=never,
        started=never + started,
        completed=never + started + completed,
        flow=flow,
        speed=speed,
        speed_half_life_s=like.speed_half_life_s,
        satisfaction=satisfaction,
    )


def _covariances(crowd: Crowd, told: Floats, shared: Floats, approaches: Approaches) -> tuple[Floats, Floats]:
    """P and G of the signals; shape (5, 5) each.

    G by regression on likeness (Haseman and Elston 1972): two rows of a user whose options are alike by
    k = x'(S + mu mu')x have signals that go together by k G. Within a user x and the signals are centred,
    and so are k and the products: else the noise that centring shares out would pass for likeness.
    """
    counts = np.diff(crowd.bounds)
    root = np.linalg.cholesky(shared + 1e-12 * np.eye(len(shared)))
    x = _centred((approaches.design[:, 1:] @ root)[approaches.points(crowd.history)], crowd)
    apart = _centred(told, crowd)
    within = apart.T @ apart / max(len(apart) - crowd.users, 1)
    own: Floats = np.sum(x**2, axis=1)
    starts = crowd.bounds[:-1]
    together = np.add.reduceat(x[:, :, None] * apart[:, None, :], starts)
    likeness = np.add.reduceat(x[:, :, None] * x[:, None, :], starts)
    # all pairs of two of a user's n rows: their k sum to -sum(own), their products to -sum(apart apart')
    pairs = np.maximum(counts * (counts - 1.0), 1.0)
    alike = np.add.reduceat(own, starts)
    alone: Floats = (own + (alike / pairs).repeat(counts))[:, None] * apart
    heard: Floats = np.tensordot(together, together, ((0, 1), (0, 1))) - alone.T @ apart
    weighed = float(np.sum(likeness**2) - np.sum(own**2) - np.sum(alike**2 / pairs))
    if weighed <= 0.0:
        return within, np.zeros_like(within)
    symmetric: Floats = (heard + heard.T) * (float(np.mean(own)) / weighed / 2.0)
    scale, axes = np.linalg.eigh(symmetric)
    between: Floats = (axes * np.maximum(scale, 0.0)) @ axes.T
    return within, between


def _centred(values: Floats, crowd: Crowd) -> Floats:
    """Less their mean over each user's rows; shape (n, columns)."""
    counts = np.diff(crowd.bounds)
    means = np.add.reduceat(values, crowd.bounds[:-1]) / counts[:, None]
    return values - means.repeat(counts, axis=0)
