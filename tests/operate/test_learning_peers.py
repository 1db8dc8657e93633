"""The libraries that the learner is measured beside play by the simulation's rules, and learn."""

import dataclasses
import json
from importlib.util import find_spec

import numpy as np
import pytest

from amp.learning.approaches import PUBLISHED
from amp.learning.types import Weights
from amp.simulate import rivals, worlds
from amp.simulate.run import run
from amp.simulate.streams import stream
from benchmarks import bayesian, mabwiser, vowpal
from benchmarks.entrants import BY_NAME, FAMILIES, KNOWN, LINEAR, OURS
from benchmarks.learning import Cache, _encoded
from benchmarks.standings import Size, Trials, checks, rows
from benchmarks.trial import Task, Trial, digest, measure

USERS, SEED = 20, 2


@pytest.fixture(scope="module")
def few():
    """Twenty users with much in common, a few of whom stay for long."""
    return stream(worlds.make("a", USERS, SEED, PUBLISHED), SEED, rounds_of_arrival=20)


def gain(few, player):
    """Mean expected reward above that of a random approach."""
    return float((run(few, player) - few.bounds[0]).mean())


def rng():
    return np.random.default_rng(SEED)


def needs(library):
    missing = find_spec(library) is None
    return pytest.mark.skipif(missing, reason=f"{library} is not installed: pip install -e '.[peers]'")


PLAYERS = {
    "vw": (
        "vowpalwabbit",
        lambda: vowpal.VowpalWabbit(PUBLISHED, rng(), gamma_scale=1000.0),
        0.05,
    ),
    "vw crossed": (
        "vowpalwabbit",
        lambda: vowpal.VowpalWabbit(PUBLISHED, rng(), gamma_scale=1000.0, sees="context and user"),
        0.05,
    ),
    "vw user": (
        "vowpalwabbit",
        lambda: vowpal.VowpalWabbit(PUBLISHED, rng(), gamma_scale=1000.0, sees="user"),
        0.03,
    ),
    "mabwiser": (
        "mabwiser",
        lambda: mabwiser.Pooled(PUBLISHED, rng(), mabwiser.linear("LinTS", 0.3)),
        0.05,
    ),
    "mabwiser user": ("mabwiser", lambda: mabwiser.PerUser(PUBLISHED, rng(), mabwiser.thompson()), 0.03),
    "bayesianbandits": ("bayesianbandits", lambda: bayesian.Pooled(PUBLISHED, rng(), temperature=0.3), 0.05),
    "bayesianbandits user": (
        "bayesianbandits",
        lambda: bayesian.PerUser(PUBLISHED, rng(), temperature=0.3),
        0.03,
    ),
    "bayesianbandits crowd": (
        "bayesianbandits",
        lambda: bayesian.PerUser(PUBLISHED, rng(), temperature=0.15, worth=1000.0),
        0.05,
    ),
}


@pytest.mark.parametrize(
    ("make", "least"),
    [
        pytest.param(make, least, id=name, marks=needs(library))
        for name, (library, make, least) in PLAYERS.items()
    ],
)
@pytest.mark.filterwarnings("ignore")  # of other people's code
def test_a_library_learns_what_is_better_than_chance(few, make, least):
    player = make()
    assert gain(few, player) > least
    assert player.state_bytes() > 0


def test_chance_alone_gains_nothing(few):
    assert abs(gain(few, rivals.Uniform(PUBLISHED, rng()))) < 0.02
