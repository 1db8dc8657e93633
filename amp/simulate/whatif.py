"""What other policies would have earned in the worlds that a log allows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from amp.learning.types import Floats, Policy, Weights
from amp.simulate.compare import Estimate, estimate, tell
from amp.simulate.fitted import FittedPopulation
from amp.simulate.learner import Learner
from amp.simulate.lineup import MakePlayer
from amp.simulate.rivals import Fixed, Uniform
from amp.simulate.run import run
from amp.simulate.streams import Stream

CURRENT = "current"
FLOORS = (0.0, 0.01, 0.05)


def policies(policy: Policy, others: Mapping[str, Weights]) -> dict[str, Policy]:
    """The current policy, and the same with another floor or other weights."""
    made = {CURRENT: policy}
    for floor in FLOORS:
        if floor != policy.explore_floor:
            made[f"floor {floor:g}"] = replace(policy, explore_floor=floor)
    for name, weights in {"no bonuses": _scaled(policy.weights, 0.0), **others}.items():
        made[f"weights {name}"] = replace(policy, weights=weights)
    return made


def _scaled(weights: Weights, factor: float) -> Weights:
    """Flow, speed and satisfaction counting more or less."""
    return replace(
        weights,
        flow=weights.flow * factor,
        speed=weights.speed * factor,
        satisfaction=weights.satisfaction * factor,
    )


def players(population: FittedPopulation, others: Mapping[str, Policy]) -> dict[str, MakePlayer]:
    """These policies played by the learner, a uniform choice, and the best approach for all."""

    def learner(policy: Policy, stream: Stream, rng: np.random.Generator) -> Learner:
        return Learner(stream.world.users, population.approaches, policy, rng)

    made: dict[str, MakePlayer] = {name: partial(learner, policy) for name, policy in others.items()}
    made["uniform"] = lambda _, rng: Uniform(population.approaches, rng)
    made["best fixed"] = lambda _, __: Fixed(population.best_fixed)
    return made


@dataclass(frozen=True)
class Forecast:
    """What a policy earns in the fitted worlds, per interaction."""

    policy: str
    values: Floats
    """Mean expected reward under the weights in force, one a seed."""

    @property
    def value(self) -> Estimate:
        return estimate(list(self.values))

    def above(self, other: "Forecast") -> Estimate:
        """The difference, seed by seed on the same users and luck."""
        return estimate(list(self.values - other.values))


def forecast(
    population: FittedPopulation,
    users: int,
    seeds: Sequence[int],
    playing: Mapping[str, MakePlayer],
    told: Callable[[str, int, float], None] = lambda _policy, _seed, _share: None,
) -> list[Forecast]:
    """Every player in every seed's world."""
    values: dict[str, list[float]] = {name: [] for name in playing}
    for seed in seeds:
        same = population.stream(users, seed)
        for name, player in playing.items():
            rng = np.random.default_rng([seed, *name.encode()])
            step = partial(tell, told, name, seed, same.interactions)
            values[name].append(float(run(same, player(same, rng), step).mean()))
    return [Forecast(name, np.array(each)) for name, each in values.items()]
