"""The policies that ours is compared with: those everybody knows, and two that know what nobody can."""

import numpy as np

from amp.learning import reward
from amp.learning.approaches import Approaches
from amp.learning.prior import NEUTRAL_REWARD
from amp.learning.types import Floats, History, Ints, Policy
from amp.simulate.streams import Stream, Turn
from amp.simulate.worlds import CONTEXTS, expected_reward

_WEIGHTS = Policy().weights


class _Deaf:
    """A policy that learns nothing."""

    def hear(self, turn: Turn, rows: History) -> None: ...

    def rest(self) -> None: ...


class Uniform(_Deaf):
    """Every combination alike."""

    def __init__(self, approaches: Approaches, rng: np.random.Generator) -> None:
        self._offered, self._rng = approaches.offered, rng

    def decide(self, turn: Turn) -> Ints:
        return self._offered[self._rng.integers(len(self._offered), size=len(turn.users))]


class Fixed(_Deaf):
    """One combination for everybody, always."""

    def __init__(self, combination: int) -> None:
        self.combination = combination

    def decide(self, turn: Turn) -> Ints:
        return np.full(len(turn.users), self.combination)


class BestFixed(Fixed):
    """The one combination that is best for all these users and contexts together; it knows the truth."""

    def __init__(self, stream: Stream) -> None:
        world = stream.world
        users = np.repeat(np.arange(world.users), len(CONTEXTS))
        contexts = np.tile(np.arange(len(CONTEXTS)), world.users)
        worth = np.zeros(world.approaches.count)
        for first in range(0, len(users), 4096):
            part = slice(first, first + 4096)
            worth += expected_reward(world.utilities(users[part], contexts[part])).sum(axis=0)
        super().__init__(int(worth.argmax()))


class UserBeta:
    """Thompson sampling on one Beta(1, 1) for each user and combination, with fractional counts."""

    def __init__(self, users: int, approaches: Approaches, rng: np.random.Generator) -> None:
        self._rng = rng
        self._counts = np.ones((users, approaches.count, 2), np.float32)

    def decide(self, turn: Turn) -> Ints:
        counts = self._counts[turn.users]
        return self._rng.beta(counts[..., 0], counts[..., 1]).argmax(axis=1)

    def hear(self, turn: Turn, rows: History) -> None:
        told = reward.rewards(rows, _WEIGHTS)
        self._counts[turn.users, rows["combination"]] += np.column_stack([told, 1.0 - told])

    def rest(self) -> None: ...


class FactoredBeta:
    """Thompson sampling on one Beta(1, 1) for each user, dimension and option, with fractional counts."""

    def __init__(self, users: int, approaches: Approaches, rng: np.random.Generator) -> None:
        self._rng, self._approaches = rng, approaches
        self._counts = [np.ones((users, size, 2)) for size in approaches.sizes]

    def decide(self, turn: Turn) -> Ints:
        picked: list[Ints] = []
        for counts in self._counts:
            own = counts[turn.users]
            picked.append(self._rng.beta(own[..., 0], own[..., 1]).argmax(axis=1))
        return np.asarray(np.ravel_multi_index(tuple(picked), self._approaches.sizes), np.int64)

    def hear(self, turn: Turn, rows: History) -> None:
        told = reward.rewards(rows, _WEIGHTS)
        options = self._approaches.options_of[rows["combination"]]
        for dimension, counts in enumerate(self._counts):
            counts[turn.users, options[:, dimension]] += np.column_stack([told, 1.0 - told])

    def rest(self) -> None: ...


class PooledLinear:
    """Linear Thompson sampling over all users together, on options, their pairs and the context."""

    def __init__(
        self,
        approaches: Approaches,
        rng: np.random.Generator,
        *,
        temperature: float = 0.3,
        prior_sd: float = 0.1,
    ) -> None:
        self._rng, self._temperature = rng, temperature
        self._features = features(approaches)
        p = self._features.shape[2]
        self._precision = np.eye(p) / prior_sd**2
        self._precision[0, 0] = 1.0 / 0.2**2
        self._pull = np.zeros(p)

    def decide(self, turn: Turn) -> Ints:
        root = np.linalg.inv(np.linalg.cholesky(self._precision)).T
        mean = root @ (root.T @ self._pull)
        noise = self._rng.standard_normal((len(turn.users), len(mean))) @ root.T
        draws = mean + self._temperature * noise
        return np.array(
            [
                int((self._features[context] @ draw).argmax())
                for context, draw in zip(turn.contexts, draws, strict=True)
            ]
        )

    def hear(self, turn: Turn, rows: History) -> None:
        x = self._features[turn.contexts, rows["combination"]]
        y = reward.rewards(rows, _WEIGHTS) - NEUTRAL_REWARD
        self._precision += x.T @ x / _POOLED_NOISE
        self._pull += x.T @ y / _POOLED_NOISE

    def rest(self) -> None: ...


_POOLED_NOISE = 0.17
"""Of one reward around the population's expectation: within users and between them."""


def features(approaches: Approaches) -> Floats:
    """What a pooled linear model sees: options, pairs, task type, level, and either times the options.

    Shape (contexts, combinations, features).
    """
    design = approaches.design[:, 1:]
    fixed = np.hstack([np.ones((approaches.count, 1)), design, approaches.pair_contrasts])
    tasks = sorted({context.task_hash for context in CONTEXTS})
    made: list[Floats] = []
    for context in CONTEXTS:
        told = np.zeros(len(tasks) + 3)
        told[tasks.index(context.task_hash)] = told[len(tasks) + context.level - 1] = 1.0
        shifts = (told[:, None] * np.hstack([np.ones((approaches.count, 1)), design])[:, None, :]).reshape(
            approaches.count, -1
        )
        made.append(np.hstack([fixed, shifts]))
    return np.array(made)
