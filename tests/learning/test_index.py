"""Which signals are learned from: an index of all five, on the scale of the reward."""

import crowds
import numpy as np
import pytest

from amp.learning import reward, rows
from amp.learning.approaches import PUBLISHED
from amp.learning.crowd import gather
from amp.learning.index import index, linear, signals, weights_of
from amp.learning.mixed import Variances
from amp.learning.prior import shipped
from amp.learning.types import Policy, Signals, Weights

POLICY = Policy()
GIVEN: Variances = shipped(PUBLISHED).variances


def learned(histories):
    crowd = gather(histories, POLICY)
    return index(crowd, POLICY.weights, GIVEN.spread, shipped(PUBLISHED).mean, PUBLISHED)


@pytest.fixture(scope="module")
def told():
    rng = np.random.default_rng(2)
    truth = crowds.personal(rng, 400)
    return truth, crowds.histories(rng, truth, 20)


def test_the_reward_is_linear_in_the_five_signals(told):
    """Every row that says whether it was completed: level + weights @ z is its reward."""
    history = np.concatenate(told[1][:5])
    level = (POLICY.weights.never_started + 1.0) / 2.0
    worth = level + signals(history, POLICY.weights) @ linear(POLICY.weights)
    assert np.allclose(worth, reward.rewards(history, POLICY.weights))


def test_weights_come_back_from_what_they_say():
    back = weights_of(linear(POLICY.weights), 0.0, POLICY.weights)
    assert np.allclose([getattr(back, name) for name in Weights.__slots__], list(vars_of(POLICY.weights)))


def vars_of(weights):
    return (getattr(weights, name) for name in Weights.__slots__)


def test_nothing_is_told_by_users_with_one_outcome_each():
    """No two rows of a user, no likeness: the reward itself is learned from."""
    rng = np.random.default_rng(3)
    assert learned(crowds.histories(rng, crowds.personal(rng, 40), 1)) == POLICY.weights


def test_the_index_tells_options_apart_with_less_noise(told):
    """Signal to noise over all combinations: the spread of expected values against that within one."""
    histories = told[1]
    chosen = learned(histories)
    rng = np.random.default_rng(5)
    etas = rng.normal(0.0, 0.7, 400)
    packed = [[crowds.row(n, 0, crowds.emit(rng, eta)) for n in range(60)] for eta in etas]
    heard = {}
    for name, weights in (("reward", POLICY.weights), ("index", chosen)):
        values = np.array([reward.rewards(rows.unpack(b"".join(each)), weights) for each in packed])
        heard[name] = values.mean(axis=1).var() / values.var(axis=1).mean()
    assert heard["index"] > 1.2 * heard["reward"]


def test_the_index_stands_on_the_scale_of_the_reward(told):
    """Its mean is the reward's, and one unit of its expectation is one of the reward's, to a fifth."""
    histories = told[1]
    chosen, crowd = learned(histories), gather(histories, POLICY)
    assert reward.rewards(crowd.history, chosen).mean() == pytest.approx(crowd.rewards.mean())
    rng = np.random.default_rng(6)
    means = []
    for eta in np.linspace(-0.6, 0.8, 8):
        history = rows.unpack(b"".join(crowds.row(n, 0, crowds.emit(rng, eta)) for n in range(500)))
        means.append([reward.rewards(history, each).mean() for each in (chosen, POLICY.weights)])
    slope = np.polyfit(*np.array(means).T, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.2)


def test_a_signal_that_says_nothing_of_options_is_hardly_heard():
    """Flow by the throw of a coin: it loses most of its weight."""
    rng = np.random.default_rng(7)
    truth = crowds.personal(rng, 300)
    histories = []
    for user in range(300):
        packed = b""
        for nonce in range(20):
            combination = int(rng.integers(PUBLISHED.count))
            said = crowds.emit(rng, truth.own[user, combination])
            flow = bool(rng.random() < 0.5) if said.completed else None
            said = Signals(said.started, said.completed, said.time_to_start_ms, flow, said.satisfaction)
            packed += crowds.row(nonce, combination, said)
        histories.append(rows.unpack(packed))
    assert abs(learned(histories).flow) < 0.5 * POLICY.weights.flow
