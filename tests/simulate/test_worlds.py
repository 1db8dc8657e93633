"""Simulated worlds: seeded, their signals as their formulas say, their truth exact."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit

from amp.learning import reward, rows
from amp.learning.approaches import PUBLISHED
from amp.learning.types import Weights
from amp.simulate import worlds
from amp.simulate.histories import Histories
from amp.simulate.streams import Turn
from amp.simulate.worlds import CONTEXTS, LUCK, emit, expected_reward, luck

ETAS = (-2.0, -0.5, 0.0, 0.7, 2.5)
COUNT = 40_000


def told_at(eta):
    return emit(np.full(COUNT, eta), luck(np.random.default_rng(3), COUNT))


def within(frequency, probability, count):
    """Whether a frequency may come from this probability: four standard errors."""
    return abs(frequency - probability) < 4 * np.sqrt(probability * (1 - probability) / count)


@pytest.mark.parametrize("name", worlds.WORLDS)
def test_the_same_seed_makes_the_same_world_and_another_seed_another(name):
    one, same, other = (worlds.make(name, 20, seed, PUBLISHED) for seed in (1, 1, 2))
    assert np.array_equal(one.own, same.own)
    assert np.array_equal(one.added, same.added)
    assert not np.array_equal(one.own, other.own)


@pytest.mark.parametrize("eta", ETAS)
def test_started_completed_and_flow_come_as_often_as_their_formulas_say(eta):
    told = told_at(eta)
    assert within(told.started.mean(), expit(0.2 + eta), COUNT)
    started, completed = told.started.sum(), told.completed.sum()
    assert within(completed / started, expit(0.4 + 0.7 * eta), started)
    assert within(told.flow.sum() / completed, expit(-0.8 + 0.7 * eta), completed)
    assert not (told.completed & ~told.started).any()
    assert not (told.flow & ~told.completed).any()


@pytest.mark.parametrize("eta", ETAS)
def test_time_to_start_and_satisfaction_are_spread_as_their_formulas_say(eta):
    told = told_at(eta)
    seconds = np.log(told.start_ms[:4000] / 1e3)
    assert stats.kstest(seconds, stats.norm(np.log(900.0) - 0.5 * eta, 1.0).cdf).pvalue > 1e-3
    answers = np.log(told.satisfaction[:4000] / (1.0 - told.satisfaction[:4000]))
    assert stats.kstest(answers, stats.norm(0.3 + 0.6 * eta, 0.8).cdf).pvalue > 1e-3


@pytest.mark.parametrize("eta", ETAS)
@pytest.mark.parametrize("weights", [Weights(), Weights(completed=0.2, flow=0.4, speed_half_life_s=60.0)])
def test_expected_reward_is_the_integral_over_all_that_can_come(eta, weights):
    def over_normal(value):
        return integrate.quad(lambda z: value(z) * stats.norm.pdf(z), -9, 9, epsabs=1e-10)[0]

    speed = over_normal(lambda z: 2.0 ** (-np.exp(np.log(900.0) - 0.5 * eta + z) / weights.speed_half_life_s))
    satisfaction = over_normal(lambda z: expit(0.3 + 0.6 * eta + 0.8 * z))
    completed, flow = expit(0.4 + 0.7 * eta), expit(-0.8 + 0.7 * eta)
    once_started = (
        completed * (weights.completed + flow * weights.flow)
        + (1 - completed) * weights.started
        + weights.speed * speed
        + weights.satisfaction * (2 * satisfaction - 1)
    )
    started = expit(0.2 + eta)
    truth = ((1 - started) * weights.never_started + started * once_started + 1) / 2
    assert expected_reward(np.array(eta), weights) == pytest.approx(truth, abs=1e-4)


@pytest.mark.parametrize("eta", ETAS)
def test_packed_rows_earn_the_expected_reward_on_average(eta):
    users = np.arange(COUNT)
    turn = Turn(users, users % len(CONTEXTS), users)
    history = Histories.rows(turn, 0, users % 256, told_at(eta))
    earned = reward.rewards(history, Weights())
    error = earned.std() / np.sqrt(COUNT)
    assert earned.mean() == pytest.approx(expected_reward(np.array(eta)), abs=4 * error)
    assert history["task_hash"][13] == CONTEXTS[1].task_hash
    assert history["circumstance"][13] == CONTEXTS[1].level


def test_signals_of_a_row_are_those_that_were_emitted():
    users = np.arange(200)
    told = emit(np.zeros(200), luck(np.random.default_rng(1), 200))
    history = Histories.rows(Turn(users, users % 12, users), 0, users, told)
    for index in range(200):
        there, kept = told.signals(index), rows.signals(history[index])
        assert kept.satisfaction == pytest.approx(there.satisfaction, abs=1e-4)
        assert (kept.started, kept.completed, kept.flow_state) == (
            there.started,
            there.completed,
            there.flow_state,
        )
        assert kept.time_to_start_ms == there.time_to_start_ms


def test_the_same_luck_at_a_better_utility_never_does_worse():
    chance = luck(np.random.default_rng(2), 1000)
    worse, better = (emit(np.full(1000, eta), chance) for eta in (-0.3, 0.4))
    assert not (worse.started & ~better.started).any()
    assert not (worse.completed & ~better.completed).any()
    assert (better.start_ms <= worse.start_ms).all()
    assert chance.shape == (1000, LUCK)


# What is special about each world


def tastes(name, users=600, seed=4):
    """Utilities less each user's mean, and the world; shape (users, combinations)."""
    world = worlds.make(name, users, seed, PUBLISHED)
    return world.own - world.own.mean(axis=1, keepdims=True), world


