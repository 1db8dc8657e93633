"""Fits the population prior to what users have reported, and says whether it is worth publishing.

The mixed model (mixed.py) is fitted to most users, first to their rewards, then to the index of signals that
tells more (index.py); users held out judge both and the current prior; the better is fitted to everybody.
Source: learning.md section 1, "Prior, in the background" and "Index learning".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from amp.learning.approaches import Approaches
from amp.learning.crowd import Crowd, gather, learned
from amp.learning.features import features
from amp.learning.index import index
from amp.learning.judge import Judged, judged, predicted, scores, unexplained
from amp.learning.mixed import Moments, Start, Variances, judged_by, maximise, moments, posterior
from amp.learning.prior import Prior, believed, start
from amp.learning.types import Floats, History, Policy

SWEEPS_MAX = 12
STEADY = 0.02
"""Expectation-maximisation has arrived when a sweep moves the users' total variance by no more than this."""
SWEPT_USERS_MAX = 4000
"""Users who are enough for the variances; the population's coefficients are of everybody."""
HELD_OUT_EVERY = 5
"""One user in so many is kept aside to judge the fit on; of fewer than 25 users one in 4, 3 or 2."""
HELD_OUT_MIN = 5
"""Users kept aside at least: the standard error of fewer gains says nothing, and that of one is 0."""


@dataclass(frozen=True)
class Fit:
    """A fitted prior and how it did against the current one on users it had not seen."""

    prior: Prior
    score: float
    """Mean log predictive density of a held-out reward, in nats."""
    current_score: float
    """The same of the current prior."""
    better: bool
    """Worth publishing: not worse than the current prior by more than one standard error."""


def fit(
    histories: Sequence[History],
    current: Prior,
    policy: Policy,
    approaches: Approaches,
    rng: np.random.Generator,
) -> Fit:
    """The next prior, judged on users held out and then fitted to all of them.

    With fewer than `2 * HELD_OUT_MIN` users nothing can be judged, and the current prior stays: so small a
    tenant learns from each user's own rows.
    """
    taught = [kept for kept in map(learned, histories) if len(kept)]
    if len(taught) < 2 * HELD_OUT_MIN:
        return Fit(current, 0.0, 0.0, better=False)
    every = min(HELD_OUT_EVERY, len(taught) // HELD_OUT_MIN)
    seen = [one for number, one in enumerate(taught) if number % every != 1]
    held_out = judged(gather(_some(taught[1::every]), policy), current)
    candidate = _candidate(gather(_some(seen), policy), held_out, current, policy, approaches, rng)
    gained, now = (
        scores(held_out, predicted(held_out, each, policy, approaches)) for each in (candidate, current)
    )
    news = int(np.count_nonzero(held_out.news))
    return Fit(
        prior=_of_everybody(gather(taught, policy), candidate, current.version + 1, approaches, rng),
        score=float(np.sum(gained)) / news,
        current_score=float(np.sum(now)) / news,
        better=_not_worse(gained - now),
    )


def _some(taught: Sequence[History]) -> Sequence[History]:
    """All of them, or enough, taken evenly."""
    return taught[:: -(-len(taught) // SWEPT_USERS_MAX)]


def _not_worse(gains: Floats) -> bool:
    """Whether users lose no more than one standard error of what they gain."""
    return bool(np.sum(gains) + np.std(gains, ddof=1) * np.sqrt(gains.size) >= 0.0)


def _candidate(  # noqa: PLR0917 - one thing after the other, and each of the next
    crowd: Crowd,
    held_out: Judged,
    current: Prior,
    policy: Policy,
    approaches: Approaches,
    rng: np.random.Generator,
) -> Prior:
    """Learns from the reward, or from the index where that predicts later rewards better."""
    known = moments(crowd, features(crowd.history, approaches))
    begin, rewards = start(known.features), current.variances.times(current.reward_noise / current.noise)
    given = _swept(known, rewards, begin)
    kept = {"judged": policy.weights, "temperature": current.temperature, "reward_noise": given.noise}
    plain = replace(_serving(known, given, begin, rng), **kept)
    weights = index(crowd, policy.weights, given.spread, plain.mean, approaches)
    if weights == policy.weights:
        return plain
    told = crowd.judged_by(weights)
    less, heard = _less(crowd, told), judged_by(known, told)
    begin = replace(begin, variances=begin.variances.times(less))
    found = _swept(heard, current.variances if current.index else given.times(less), begin)
    indexed = replace(_serving(heard, found, begin, rng), index=weights, **kept)
    left = [unexplained(held_out, predicted(held_out, each, policy, approaches)) for each in (plain, indexed)]
    return indexed if left[1] < left[0] else plain


def _less(rewards: Crowd, heard: Crowd) -> float:
    """The share of the reward's variance that an index has; what was believed of the reward shrinks with it.

    Over all approaches users' own variance in the index is .5 to .8 of that in the reward (simulated worlds).
    """
    return float(heard.rewards.var() / rewards.rewards.var())


def _swept(known: Moments, given: Variances, begin: Start) -> Variances:
    """What expectation-maximisation reaches from a warm start."""
    for _ in range(SWEEPS_MAX):
        before, given = given, maximise(known, given, posterior(known, given, begin.centre), begin)
        if abs(np.trace(given.spread) / np.trace(before.spread) - 1.0) <= STEADY:
            break
    return given


def _serving(known: Moments, given: Variances, begin: Start, rng: np.random.Generator) -> Prior:
    return believed(posterior(known, given, begin.centre), known.features, given, rng)


def _of_everybody(
    crowd: Crowd, like: Prior, version: int, approaches: Approaches, rng: np.random.Generator
) -> Prior:
    """What everybody's rows say, the index being known; of many users the variances are known as well."""
    told = features(crowd.history, approaches)
    heard = crowd.judged_by(like.index) if like.index else crowd
    known, begin, given = moments(heard, told), start(told), like.variances
    if crowd.users <= SWEPT_USERS_MAX:
        less = _less(crowd, heard) if like.index else 1.0
        given = _swept(known, given, replace(begin, variances=begin.variances.times(less)))
    return replace(
        _serving(known, given, begin, rng),
        version=version,
        users=crowd.users,
        rows=len(crowd.history),
        index=like.index,
        judged=like.judged,
        reward_noise=like.reward_noise if like.index else given.noise,
        temperature=like.temperature,
        layout=() if approaches.plain else approaches.layout,
    )
