"""Manual preferences: a strong prior for one option that the user's outcomes with it still move.

A preference adds to its option's expected reward and touches nothing else: neither what is believed of other
dimensions nor the user's weight. It is pseudo-outcomes of that option, pooled with the real ones.
Contract: amp.md, PUT /v1/profile.
"""

from collections.abc import Sequence

import numpy as np

from amp.learning import reward, rows
from amp.learning.population import Population
from amp.learning.prior import NEUTRAL_REWARD
from amp.learning.types import Floats, History, Policy, Preference

PREFERENCE_OUTCOMES = 20
"""Outcomes of reward 1 that a preference counts as: it outlives five failures, not three dozen."""
PREFERENCE_LEAD = 0.3
"""Expected reward by which an uncontested preference leads its dimension: from neutral to past completed."""


def tilt(
    preferences: Sequence[Preference | None],
    history: History,
    means: Floats,
    crowd: Population,
    policy: Policy,
    *,
    excluded: int = 0,
) -> Floats:
    """What preferences add to each option's expected reward `means`; both of shape (options,).

    A locked dimension's other options get -inf, and so do those that are `excluded` (a bit each), which no
    preference and no lock brings back.
    """
    added, out = np.zeros(means.size), _places(excluded, crowd)
    rewarded = reward.rewards(history, policy.weights)
    weight = policy.decay ** np.arange(len(history) - 1, -1, -1)
    for dimension, preference in enumerate(preferences):
        if preference is None:
            continue
        start, size = crowd.starts[dimension], crowd.sizes[dimension]
        preferred = start + crowd.approaches.dimensions[dimension].offered.index(preference.option)
        if preferred in out:
            continue
        if preference.locked:
            added[start : start + size] = -np.inf
            added[preferred] = 0.0
            continue
        behind = means[start : start + size].max() - means[preferred]
        shown = crowd.options_at[crowd.approaches.points(history), dimension] == preferred
        counted = shown & (rows.decided_ms(history) >= preference.since_ms)
        added[preferred] = _strength(weight * counted, rewarded, crowd) * (PREFERENCE_LEAD + behind)
    added[out] = -np.inf
    return added


def _places(excluded: int, crowd: Population) -> list[int]:
    """Where the options of this mask, a bit for every option there ever was, stand among those offered."""
    if not excluded:
        return []
    places: list[int] = []
    first = 0
    for start, dimension in zip(crowd.starts, crowd.approaches.dimensions, strict=True):
        offered = enumerate(dimension.offered, start)
        places += [place for place, option in offered if excluded >> (first + option) & 1]
        first += len(dimension.options)
    return places


def _strength(weight: Floats, rewarded: Floats, crowd: Population) -> float:
    """1 when stated; falls with the option's record to 0 at the population's mean reward, or neutral."""
    record = (PREFERENCE_OUTCOMES + weight @ rewarded) / (PREFERENCE_OUTCOMES + weight.sum())
    given_up = min(NEUTRAL_REWARD, float(crowd.prior.mean[0]))
    return min(1.0, max(0.0, float(record - given_up) / (1.0 - given_up)))
