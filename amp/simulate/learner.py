"""Our own learner in the simulation: the same pure functions that serve, on the same packed rows."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from amp.learning import fit, selfplay
from amp.learning.approaches import Approaches
from amp.learning.learners import choose
from amp.learning.prior import POPULATION_DRAWS, Prior, shipped
from amp.learning.types import Ask, Context, Effects, Floats, History, Ints, Policy
from amp.simulate.histories import Histories
from amp.simulate.streams import Stream, Turn
from amp.simulate.worlds import CONTEXTS, World, expected_reward

GROWTH, FIRST_AT = 1.15, 20


class Learner:
    """Decides with `choose` and refits as the service does."""

    def __init__(
        self,
        users: int,
        approaches: Approaches,
        policy: Policy,
        rng: np.random.Generator,
        prior: Prior | None = None,
    ) -> None:
        self.prior = prior or shipped(approaches)
        self._fixed = prior is not None
        self._policy, self._approaches, self._rng = policy, approaches, rng
        self._histories = Histories(users)
        self._fitted = self._played_at = 0

    def decide(self, turn: Turn) -> Ints:
        asks = [
            Ask(self._histories.of(user), turn.among[context], nonce) for user, context, nonce in turn.each()
        ]
        choices = choose(asks, self.prior, self._policy, self._approaches)
        return np.array([each.combination for each in choices])

    def hear(self, turn: Turn, rows: History) -> None:
        rows["prior_version"] = self.prior.version
        self._histories.append(turn.users, rows)

    def rest(self) -> None:
        outcomes = self._histories.outcomes
        if self._fixed or outcomes < FIRST_AT or outcomes < GROWTH * self._fitted:
            return
        self._fitted = outcomes
        fitted = fit.fit(self._histories.all(), self.prior, self._policy, self._approaches, self._rng)
        if fitted.better:
            self.prior = self._played(fitted.prior, outcomes)

    def _played(self, fitted: Prior, outcomes: int) -> Prior:
        """With the temperature of self-play, whenever the outcomes have doubled."""
        if outcomes < 2 * self._played_at:
            return fitted
        self._played_at = outcomes
        found = selfplay.temperature(fitted, self._policy, self._approaches, self._rng)
        return replace(fitted, temperature=found)


@dataclass(frozen=True)
class KnownEffects(Effects):
    """What contexts and pairs truly add; `types.Effects` without uncertainty."""

    approaches: Approaches
    offsets: dict[Context, Floats] = field(repr=False)

    def table(self, context: Context) -> Floats:
        return np.tile(self._of(context), (1 + POPULATION_DRAWS, 1))

    def options(self, context: Context) -> Floats:
        table = self._of(context)
        means = [
            table[self.approaches.options_of[:, dimension] == option].mean()
            for dimension, size in enumerate(self.approaches.sizes)
            for option in range(size)
        ]
        return np.tile(means, (1 + POPULATION_DRAWS, 1))

    def _of(self, context: Context) -> Floats:
        """Of a context that is none of the world's, the mean of them all."""
        known = self.offsets.get(context)
        return np.mean(list(self.offsets.values()), axis=0) if known is None else known

    def at(self, history: History) -> Floats:
        levels = history["circumstance"] & 3
        return np.array(
            [
                self.offsets[Context(int(task), int(level))][combination]
                for task, level, combination in zip(
                    history["task_hash"], levels, history["combination"], strict=True
                )
            ]
        )


def known_prior(world: World, noise: float = 0.15) -> Prior:
    """The true population as the model would know it after infinitely many users: mean, spread, offsets."""
    design = world.approaches.design
    pseudo = np.linalg.pinv(design)
    values = np.array(
        [
            expected_reward(world.utilities(np.arange(world.users), np.full(world.users, context)))
            for context in range(len(CONTEXTS))
        ]
    )
    coefficients = values.mean(axis=0) @ pseudo.T
    mean = coefficients.mean(axis=0)
    spread = np.asarray(np.cov(coefficients.T), np.float64) + 1e-6 * np.eye(len(mean))
    offsets: dict[Context, Any] = {
        context: values[index].mean(axis=0) - design @ mean for index, context in enumerate(CONTEXTS)
    }
    return Prior(
        version=1,
        mean=mean,
        precision=np.linalg.inv(spread).astype(np.float64),
        noise=noise,
        mean_draws=np.tile(mean, (POPULATION_DRAWS, 1)),
        temperature=0.3,
        effects=KnownEffects(world.approaches, offsets),
    )


def known(stream: Stream, policy: Policy, rng: np.random.Generator) -> Learner:
    """Thompson sampling that knows the true prior."""
    world = stream.world
    return Learner(world.users, world.approaches, policy, rng, known_prior(world))
