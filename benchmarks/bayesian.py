"""bayesianbandits in the simulation: Thompson sampling on a Gaussian linear model of the whole design."""

import pickle
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from amp.learning import reward
from amp.learning.approaches import Approaches
from amp.learning.prior import NEUTRAL_REWARD
from amp.learning.types import Floats, History, Ints, Policy
from amp.simulate.rivals import features
from amp.simulate.streams import Turn
from benchmarks.libraries import BAYESIANBANDITS, library

_WEIGHTS = Policy().weights
_NOISE = 0.17
"""Of one reward around the population's expectation, as `rivals.PooledLinear` has it."""


class _Design:
    """The library's arm featurizer: the rows of the design for contexts and arms."""

    def __init__(self, table: Floats) -> None:
        self.table = table
        self._whole = table.shape[1]

    def transform(self, X: Ints, *, action_tokens: Sequence[int]) -> Floats:
        """Shape (contexts * arms, features)."""
        if len(X) == 1 and len(action_tokens) == self._whole:
            return self.table[X[0]]
        return self.table[X][:, list(action_tokens)].reshape(-1, self.table.shape[2])


class Pooled:
    """One `NormalRegressor` for all users on options, their pairs, the context and context x options.

    The temperature scales the posterior's spread, by prior and noise precision alike.
    """

    def __init__(
        self,
        approaches: Approaches,
        rng: np.random.Generator,
        *,
        temperature: float = 1.0,
        prior_sd: float = 0.1,
    ) -> None:
        self._design = _Design(features(approaches))
        self._agent, self._learner = _agent(self._design, rng, temperature, prior_sd)

    def decide(self, turn: Turn) -> Ints:
        return np.array([self._agent.pull(turn.contexts[i : i + 1])[0] for i in range(len(turn.contexts))])

    def hear(self, turn: Turn, rows: History) -> None:
        told = reward.rewards(rows, _WEIGHTS) - NEUTRAL_REWARD
        self._learner.partial_fit(self._design.table[turn.contexts, rows["combination"]], told)

    def rest(self) -> None: ...

    def state_bytes(self) -> int:
        return len(pickle.dumps(self._learner))


class PerUser:
    """A `NormalRegressor` of each user's own.

    Without `worth` it begins with the library's prior, on options alone. With it, a newcomer begins with the
    pooled posterior of that moment, whose precision the library's `decay` lowers to what `worth` outcomes
    would give: the hierarchy that the library offers.
    """

    def __init__(
        self,
        approaches: Approaches,
        rng: np.random.Generator,
        *,
        temperature: float = 1.0,
        prior_sd: float = 0.1,
        worth: float | None = None,
    ) -> None:
        pooled = worth is not None
        table = features(approaches) if pooled else approaches.design[None]
        self._design, self._worth = _Design(table), worth
        self._agent, self._crowd = _agent(self._design, rng, temperature, prior_sd)
        self._own: dict[int, Any] = {}
        self._outcomes = 0

    def decide(self, turn: Turn) -> Ints:
        return np.array([self._decide(user, context) for user, context, _ in turn.each()])

    def _decide(self, user: int, context: int) -> int:
        self._agent.learner = self._of(user)
        return self._agent.pull(np.array([context if self._worth else 0]))[0]

    def hear(self, turn: Turn, rows: History) -> None:
        told = reward.rewards(rows, _WEIGHTS) - NEUTRAL_REWARD
        contexts = turn.contexts if self._worth else np.zeros_like(turn.contexts)
        seen = self._design.table[contexts, rows["combination"]]
        for user, x, y in zip(turn.users.tolist(), seen, told, strict=True):
            self._own[user].partial_fit(x[None], y[None])
        if self._worth:
            self._crowd.partial_fit(seen, told)
            self._outcomes += len(told)

    def rest(self) -> None: ...

    def state_bytes(self) -> int:
        return sum(len(pickle.dumps(own)) for own in self._own.values())

    def _of(self, user: int) -> Any:
        if user not in self._own:
            rng, self._crowd.random_state = self._crowd.random_state, None
            own = deepcopy(self._crowd)
            own.random_state = self._crowd.random_state = rng  # one chance for all
            if self._worth and self._outcomes > self._worth:
                own.decay(decay_rate=self._worth / self._outcomes)
            self._own[user] = own
        return self._own[user]


def _agent(design: _Design, rng: np.random.Generator, temperature: float, prior_sd: float) -> tuple[Any, Any]:
    """The library's agent of a shared model, and that model."""
    bandits = library(BAYESIANBANDITS)
    learner = bandits.NormalRegressor(
        alpha=(prior_sd * temperature) ** -2, beta=1.0 / (_NOISE * temperature**2)
    )
    agent = bandits.LipschitzContextualAgent(
        arms=[bandits.Arm(combination) for combination in range(design.table.shape[1])],
        policy=bandits.ThompsonSampling(),
        arm_featurizer=design,
        learner=learner,
        random_seed=rng,
    )
    return agent, learner
