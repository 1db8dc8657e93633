"""Worlds whose truth is known: one latent utility for each user, combination and context; five raw signals.

started ~ Bern(s(0.2 + eta)); log seconds to start ~ N(log 900 - 0.5 eta, 1); completed, if started,
~ Bern(s(0.4 + 0.7 eta)); flow, if completed, ~ Bern(s(-0.8 + 0.7 eta)); satisfaction, if started,
= s(0.3 + 0.6 eta + 0.8 z). Twelve contexts: four task types at three levels. Coefficients stand on the
orthonormal contrasts of the design; a user's intercept has sd 0.6 in every world.
They rank designs; they do not predict what real users gain. Source: learning.md section 2.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit

from amp.learning import rows
from amp.learning.approaches import Approaches
from amp.learning.types import Context, Floats, Ints, Signals, Weights

TASK_TYPES = ("coding", "debugging", "writing", "planning")
CONTEXTS = tuple(Context(rows.task_hash(task), level) for task in TASK_TYPES for level in (1, 2, 3))
INTERCEPT_SD = 0.6
POPULATION_SD = 0.35
PERSONAL_SDS = (0.60, 0.45, 0.35, 0.25)
"""World c: of users' contrasts, by dimension; a further dimension has the last."""
KINDS = (0.4, 0.3, 0.2, 0.1)
"""World d: the share of each latent type."""


@dataclass(frozen=True)
class Told:
    """The signals of many interactions; what was not said is False or 0. Shape (n,) each."""

    started: np.ndarray
    completed: np.ndarray
    flow: np.ndarray
    start_ms: Ints
    satisfaction: Floats
    said: Ints
    """Which of them were said, in the bits of a row's `signals`; that it started or not always is."""

    def signals(self, index: int) -> Signals:
        """Those of one interaction, satisfaction as it was."""
        said = int(self.said[index])
        return Signals(
            started=bool(self.started[index]),
            completed=bool(self.completed[index]) if said & rows.COMPLETED_SAID else None,
            time_to_start_ms=int(self.start_ms[index]) if said & rows.START_TIME_SAID else None,
            flow_state=bool(self.flow[index]) if said & rows.FLOW_SAID else None,
            satisfaction=float(self.satisfaction[index]) if said & rows.SATISFACTION_SAID else None,
        )


class Emission(NamedTuple):
    """What utilities lead to."""

    emit: Callable[[Floats, Floats], Told]
    """The signals of interactions at these utilities, with this luck; shapes (n,) and (n, some)."""
    expected_reward: Callable[[Floats], Floats]
    """E[reward | utility]; any shape."""


@dataclass(frozen=True)
class World:
    """Latent utility = the user's own part + what the context adds for everybody alike."""

    name: str
    approaches: Approaches
    own: Floats
    """Shape (users, combinations)."""
    added: Floats
    """Shape (contexts, combinations)."""
    contexts: tuple[Context, ...] = CONTEXTS
    emission: Emission = field(default_factory=lambda: Emission(emit, expected_reward), repr=False)

    @property
    def users(self) -> int:
        return len(self.own)

    def utilities(self, users: Ints, contexts: Ints) -> Floats:
        """Eta of every combination; shape (n, combinations)."""
        return self.own[users] + self.added[contexts]

    def utility(self, users: Ints, contexts: Ints, chosen: Ints) -> Floats:
        """Eta of the chosen combination; shape (n,)."""
        return self.own[users, chosen] + self.added[contexts, chosen]


def _alike(rng: np.random.Generator, users: int, approaches: Approaches) -> World:
    """All users like the same; only their intercepts differ."""
    return _of("a", approaches, _mean(rng, approaches, 0.5) + np.zeros((users, 1)), rng)


def _independent(rng: np.random.Generator, users: int, approaches: Approaches) -> World:
    """Users have tastes, and nothing in common."""
    return _of("b", approaches, _personal(rng, users, approaches), rng)


def _gaussian(rng: np.random.Generator, users: int, approaches: Approaches) -> World:
    """The population has tastes, and each user departs from them in their own way."""
    mean = _mean(rng, approaches, POPULATION_SD)
    return _of("c", approaches, mean + _personal(rng, users, approaches), rng)


def _types(rng: np.random.Generator, users: int, approaches: Approaches) -> World:
    """Four latent types of users, and a little of their own."""
    p = approaches.design.shape[1] - 1
    kinds = rng.normal(0.0, 0.6, (len(KINDS), p))
    tastes = kinds[rng.choice(len(KINDS), users, p=KINDS)] + rng.normal(0.0, 0.15, (users, p))
    return _of("d", approaches, tastes @ approaches.design[:, 1:].T, rng)


def _pairs(rng: np.random.Generator, users: int, approaches: Approaches) -> World:
    """Options work in pairs: for the population, and in part for each user."""
    mean = _mean(rng, approaches, POPULATION_SD)
    contrasts = approaches.pair_contrasts
    pairs = contrasts @ rng.normal(0.0, POPULATION_SD, int(contrasts.shape[1]))
    p = approaches.design.shape[1] - 1
    tastes = rng.normal(0.0, 0.25, (users, p)) @ approaches.design[:, 1:].T
    tastes += rng.normal(0.0, 0.12, (users, contrasts.shape[1])) @ contrasts.T
    return _of("e", approaches, mean + pairs + tastes, rng)


