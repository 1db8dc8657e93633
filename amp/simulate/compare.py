"""Policies on the same streams, over several seeds: what each captured, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from amp.learning.approaches import Approaches
from amp.learning.types import Floats
from amp.simulate.lineup import MakePlayer
from amp.simulate.run import run
from amp.simulate.score import Score, score
from amp.simulate.streams import stream
from amp.simulate.worlds import make


@dataclass(frozen=True)
class Estimate:
    """Means over seeds, element by element."""

    mean: Floats
    """nan where no seed has a value."""
    error: Floats | None
    """Standard error over the seeds; None when there is one seed."""


def estimate(values: Sequence[Floats]) -> Estimate:
    """Of one array a seed, all of one shape."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, stacked, 0.0)
    mean = np.where(known.any(axis=0), filled.sum(axis=0) / count, np.nan)
    if len(values) == 1:
        return Estimate(mean, None)
    squares = np.where(known, (stacked - mean) ** 2, 0.0).sum(axis=0)
    error = np.sqrt(squares / np.maximum(count - 1, 1) / count)
    return Estimate(mean, np.where(known.sum(axis=0) > 1, error, np.nan))


@dataclass(frozen=True)
class Result:
    """How a policy did in a world."""

    policy: str
    scores: list[Score]
    """One a seed."""

    @property
    def everybody(self) -> Estimate:
        return estimate([each.everybody for each in self.scores])

    @property
    def late(self) -> Estimate:
        return estimate([each.late for each in self.scores])

    @property
    def by_interaction(self) -> Estimate:
        return estimate([each.by_interaction for each in self.scores])


Told = Callable[[str, int, float], None]
"""Policy, seed, and the share of its run that was just made."""


def compare(
    world: str,
    users: int,
    seeds: Sequence[int],
    players: Mapping[str, MakePlayer],
    *,
    approaches: Approaches,
    told: Told = lambda _policy, _seed, _share: None,
) -> list[Result]:
    """Every player on every seed's stream; each has chance of its own, so the others do not change it."""
    results = [Result(policy, []) for policy in players]
    for seed in seeds:
        same = stream(make(world, users, seed, approaches), seed)
        for result, (policy, player) in zip(results, players.items(), strict=True):
            rng = np.random.default_rng([seed, *policy.encode()])
            step = partial(tell, told, policy, seed, same.interactions)
            result.scores.append(score(same, run(same, player(same, rng), step)))
    return results


def tell(told: Told, policy: str, seed: int, interactions: int, done: int) -> None:
    told(policy, seed, done / interactions)


def smooth(values: Floats) -> Floats:
    """The mean with the neighbours, of which an interaction has the more the later it is; nan is left out."""
    smoothed = np.full(len(values), np.nan)
    for index in range(len(values)):
        reach = (index + 1) // 8
        near = values[max(0, index - reach) : index + reach + 1]
        near = near[~np.isnan(near)]
        if near.size:
            smoothed[index] = near.mean()
    return smoothed
