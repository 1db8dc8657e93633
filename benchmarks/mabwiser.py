"""MABWiser in the simulation: arms are whole combinations, or one bandit decides each dimension."""

import pickle
from typing import Any

import numpy as np

from amp.learning import reward
from amp.learning.approaches import Approaches
from amp.learning.prior import NEUTRAL_REWARD
from amp.learning.types import Floats, History, Ints, Policy
from amp.simulate.streams import Turn
from amp.simulate.worlds import CONTEXTS
from benchmarks.libraries import library

_WEIGHTS = Policy().weights


def _mab() -> Any:
    return library("mabwiser.mab")


def linear(kind: str, alpha: float) -> Any:
    """A learning policy with a ridge regression an arm: "LinTS" or "LinUCB"."""
    return getattr(_mab().LearningPolicy, kind)(alpha=alpha)


def thompson() -> Any:
    """Beta counts an arm; the library wants rewards that are 0 or 1."""
    return _mab().LearningPolicy.ThompsonSampling(_won)


def ucb1(alpha: float) -> Any:
    """Upper confidence bounds of an arm's mean."""
    return _mab().LearningPolicy.UCB1(alpha=alpha)


def _won(_arm: int, told: float) -> int:
    return int(told > 0.0)


class Pooled:
    """One set of bandits for all users, who are told apart by their context only.

    With `factored` one bandit a dimension, each rewarded with the whole reward; otherwise one bandit whose
    arms are all combinations, which share nothing.
    """

    def __init__(
        self, approaches: Approaches, rng: np.random.Generator, policy: Any, *, factored: bool = True
    ) -> None:
        self._rng = rng
        self._sizes = approaches.sizes if factored else (approaches.count,)
        self._mabs = [_bandit(size, policy, rng) for size in self._sizes]
        self._contexts = _contexts()
        self._heard = False

    def decide(self, turn: Turn) -> Ints:
        told = self._contexts[turn.contexts]
        picked = [
            np.atleast_1d(mab.predict(told))
            if self._heard
            else self._rng.integers(size, size=len(told))  # the library predicts once it has heard something
            for mab, size in zip(self._mabs, self._sizes, strict=True)
        ]
        return np.asarray(np.ravel_multi_index(tuple(picked), self._sizes), np.int64)

    def hear(self, turn: Turn, rows: History) -> None:
        told = reward.rewards(rows, _WEIGHTS) - NEUTRAL_REWARD
        options = np.unravel_index(rows["combination"].astype(np.int64), self._sizes)
        for mab, option in zip(self._mabs, options, strict=True):
            learn = mab.partial_fit if self._heard else mab.fit
            learn(option, told, self._contexts[turn.contexts])
        self._heard = True

    def rest(self) -> None: ...

    def state_bytes(self) -> int:
        return len(pickle.dumps(self._mabs))


class PerUser:
    """Bandits of each user's own, made when the user is first heard of.

    With `factored` one a dimension; otherwise one over all combinations. `linear` policies see a constant.
    """

    def __init__(
        self,
        approaches: Approaches,
        rng: np.random.Generator,
        policy: Any,
        *,
        linear: bool = False,
        factored: bool = True,
    ) -> None:
        self._rng, self._policy = rng, policy
        self._sizes = approaches.sizes if factored else (approaches.count,)
        self._context: Floats | None = np.ones((1, 1)) if linear else None
        self._mabs: dict[int, list[Any]] = {}

    def decide(self, turn: Turn) -> Ints:
        return np.array([self._decide(user) for user in turn.users.tolist()])

    def _decide(self, user: int) -> int:
        if user not in self._mabs:
            return int(self._rng.integers(np.prod(self._sizes)))
        picked = tuple(mab.predict(self._context) for mab in self._mabs[user])
        return int(np.ravel_multi_index(picked, self._sizes))

    def hear(self, turn: Turn, rows: History) -> None:
        told = reward.rewards(rows, _WEIGHTS) - NEUTRAL_REWARD
        options = np.stack(np.unravel_index(rows["combination"].astype(np.int64), self._sizes), axis=1)
        for user, own, gained in zip(turn.users.tolist(), options, told, strict=True):
            new = user not in self._mabs
            if new:
                self._mabs[user] = [_bandit(size, self._policy, self._rng) for size in self._sizes]
            for mab, option in zip(self._mabs[user], own, strict=True):
                (mab.fit if new else mab.partial_fit)(option[None], np.array([gained]), self._context)

    def rest(self) -> None: ...

    def state_bytes(self) -> int:
        return sum(len(pickle.dumps(mabs)) for mabs in self._mabs.values())


def _bandit(arms: int, policy: Any, rng: np.random.Generator) -> Any:
    return _mab().MAB(list(range(arms)), policy, seed=int(rng.integers(2**31)))


def _contexts() -> Floats:
    """A constant, task type and level of each context as indicators; shape (contexts, features)."""
    tasks = sorted({context.task_hash for context in CONTEXTS})
    made = np.zeros((len(CONTEXTS), 1 + len(tasks) + 3))
    made[:, 0] = 1.0
    for index, context in enumerate(CONTEXTS):
        made[index, 1 + tasks.index(context.task_hash)] = 1.0
        made[index, len(tasks) + context.level] = 1.0
    return made
