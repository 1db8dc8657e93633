"""The libraries that the learner is measured beside play by the simulation's rules, and learn."""

from importlib.util import find_spec

import numpy as np
import pytest

from amp.learning import rows
from amp.learning.approaches import PUBLISHED
from amp.simulate import rivals, worlds
from amp.simulate.histories import Histories
from amp.simulate.streams import Turn
from benchmarks import bayesian, mabwiser, vowpal

USERS, ROUNDS, SEED = 12, 20, 2
SAID = np.full(USERS, rows.COMPLETED_SAID | rows.FLOW_SAID | rows.START_TIME_SAID | rows.SATISFACTION_SAID)


def rng():
    return np.random.default_rng(SEED)


def likes_one_option(player):
    """All complete when the first dimension shows its third option, and never start when not.

    How often the player showed it in the last quarter of the rounds.
    """
    chance, users, shown = rng(), np.arange(USERS), []
    for now in range(ROUNDS):
        turn = Turn(users, chance.integers(len(worlds.CONTEXTS), size=USERS), users + USERS * now)
        chosen = player.decide(turn)
        assert chosen.shape == (USERS,)
        assert (chosen >= 0).all()
        assert (chosen < PUBLISHED.count).all()
        won = PUBLISHED.options_of[chosen, 0] == 2
        told = worlds.Told(won, won, won, np.full(USERS, 60_000), np.full(USERS, 0.9), SAID)
        player.hear(turn, Histories.rows(turn, now, chosen, told))
        player.rest()
        shown.append(won.mean())
    return np.mean(shown[-ROUNDS // 4 :])


def needs(library):
    missing = find_spec(library) is None
    return pytest.mark.skipif(missing, reason=f"{library} is not installed: pip install -e '.[peers]'")


PLAYERS = {
    "vw": ("vowpalwabbit", lambda: vowpal.VowpalWabbit(PUBLISHED, rng(), gamma_scale=1000.0)),
    "vw crossed": (
        "vowpalwabbit",
        lambda: vowpal.VowpalWabbit(PUBLISHED, rng(), gamma_scale=1000.0, sees="context and user"),
    ),
    "vw user": (
        "vowpalwabbit",
        lambda: vowpal.VowpalWabbit(PUBLISHED, rng(), gamma_scale=1000.0, sees="user"),
    ),
    "mabwiser": ("mabwiser", lambda: mabwiser.Pooled(PUBLISHED, rng(), mabwiser.linear("LinTS", 0.3))),
    "mabwiser user": ("mabwiser", lambda: mabwiser.PerUser(PUBLISHED, rng(), mabwiser.thompson())),
    "mabwiser user, linear": (
        "mabwiser",
        lambda: mabwiser.PerUser(PUBLISHED, rng(), mabwiser.linear("LinTS", 0.3), linear=True),
    ),
    "bayesianbandits": ("bayesianbandits", lambda: bayesian.Pooled(PUBLISHED, rng(), temperature=0.3)),
    "bayesianbandits user": ("bayesianbandits", lambda: bayesian.PerUser(PUBLISHED, rng(), temperature=0.3)),
    "bayesianbandits crowd": (
        "bayesianbandits",
        lambda: bayesian.PerUser(PUBLISHED, rng(), temperature=0.15, worth=100.0),
    ),
}


@pytest.mark.parametrize(
    "make",
    [pytest.param(make, id=name, marks=needs(library)) for name, (library, make) in PLAYERS.items()],
)
@pytest.mark.filterwarnings("ignore")  # of other people's code
def test_a_library_learns_what_all_users_want(make):
    with pytest.importorskip("threadpoolctl").threadpool_limits(1):  # as the benchmark runs them
        player = make()
        assert likes_one_option(player) > 0.6
    assert player.state_bytes() > 0


def test_chance_learns_nothing():
    assert likes_one_option(rivals.Uniform(PUBLISHED, rng())) < 0.4