def test_in_world_a_users_differ_in_nothing_but_their_mean():
    own, world = tastes("a")
    assert np.allclose(own, own[0])
    assert world.own.mean(axis=1).std() == pytest.approx(worlds.INTERCEPT_SD, rel=0.1)


def test_in_world_b_users_have_nothing_in_common_and_in_world_c_they_have():
    apart, together = tastes("b")[0], tastes("c")[0]
    assert apart.mean(axis=0).std() < 0.1 * apart.std()
    assert together.mean(axis=0).std() > 0.3 * together.std()


def test_in_world_c_users_differ_most_in_the_first_dimension():
    own, _ = tastes("c", users=3000)
    coefficients = (own - own.mean(axis=0)) @ np.linalg.pinv(PUBLISHED.design).T
    sds = coefficients[:, 1:].std(axis=0).reshape(4, 3).mean(axis=1)
    assert sds == pytest.approx(worlds.PERSONAL_SDS, rel=0.05)


def test_world_d_has_four_types_in_the_shares_it_says():
    own, _ = tastes("d", users=2000)
    coefficients = own @ np.linalg.pinv(PUBLISHED.design)[1:].T
    sizes = []
    while len(coefficients):
        # within a type users are some 0.7 apart (0.15 in each of 12), types 2.9 (0.6)
        near = np.linalg.norm(coefficients - coefficients[0], axis=1) < 1.6
        sizes.append(int(near.sum()))
        coefficients = coefficients[~near]
    kinds = sorted((size for size in sizes if size > 20), reverse=True)
    assert np.array(kinds) / 2000 == pytest.approx(worlds.KINDS, abs=0.04)


@pytest.mark.parametrize("name", ["c", "e"])
def test_only_world_e_has_pairs(name):
    own, _ = tastes(name)
    common = own.mean(axis=0)
    fitted = PUBLISHED.design @ (np.linalg.pinv(PUBLISHED.design) @ common)
    left = np.mean((common - fitted) ** 2) / np.mean(common**2)
    assert left > 0.3 if name == "e" else left < 1e-12


@pytest.mark.parametrize("name", worlds.WORLDS)
def test_only_in_world_f_the_best_approach_depends_on_the_context(name):
    _, world = tastes(name, users=5)
    best = {int(each.argmax()) for each in world.added}
    assert (len(best) > 3) == (name == "f")
    assert bool(world.added.any()) == (name == "f")


def test_every_world_says_in_a_sentence_what_it_is():
    assert len({worlds.describe(name) for name in worlds.WORLDS}) == 6
    assert all(worlds.describe(name).endswith(".") for name in worlds.WORLDS)
