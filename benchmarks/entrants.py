"""Who is measured on the same streams, with which settings, and how the state of a user is counted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from amp.learning.approaches import PUBLISHED
from amp.learning.types import Policy
from amp.simulate import learner, rivals
from amp.simulate.run import Player
from amp.simulate.streams import Stream
from benchmarks import bayesian, mabwiser, vowpal
from benchmarks.libraries import BAYESIANBANDITS, MABWISER, VOWPAL_WABBIT

Maker = Callable[[Stream, np.random.Generator], Player]


@dataclass(frozen=True)
class Setting:
    """One way to set a policy up."""

    name: str
    make: Maker
    seeds_max: int | None = None
    """Only so many seeds: what is slow, or was far behind in every trial, is shown and not laboured."""


@dataclass(frozen=True)
class Family:
    """A policy in all its settings; the best of them stands for it."""

    name: str
    title: str
    settings: tuple[Setting, ...]
    library: str | None = None
    alone: bool = False
    """Decides for one user at a time; the others decide for all of a round together."""
    state: Literal["rows", "own", "shared"] = "own"
    """A user's state: stored rows, a part of the model's own, or nothing beside what all share."""
    beyond: str | None = None
    """The family whose model is the part of this one's that all share."""
    users_max: int | None = None
    """Too slow for larger populations."""


def _ours(stream: Stream, rng: np.random.Generator) -> Player:
    return learner.Learner(stream.world.users, PUBLISHED, Policy(), rng)


def _textbook(stream: Stream, rng: np.random.Generator) -> Player:
    return learner.Learner(
        stream.world.users, PUBLISHED, Policy(temperature=1.0, population_temperature=1.0), rng
    )


def _known(stream: Stream, rng: np.random.Generator) -> Player:
    return learner.known(stream, replace(Policy(), explore_floor=0.0), rng)


def _linear(temperature: float, prior_sd: float, seeds_max: int | None = None) -> Setting:
    return Setting(
        f"v {temperature}, prior sd {prior_sd}",
        lambda _, rng: rivals.PooledLinear(PUBLISHED, rng, temperature=temperature, prior_sd=prior_sd),
        seeds_max,
    )


def _vowpal(gamma_scale: int, sees: vowpal.Sees, seeds_max: int | None = None) -> Setting:
    return Setting(
        f"gamma_scale {gamma_scale:,}",
        lambda _, rng: vowpal.VowpalWabbit(PUBLISHED, rng, gamma_scale=gamma_scale, sees=sees),
        seeds_max,
    )


def _mabwiser(kind: str, alpha: float, *, factored: bool = True, seeds_max: int | None = None) -> Setting:
    return Setting(
        f"{kind} alpha {alpha}",
        lambda _, rng: mabwiser.Pooled(PUBLISHED, rng, mabwiser.linear(kind, alpha), factored=factored),
        seeds_max,
    )


def _mabwiser_own(name: str, policy: Callable[[], Any], seeds_max: int | None = None) -> Setting:
    return Setting(
        name,
        lambda _, rng: mabwiser.PerUser(PUBLISHED, rng, policy(), linear=name.startswith("Lin")),
        seeds_max,
    )


def _bayesian(temperature: float) -> Setting:
    return Setting(
        f"v {temperature}", lambda _, rng: bayesian.Pooled(PUBLISHED, rng, temperature=temperature)
    )


def _bayesian_own(temperature: float, worth: float | None = None) -> Setting:
    return Setting(
        f"v {temperature}" + (f", crowd worth {worth:,.0f} outcomes" if worth else ""),
        lambda _, rng: bayesian.PerUser(PUBLISHED, rng, temperature=temperature, worth=worth),
        1,
    )


OURS, KNOWN, LINEAR = "ours", "known", "linear"
FAMILIES = (
    Family(OURS, "amp", (Setting("default", _ours),), state="rows"),
    Family(
        "vw",
        "Vowpal Wabbit squarecb, pooled",
        (_vowpal(100, "context", 1), _vowpal(1_000, "context"), _vowpal(10_000, "context")),
        VOWPAL_WABBIT,
        alone=True,
        state="shared",
    ),
    Family(
        "vw-crossed",
        "Vowpal Wabbit squarecb, pooled + user x option",
        tuple(_vowpal(gamma_scale, "context and user") for gamma_scale in (1_000, 10_000)),
        VOWPAL_WABBIT,
        alone=True,
        beyond="vw",
    ),
    Family(
        "vw-user",
        "Vowpal Wabbit squarecb, per user",
        (_vowpal(1_000, "user", 1),),
        VOWPAL_WABBIT,
        alone=True,
        users_max=300,
    ),
    Family(
        "mabwiser",
        "MABWiser, pooled, one bandit a dimension",
        (_mabwiser("LinTS", 0.1), _mabwiser("LinTS", 0.3), _mabwiser("LinUCB", 1.0, seeds_max=1)),
        MABWISER,
        state="shared",
    ),
    Family(
        "mabwiser-arms",
        "MABWiser, pooled, 256 arms",
        (_mabwiser("LinUCB", 0.3, factored=False, seeds_max=1),),
        MABWISER,
        state="shared",
        users_max=300,
    ),
    Family(
        "mabwiser-user",
        "MABWiser, per user, one bandit a dimension",
        (
            _mabwiser_own("Thompson", mabwiser.thompson, 1),
            _mabwiser_own("UCB1 alpha 0.3", lambda: mabwiser.ucb1(0.3), 1),
            _mabwiser_own("LinTS alpha 0.3", lambda: mabwiser.linear("LinTS", 0.3), 1),
        ),
        MABWISER,
        alone=True,
        users_max=300,
    ),
    Family(
        "bayesianbandits",
        "bayesianbandits NormalRegressor, pooled",
        (_bayesian(0.1), _bayesian(0.3)),
        BAYESIANBANDITS,
        alone=True,
        state="shared",
    ),
    Family(
        "bayesianbandits-user",
        "bayesianbandits NormalRegressor, per user",
        (_bayesian_own(0.3),),
        BAYESIANBANDITS,
        alone=True,
        users_max=300,
    ),
    Family(
        "bayesianbandits-crowd",
        "bayesianbandits NormalRegressor, per user from the pooled posterior",
        (_bayesian_own(0.15, 1_000.0),),
        BAYESIANBANDITS,
        alone=True,
        users_max=300,
    ),
    Family(
        LINEAR,
        "pooled linear Thompson",
        (_linear(0.1, 0.1), _linear(0.3, 0.1), _linear(1.0, 0.1, 1), _linear(0.3, 0.05), _linear(0.3, 0.2)),
        state="shared",
    ),
    Family("textbook", "textbook hierarchical Thompson", (Setting("v 1", _textbook),), state="rows"),
    Family(
        "factored-beta",
        "per-user Beta counts, one a dimension and option",
        (Setting("flat", lambda stream, rng: rivals.FactoredBeta(stream.world.users, PUBLISHED, rng)),),
    ),
    Family(
        "beta",
        "per-user Beta counts over 256",
        (Setting("flat", lambda stream, rng: rivals.UserBeta(stream.world.users, PUBLISHED, rng)),),
    ),
    Family(KNOWN, "Thompson that knows the true prior", (Setting("no floor", _known),), state="rows"),
)
BY_NAME = {family.name: family for family in FAMILIES}
PEERS = tuple(family.name for family in FAMILIES if family.library)
