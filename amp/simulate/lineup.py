"""Who can play, by name."""

from collections.abc import Callable

import numpy as np

from amp.learning.types import Policy
from amp.simulate.learner import Learner, known
from amp.simulate.rivals import BestFixed, FactoredBeta, PooledLinear, Uniform, UserBeta
from amp.simulate.run import Player
from amp.simulate.streams import Stream

MakePlayer = Callable[[Stream, np.random.Generator], Player]


def _uniform(stream: Stream, rng: np.random.Generator) -> Player:
    """Every approach alike: the 0 % of the scale."""
    return Uniform(stream.world.approaches, rng)


def _best_fixed(stream: Stream, _: np.random.Generator) -> Player:
    """The one approach that is best for all together; it knows the truth."""
    return BestFixed(stream)


def _user_beta(stream: Stream, rng: np.random.Generator) -> Player:
    """A Beta for each user and approach."""
    return UserBeta(stream.world.users, stream.world.approaches, rng)


def _factored_beta(stream: Stream, rng: np.random.Generator) -> Player:
    """A Beta for each user and option."""
    return FactoredBeta(stream.world.users, stream.world.approaches, rng)


def _pooled(stream: Stream, rng: np.random.Generator) -> Player:
    """One linear model for all users together, with contexts and pairs."""
    return PooledLinear(stream.world.approaches, rng)


def _textbook(stream: Stream, rng: np.random.Generator) -> Player:
    """Our model, sampled at full temperature."""
    return Learner(
        stream.world.users, stream.world.approaches, Policy(temperature=1.0, population_temperature=1.0), rng
    )


def _known_prior(stream: Stream, rng: np.random.Generator) -> Player:
    """Our model, told the true population."""
    return known(stream, Policy(), rng)


def _ours(stream: Stream, rng: np.random.Generator) -> Player:
    """What amp serves."""
    return Learner(stream.world.users, stream.world.approaches, Policy(), rng)


LINEUP: dict[str, MakePlayer] = {
    "uniform": _uniform,
    "best-fixed": _best_fixed,
    "user-beta": _user_beta,
    "factored-beta": _factored_beta,
    "pooled": _pooled,
    "textbook": _textbook,
    "known-prior": _known_prior,
    "ours": _ours,
}
"""Each makes a player for a stream, with chance of its own."""


def introduce(name: str) -> str:
    """What a player does, in a sentence."""
    return (LINEUP[name].__doc__ or "").strip()
