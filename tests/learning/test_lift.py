"""What learning is worth: learned users against the control group."""

import numpy as np
import pytest

from amp.learning import lift
from amp.learning.lift import UserSum


def users(control, values, interactions=10):
    return [UserSum(control, interactions, value * interactions, interactions, 0) for value in values]


def spread_around(mean, count):
    return mean + 0.1 * np.linspace(-1.0, 1.0, count)


def test_nothing_is_said_while_a_group_is_too_small():
    few = lift.USERS_MIN - 1
    told = lift.lift(users(False, [0.7] * 500) + users(True, [0.3] * few))
    assert (told.learned_users, told.control_users) == (500, few)
    assert told.reward is None
    assert told.completion_rate is None
    assert lift.lift([]).start_rate is None


@pytest.mark.parametrize(("learned", "control"), [(0.6, 0.4), (0.4, 0.6)])
def test_an_effect_is_shown_in_its_direction(learned, control):
    told = lift.lift(users(False, spread_around(learned, 400)) + users(True, spread_around(control, 100)))
    assert told.reward is not None
    assert told.reward.estimate == pytest.approx(learned - control)
    assert told.reward.low < learned - control < told.reward.high
    assert told.reward.shown
    assert (told.reward.low > 0) == (learned > control)


def test_no_effect_shown_yet_is_an_answer():
    told = lift.lift(users(False, spread_around(0.51, 100)) + users(True, spread_around(0.5, 30)))
    assert told.reward is not None
    assert not told.reward.shown


def test_a_group_that_is_all_alike_is_not_certain():
    told = lift.lift(users(False, [0.5] * 40) + users(True, [0.5] * 40))
    assert told.completion_rate is not None
    assert told.completion_rate.high - told.completion_rate.low > 0.1


def test_a_heavy_user_counts_once():
    """A thousand more outcomes of one user move neither the estimate nor the interval."""
    others = users(False, spread_around(0.6, 60)) + users(True, spread_around(0.5, 60))
    light, heavy = (
        lift.lift([*others, *users(False, [0.9], interactions)]).reward for interactions in (1, 1_000)
    )
    assert heavy == light


def test_the_radius_is_the_normal_mixtures():
    """By hand at se 0.02 and alpha 0.05: spent = 5.991, ratio I/rho = spent + log(1 + spent) = 7.936, and so
    sqrt((1 + 1/7.936) (log(8.936) + 5.991)) = 3.034 standard errors."""
    assert lift.radius(0.02**2, 0.05) == pytest.approx(3.034 * 0.02, rel=1e-3)


def looks(rng, effect):
    """Daily looks at 300 users who arrive and report by and by, each with a rate of their own.

    With each look, the margin of the usual 95 % interval.
    """
    control = np.arange(300) % 3 == 0
    rates = np.clip(rng.normal(0.45, 0.2, 300) + np.where(control, 0.0, effect), 0.0, 1.0)
    arrivals = rng.integers(0, 15, 300)
    successes, trials = np.zeros(300), np.zeros(300)
    for day in range(40):
        present = arrivals <= day
        trials += present
        successes += present & (rng.random(300) < rates)
        share = np.divide(successes, trials, where=present, out=np.zeros(300))
        learned, baseline = share[present & ~control], share[present & control]
        told = lift.difference(learned, baseline)
        if told is not None:
            usual = 1.96 * np.sqrt(learned.var() / len(learned) + baseline.var() / len(baseline))
            yield told, usual


def test_looking_every_day_misses_the_truth_in_at_most_one_run_of_twenty():
    """200 runs of up to 40 looks; the usual interval, looked at as often, is wrong far more often."""
    rng = np.random.default_rng(5)
    missed = usual_missed = 0
    for _ in range(200):
        told = list(looks(rng, 0.0))
        missed += any(each.shown for each, _ in told)
        usual_missed += any(abs(each.estimate) > usual for each, usual in told)
    assert missed <= 10
    assert usual_missed > 20


def test_watching_long_enough_shows_an_effect_that_is_there():
    rng = np.random.default_rng(6)
    last = [list(looks(rng, 0.15))[-1] for _ in range(40)]
    assert sum(each.low > 0 for each, _ in last) > 30
