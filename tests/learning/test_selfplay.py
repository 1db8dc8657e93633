"""Self-play: how much a user's draws should explore is read off the fitted prior itself."""

from dataclasses import replace

import numpy as np
import pytest
from histories import prior

from amp.learning import selfplay
from amp.learning.approaches import PUBLISHED
from amp.learning.prior import shipped
from amp.learning.types import Policy


def found(on, seed=1):
    return selfplay.temperature(on, Policy(), PUBLISHED, np.random.default_rng(seed))


def test_the_same_chance_finds_the_same_temperature():
    assert found(shipped(PUBLISHED)) == found(shipped(PUBLISHED))
    assert found(shipped(PUBLISHED)) in selfplay.TEMPERATURES


def test_users_who_hardly_differ_are_not_worth_exploring():
    """Spread 0.01 under noise 0.15: forty outcomes tell nothing of a user, and every try costs."""
    assert found(prior(PUBLISHED, sd=0.01)) == min(selfplay.TEMPERATURES)


def test_users_who_differ_much_are_worth_exploring():
    """Spread 0.3 under noise 0.02: a few tries tell what a user likes for the rest of their stay."""
    assert found(prior(PUBLISHED, sd=0.3, noise=0.02)) > found(prior(PUBLISHED, sd=0.01))


@pytest.mark.parametrize("v", [0.1, 0.3])
def test_a_game_is_played_by_the_rules_of_the_service(v):
    """The first step of every user: the choice is the best of the draw that the game holds ready."""
    on = prior(PUBLISHED, population_sd=0.1)
    game = selfplay._game(on, PUBLISHED, np.random.default_rng(3))
    policy = replace(Policy(), decay=1.0)
    worth = []
    for user in range(selfplay.USERS):
        drawn = on.mean_draws[game.drawn[0, user]]
        centre = on.mean + policy.population_temperature * (drawn - on.mean)
        root = np.linalg.inv(np.linalg.cholesky(on.precision))
        beta = root.T @ (root @ on.precision @ centre + v * game.normals[0, user])
        worth.append(game.worth[user, int((PUBLISHED.design @ beta).argmax())])
    only = replace(game, contexts=game.contexts[:1], drawn=game.drawn[:1], normals=game.normals[:1])
    told = selfplay._play(replace(only, noise=game.noise[:1]), on, policy, PUBLISHED, v)
    assert told == pytest.approx(np.mean(worth))
