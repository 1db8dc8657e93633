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


def test_a_heavy_user_counts_as_one_user():
    """A thousand more outcomes of one user move the estimate by no more than its share of the group."""
    others = users(False, spread_around(0.6, 60)) + users(True, spread_around(0.5, 60))
    light, heavy = (
        lift.lift([*others, *users(False, [0.9], interactions)]).reward for interactions in (10, 1_000)
    )
    assert heavy.estimate == pytest.approx(light.estimate, abs=(0.9 - 0.6) / 60)
    assert heavy.high - heavy.low == pytest.approx(light.high - light.low, rel=0.05)


def test_a_newcomer_weighs_a_sixth_and_nobody_more_than_one():
    assert lift.weight(np.array([1.0, 5.0, 1e9])) == pytest.approx([1 / 6, 1 / 2, 1.0])


def test_a_weighted_mean_and_its_error_on_paper():
    """Thirty users with 5 outcomes and mean 0.4, thirty with 20 and mean 0.7: weights 1/2 and 4/5."""
    means = np.repeat([0.4, 0.7], 30)
    weights = np.repeat([0.5, 0.8], 30)
    by_hand = (30 * 0.5 * 0.4 + 30 * 0.8 * 0.7) / (30 * 1.3)
    assert by_hand == pytest.approx(0.5846, abs=1e-4)
    values = lift.Values(np.r_[means, means], np.repeat([5.0, 20.0, 5.0, 20.0], 30))
    told = lift.between(values, np.repeat([False, True], 60))
    assert told.learned == pytest.approx(by_hand)
    assert told.estimate == pytest.approx(0.0)
    scatter = np.sum((weights * (means - by_hand)) ** 2)
    squares = np.sum(weights**2)
    error = (scatter + 0.5 * squares / 60) / weights.sum() ** 2 * 60 / 61
    assert told.high == pytest.approx(float(lift.radius(2 * error, 0.05)))


# Time to start


def timed(control, seconds):
    return [
        UserSum(control, 4, 2.0, 4, 2, times=4, log_time=4 * lift.log_time(int(each * 1000)))
        for each in seconds
    ]


def test_a_time_that_is_twice_as_long_is_log_two_whatever_the_tail():
    rng = np.random.default_rng(4)
    seconds = np.exp(rng.normal(6.0, 0.5, 400))
    told = lift.lift(timed(False, seconds) + timed(True, 2 * seconds)).time_to_start
    assert told.estimate == pytest.approx(-np.log(2.0), abs=1e-3)
    assert told.shown
    longest = np.append(seconds, 1e7)
    tail = lift.lift(timed(False, longest) + timed(True, 2 * seconds)).time_to_start
    assert tail.estimate == pytest.approx(told.estimate, abs=0.03)


def test_a_start_within_a_second_is_a_second_and_who_told_no_time_is_left_out_of_the_times_alone():
    assert lift.log_time(0) == lift.log_time(999) == 0.0
    assert lift.log_time(None) == 0.0
    silent = [UserSum(False, 5, 2.0, 5, 3)] * 40
    told = lift.lift(silent + timed(False, [60.0] * 35) + timed(True, [60.0] * 35))
    assert (told.reward.learned_users, told.time_to_start.learned_users) == (75, 35)
    assert lift.lift(silent + timed(True, [60.0] * 35)).time_to_start is None


# Users still needed


def test_so_many_more_users_would_settle_it_and_one_less_would_not():
    """The error falls with the users: at the number named, the interval just leaves out 0."""
    users, estimate, error = (950, 50), 0.02, 0.03**2
    more = lift.needed(users, estimate, error, 0.05)
    for extra, settled in ((0, True), (-20, False)):
        growth = (users[0] + more.learned + extra) / users[0]
        assert (lift.radius(error / growth, 0.05) < estimate) is np.bool_(settled)
    assert (50 + more.control) / 50 == pytest.approx((950 + more.learned) / 950, rel=0.01)


def test_nothing_is_needed_of_what_is_shown_nor_asked_for_what_would_never_be():
    assert lift.needed((100, 100), 0.5, 0.02**2, 0.05) is None
    assert lift.needed((100, 100), -0.5, 0.02**2, 0.05) is None
    assert lift.needed((100, 100), 1e-6, 0.05**2, 0.05) is None
    assert lift.needed((100, 100), 0.0, 0.05**2, 0.05) is None
    assert lift.needed((100, 100), -0.05, 0.05**2, 0.05) == lift.needed((100, 100), 0.05, 0.05**2, 0.05)


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
        reports = lift.Values(share, trials)
        told = lift.between(reports, control)
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