def _contextual(rng: np.random.Generator, users: int, approaches: Approaches) -> World:
    """What works depends on the task type and its level, and little on the user."""
    contrasts = approaches.design[:, 1:]
    p = contrasts.shape[1]
    by_task = rng.normal(0.0, 0.40, (len(TASK_TYPES), p)) @ contrasts.T
    by_level = rng.normal(0.0, 0.40, (3, p)) @ contrasts.T
    tastes = rng.normal(0.0, 0.20, (users, p)) @ contrasts.T
    added = (by_task[:, None] + by_level).reshape(len(CONTEXTS), approaches.count)
    return _of("f", approaches, tastes, rng, added)


WORLDS: dict[str, Callable[[np.random.Generator, int, Approaches], World]] = {
    "a": _alike,
    "b": _independent,
    "c": _gaussian,
    "d": _types,
    "e": _pairs,
    "f": _contextual,
}
"""By the letters of learning.md section 2."""


def describe(name: str) -> str:
    """What is special about a world, in a sentence."""
    return (WORLDS[name].__doc__ or "").strip()


def make(name: str, users: int, seed: int, approaches: Approaches) -> World:
    """The world of this name; the same seed makes the same one."""
    return WORLDS[name](np.random.default_rng([seed, ord(name)]), users, approaches)


def _mean(rng: np.random.Generator, approaches: Approaches, sd: float) -> Floats:
    contrasts = approaches.design[:, 1:]
    return contrasts @ rng.normal(0.0, sd, int(contrasts.shape[1]))


def _personal(rng: np.random.Generator, users: int, approaches: Approaches) -> Floats:
    sds = [
        PERSONAL_SDS[min(index, len(PERSONAL_SDS) - 1)]
        for index, size in enumerate(approaches.sizes)
        for _ in range(size - 1)
    ]
    tastes = rng.normal(0.0, np.array(sds), (users, len(sds)))
    return tastes @ approaches.design[:, 1:].T


def _of(
    name: str, approaches: Approaches, tastes: Floats, rng: np.random.Generator, added: Floats | None = None
) -> World:
    own = tastes + rng.normal(0.0, INTERCEPT_SD, (len(tastes), 1))
    none = np.zeros((len(CONTEXTS), approaches.count))
    return World(name, approaches, own, none if added is None else added)


LUCK = 5
"""Numbers that chance holds ready for one interaction: three uniforms, then two standard normals."""


def luck(rng: np.random.Generator, count: int) -> Floats:
    """Shape (count, LUCK)."""
    return np.column_stack([rng.random((count, 3)), rng.standard_normal((count, 2))])


def emit(eta: Floats, chance: Floats) -> Told:
    """What comes of interactions at these utilities; the same chance and utility give the same."""
    started = chance[:, 0] < expit(0.2 + eta)
    completed = started & (chance[:, 1] < expit(0.4 + 0.7 * eta))
    at_start = rows.COMPLETED_SAID | rows.START_TIME_SAID | rows.SATISFACTION_SAID
    return Told(
        started=started,
        completed=completed,
        flow=completed & (chance[:, 2] < expit(-0.8 + 0.7 * eta)),
        start_ms=(1e3 * np.exp(np.log(900.0) - 0.5 * eta + chance[:, 3])).astype(np.int64),
        satisfaction=expit(0.3 + 0.6 * eta + 0.8 * chance[:, 4]),
        said=started * at_start + completed * rows.FLOW_SAID,
    )


def expected_reward(eta: Floats, weights: Weights = Weights()) -> Floats:  # noqa: B008  immutable
    """E[reward | eta], to within 0.0001; any shape."""
    return np.interp(eta, *_curve(weights))


@lru_cache(maxsize=16)
def _curve(weights: Weights) -> tuple[Floats, Floats]:
    """Eta and its expected reward; normals are integrated out by Gauss-Hermite."""
    eta = np.linspace(-9.0, 9.0, 1801)
    nodes, shares = hermegauss(30)
    shares /= shares.sum()
    started, completed, flow = expit(0.2 + eta), expit(0.4 + 0.7 * eta), expit(-0.8 + 0.7 * eta)
    seconds = np.exp(np.log(900.0) - 0.5 * eta[:, None] + nodes)
    speed = np.exp2(-seconds / weights.speed_half_life_s) @ shares
    satisfaction = expit(0.3 + 0.6 * eta[:, None] + 0.8 * nodes) @ shares
    once_started = (
        weights.started * (1.0 - completed)
        + (weights.completed + weights.flow * flow) * completed
        + weights.speed * speed
        + weights.satisfaction * (2.0 * satisfaction - 1.0)
    )
    return eta, (weights.never_started * (1.0 - started) + started * once_started + 1.0) / 2.0
