"""How well a prior predicts users it was not fitted to: rewards of their later rows, given the older ones.

A row's reward r is judged by its own log predictive density, N(off + x'm, x'Vx + noise of r), whatever the
prior learns from: so priors that learn from different signals can be compared.
"""

from dataclasses import dataclass

import numpy as np

from amp.learning import reward
from amp.learning.approaches import Approaches
from amp.learning.crowd import Crowd, Mask, summed
from amp.learning.prior import Prior
from amp.learning.types import Floats, Policy


@dataclass(frozen=True)
class Judged:
    """Users held out, and which of their rows are predicted from the others."""

    crowd: Crowd
    """Its rewards are those that are judged."""
    later: Mask
    """The newer half of each user's rows; shape (n,)."""
    news: Mask
    """Those of them that the current prior has not seen either; shape (n,)."""


@dataclass(frozen=True)
class Prediction:
    """Of the rewards of all rows, from their users' older half; shape (n,) each."""

    expected: Floats
    variance: Floats


def judged(crowd: Crowd, current: Prior) -> Judged:
    """The users to judge on.

    The current prior was fitted to what they reported before it was published. Where nothing came since (the
    weights changed), all newer halves are news.
    """
    counts = np.diff(crowd.bounds)
    place = np.arange(len(crowd.history)) - np.repeat(crowd.bounds[:-1], counts)
    later = place >= np.repeat(counts // 2, counts)
    news = later & (crowd.history["prior_version"] >= current.version)
    return Judged(crowd, later, news if news.any() else later)


def predicted(users: Judged, prior: Prior, policy: Policy, approaches: Approaches) -> Prediction:
    """What a prior and the older rows say of the rewards."""
    crowd = users.crowd
    offsets = prior.effects.at(crowd.history)
    heard = reward.rewards(crowd.history, prior.heard(policy))
    older = summed(crowd, heard - offsets, approaches, only=~users.later)
    variance = np.linalg.inv(older.gram / prior.noise + prior.precision)
    mean = (variance @ (older.pull / prior.noise + prior.precision @ prior.mean)[:, :, None])[:, :, 0]
    counts = np.diff(crowd.bounds)
    x = approaches.design[approaches.points(crowd.history)]
    expected = offsets + np.einsum("np,np->n", x, np.repeat(mean, counts, axis=0))
    spread = np.einsum("np,npq,nq->n", x, np.repeat(variance, counts, axis=0), x, optimize=True)
    return Prediction(expected, spread + prior.reward_noise)


def scores(users: Judged, told: Prediction) -> Floats:
    """Sum of the log densities of each user's news; shape (users,)."""
    squares = (users.crowd.rewards - told.expected) ** 2 / told.variance
    density = -0.5 * (np.log(2.0 * np.pi * told.variance) + squares)
    return np.add.reduceat(density * users.news, users.crowd.bounds[:-1])


def unexplained(users: Judged, told: Prediction) -> float:
    """The variance of the later rewards that a line through what was expected of them leaves."""
    expected, rewards = told.expected[users.later], users.crowd.rewards[users.later]
    apart = expected - expected.mean()
    slope = float(apart @ rewards / max(apart @ apart, 1e-12))
    return float(np.var(rewards - slope * apart))
