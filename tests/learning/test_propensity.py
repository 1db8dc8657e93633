"""The probability of a decision, against what the decision does and against the normal distribution."""

import crowds
import numpy as np
import pytest
from histories import COLD, COMPLETED, NEVER_STARTED, PAPER, UNFINISHED, WARM, history, prior
from scipy import stats

from amp.learning.approaches import PUBLISHED, Approaches, Dimension
from amp.learning.choice import choose
from amp.learning.posterior import posteriors
from amp.learning.prior import POPULATION_DRAWS, shipped
from amp.learning.propensity import propensities
from amp.learning.types import Ask, Context, Effects, Policy, Preference
from amp.simulate import worlds

SHIPPED = shipped(PUBLISHED)
OUTCOMES = [(WARM, COMPLETED), (COLD, COMPLETED), (WARM, UNFINISHED)]
SMALL = Approaches(
    (
        Dimension("tone", "preferredTone", "toneConfidence", ("warm", "cold", "plain")),
        Dimension("length", "preferredLength", "lengthConfidence", ("short", "long")),
    )
)


def ask(outcomes=(), *, nonce=1, **said):
    return Ask(history(*outcomes), said.pop("context", Context()), nonce, **said)


@pytest.mark.parametrize("temperature", [0.3, 1.0])
@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_of_two_options_it_is_the_floors_part_and_a_mean_of_normal_probabilities(temperature, floor):
    on = prior(PAPER, population_sd=0.1)
    policy = Policy(temperature=temperature, population_temperature=1.0, explore_floor=floor)
    beliefs = posteriors([history(*OUTCOMES)], on, policy, PAPER)
    contrasts = (beliefs.root[0].T @ beliefs.whitened[0, :, 1:])[1]
    sd = (beliefs.root[0].T @ beliefs.root[0])[1, 1] ** 0.5
    share = stats.norm.cdf(contrasts / (temperature * sd)).mean()
    (told,) = propensities([ask(OUTCOMES)], on, policy, PAPER, count=20_000)
    expected = floor / 2 + (1 - floor) * share
    assert told[WARM] == pytest.approx(expected, abs=4 * (share * (1 - share) / 20_000) ** 0.5)
    assert told.sum() == pytest.approx(1.0)
    assert 0.1 < expected < 0.9


def test_decisions_fall_on_each_combination_as_often_as_it_says():
    """20,000 nonces of one ask; the error is that of both counts."""
    on, policy = prior(SMALL, sd=0.1, population_sd=0.05), Policy(temperature=0.8, explore_floor=0.05)
    outcomes = [(0, COMPLETED), (1, COMPLETED), (2, COMPLETED), (3, NEVER_STARTED), (5, UNFINISHED)]
    asks = [ask(outcomes, nonce=nonce) for nonce in range(20_000)]
    picked = [choice.combination for choice in choose(asks, on, policy, SMALL)]
    seen = np.bincount(picked, minlength=SMALL.count) / len(picked)
    (told,) = propensities(asks[:1], on, policy, SMALL)
    error = np.sqrt(told * (1 - told) * (1 / len(picked) + 1 / 1024))
    assert (np.abs(seen - told) < 4 * error).all()
    assert np.ptp(told) > 0.2


def test_the_weights_of_what_was_decided_average_to_one():
    """The importance-weight identity, E[1 / (count p)] = 1, on decisions of users with rows of their own."""
    rng = np.random.default_rng(1)
    on, policy = prior(SMALL, population_sd=0.1), Policy(temperature=1.0, explore_floor=0.1)
    signals = (NEVER_STARTED, UNFINISHED, COMPLETED)
    asks = [
        ask([(int(rng.integers(6)), signals[rng.integers(3)]) for _ in range(nonce % 9)], nonce=nonce)
        for nonce in range(4000)
    ]
    assert abs(mean_weight(asks, on, policy, SMALL) - 1.0) < 0.03


@pytest.mark.slow
def test_the_weights_of_256_combinations_average_to_one_at_fewer_draws_than_combinations():
    rng = np.random.default_rng(2)
    taught = crowds.histories(rng, crowds.personal(rng, 40), 20)
    asks = [
        Ask(taught[nonce % 40][: nonce % 21], worlds.CONTEXTS[nonce % 12], nonce * 7919)
        for nonce in range(6000)
    ]
    policy = Policy(temperature=0.5, explore_floor=0.5)
    assert abs(mean_weight(asks, SHIPPED, policy, PUBLISHED, count=128) - 1.0) < 0.03


def mean_weight(asks, on, policy, approaches, count=1024):
    picked = [choice.combination for choice in choose(asks, on, policy, approaches)]
    told = propensities(asks, on, policy, approaches, count)[np.arange(len(asks)), picked]
    return np.mean(1.0 / (approaches.count * told))


def test_what_decided_is_one_of_the_draws_so_that_nothing_shown_has_probability_0():
    policy = Policy(temperature=1.0, explore_floor=0.0)
    asks = [ask(nonce=nonce) for nonce in range(40)]
    picked = [choice.combination for choice in choose(asks, SHIPPED, policy, PUBLISHED)]
    told = propensities(asks, SHIPPED, policy, PUBLISHED, count=8)
    assert (told[np.arange(40), picked] >= 1 / 8).all()


def test_a_lock_leaves_nothing_to_other_options_not_even_of_the_floor():
    preferences = (Preference(2, locked=True), None, None, Preference(1, locked=True))
    policy = Policy(explore_floor=0.2)
    (told,) = propensities([ask(preferences=preferences)], SHIPPED, policy, PUBLISHED)
    fits = (PUBLISHED.options_of[:, [0, 3]] == [2, 1]).all(axis=1)
    assert told[~fits].max() == 0.0
    assert told[fits].min() >= 0.2 / 16
    assert told.sum() == pytest.approx(1.0)


def test_a_preference_makes_its_option_likelier():
    asks = [ask(), ask(preferences=(Preference(2), None, None, None))]
    free, bound = propensities(asks, SHIPPED, Policy(), PUBLISHED)
    of_two = PUBLISHED.options_of[:, 0] == 2
    assert free[of_two].sum() < 0.4
    assert bound[of_two].sum() > 0.9


def test_a_controls_decision_is_certain():
    one = ask([(7, COMPLETED)], control=True)
    (told,) = propensities([one], SHIPPED, Policy(explore_floor=0.5), PUBLISHED)
    assert told[choose([one], SHIPPED, Policy(), PUBLISHED)[0].combination] == 1.0
    assert told.sum() == 1.0


def test_a_population_draw_counts_with_its_own_offsets():
    """A quarter of the population's draws favours cold by a lot in this context."""

    class Split(Effects):
        def table(self, _context):
            cold = np.r_[0.0, np.where(np.arange(POPULATION_DRAWS) < 16, 5.0, -5.0)]
            return np.column_stack([np.zeros(1 + POPULATION_DRAWS), cold])

        options = table

        def at(self, rows):
            return np.zeros(len(rows))

    on = prior(PAPER, effects=Split())
    (told,) = propensities([ask()], on, Policy(explore_floor=0.0), PAPER, count=4096)
    assert told[COLD] == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 4096) ** 0.5)


def test_it_is_the_same_to_the_bit_alone_and_beside_others():
    asks = [ask(OUTCOMES[:count], nonce=count + 5) for count in range(4)]
    together = propensities(asks, prior(PAPER), Policy(), PAPER)
    alone = [propensities([one], prior(PAPER), Policy(), PAPER)[0] for one in asks]
    assert np.array_equal(together, alone)
