"""Estimates on paper-sized logs written out by hand, and their errors on logs whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from amp.learning.evaluation import (
    CONTEXT_PENALTY,
    INTERCEPT_PENALTY,
    OPTION_PENALTY,
    Sample,
    effective_sample_size,
    evaluate,
    predicted,
    tail_shape,
)

H = 2**-0.5  # the Helmert contrast of two options


def sample(users, rewards, propensities, targets, *, shown=None, wanted=None, contexts=None):
    n = len(users)
    return Sample(
        np.array(users),
        np.array(rewards, float),
        np.array(propensities, float),
        np.array(targets, float),
        np.ones((n, 1)) if shown is None else np.array(shown, float),
        np.ones((n, 1)) if wanted is None else np.array(wanted, float),
        np.ones((n, 1)) if contexts is None else np.array(contexts, float),
    )


def test_four_decisions_of_two_users_on_paper():
    """w = 2, 0, 1, 4."""
    told = evaluate(sample([0, 0, 1, 1], [1, 0, 0.5, 0.25], [0.5, 0.5, 0.5, 0.25], [1, 0, 0.5, 1]))
    assert told.ips.value == pytest.approx((2 + 0 + 0.5 + 1) / 4)
    assert told.snips.value == pytest.approx(3.5 / 7)
    assert told.logged.value == pytest.approx(1.75 / 4)
    assert told.effective_sample_size == pytest.approx(49 / 21)
    assert (told.decisions, told.users, told.weight_max, told.weight_mean) == (4, 2, 4.0, 1.75)
    # users' sums of w r - 0.875, over n: (2 - 1.75) / 4 and (1.5 - 1.75) / 4
    error = np.sqrt(2 / 1 * 2 * 0.0625**2)
    assert told.ips.standard_error == pytest.approx(error)
    assert told.ips.high - told.ips.value == pytest.approx(stats.t.ppf(0.975, 1) * error)
    # of w (r - 0.5), over the sum of w: 1 / 7 and -1 / 7
    assert told.snips.standard_error == pytest.approx(np.sqrt(2 / 1 * 2 / 49))
    assert told.ips_gain.value == pytest.approx(0.875 - 0.4375)
    # of w r - r: 1 - 0.875 and 0.75 - 0.875, over n
    assert told.ips_gain.standard_error == pytest.approx(np.sqrt(2 / 1 * 2 * (0.125 / 4) ** 2))


def test_the_logged_policy_itself_is_estimated_without_error_beyond_its_own():
    rng = np.random.default_rng(3)
    p = rng.uniform(0.1, 0.9, 60)
    told = evaluate(sample(np.arange(60) % 9, rng.random(60), p, p))
    for estimate in (told.ips, told.snips, told.dr):
        assert estimate.value == pytest.approx(told.logged.value)
    for gain in (told.ips_gain, told.snips_gain):
        assert gain.value == pytest.approx(0.0)
        assert gain.standard_error == pytest.approx(0.0, abs=1e-12)
    assert told.effective_sample_size == pytest.approx(60)


def test_the_model_is_a_ridge_on_design_and_context_fitted_to_the_users_of_other_folds():
    """Ten users, two options, a context or none: the first user's model knows nothing of users 0 and 5."""
    rng = np.random.default_rng(4)
    users = np.repeat(np.arange(10), 3)
    shown = np.column_stack([np.ones(30), rng.choice([-H, H], 30)])
    contexts = np.column_stack([np.ones(30), rng.integers(2, size=30)])
    rewards = rng.random(30)
    one = sample(users, rewards, np.ones(30), np.ones(30), shown=shown, wanted=-shown, contexts=contexts)
    features = np.column_stack([shown, contexts[:, 1:] * shown])
    others = users % 5 != 0
    penalty = np.diag([INTERCEPT_PENALTY, OPTION_PENALTY, CONTEXT_PENALTY, CONTEXT_PENALTY])
    x = features[others]
    model = np.linalg.solve(x.T @ x + penalty, x.T @ rewards[others])
    told, wanted = predicted(one)
    assert told[~others] == pytest.approx(features[~others] @ model)
    assert wanted[~others] == pytest.approx(-features[~others] @ model)
    changed = sample(users, np.where(others, rewards, 9.0), np.ones(30), np.ones(30), shown=shown,
                     wanted=-shown, contexts=contexts)  # fmt: skip
    assert predicted(changed)[0][~others] == pytest.approx(told[~others])


def test_the_doubly_robust_estimate_is_the_model_and_the_weighted_residuals():
    rng = np.random.default_rng(6)
    shown, wanted = (np.column_stack([np.ones(40), rng.choice([-H, H], 40)]) for _ in range(2))
    p, t = rng.uniform(0.2, 0.9, (2, 40))
    one = sample(np.arange(40) % 8, rng.random(40), p, t, shown=shown, wanted=wanted)
    q_shown, q_wanted = predicted(one)
    assert evaluate(one).dr.value == pytest.approx(np.mean(q_wanted + t / p * (one.rewards - q_shown)))


def test_an_error_is_that_of_users_however_often_each_comes():
    """Ten users who say the same ten times over: a hundred decisions say no more than ten."""
    rng = np.random.default_rng(5)
    rewards, p, t = rng.random(10), rng.uniform(0.3, 0.9, 10), rng.uniform(0.3, 0.9, 10)
    once = evaluate(sample(np.arange(10), rewards, p, t))
    often = evaluate(sample(*(np.repeat(each, 10) for each in (np.arange(10), rewards, p, t))))
    for name in ("logged", "ips", "snips"):
        assert getattr(often, name).standard_error == pytest.approx(getattr(once, name).standard_error)


def test_one_user_alone_has_an_estimate_and_no_interval():
    told = evaluate(sample([0, 0], [1, 0], [0.5, 0.5], [1, 0]))
    assert told.ips.value == 1.0
    assert np.isnan([told.ips.low, told.ips.high, told.ips.standard_error]).all()


def test_a_target_that_shows_nothing_of_what_was_shown_has_no_snips():
    told = evaluate(sample([0, 1], [1, 0], [0.5, 0.5], [0, 0]))
    assert told.ips.value == 0.0
    assert np.isnan(told.snips.value)
    assert told.effective_sample_size == 0.0


@pytest.mark.parametrize("propensities", [[], [0.5, 0.0]])
def test_without_probabilities_there_is_no_estimate(propensities):
    n = len(propensities)
    with pytest.raises(ValueError, match="each with a probability above 0"):
        evaluate(sample(np.arange(n), np.ones(n), propensities, np.ones(n)))


def test_equal_weights_count_in_full_and_one_heavy_one_as_one():
    assert effective_sample_size(np.full(50, 0.3)) == pytest.approx(50)
    assert effective_sample_size(np.r_[1000.0, np.full(50, 1e-3)]) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9])
def test_the_tails_shape_is_that_of_the_distribution_the_weights_came_from(shape):
    weights = stats.genpareto.rvs(shape, size=100_000, random_state=7)
    assert tail_shape(weights) == pytest.approx(shape, abs=0.1)


def test_few_or_equal_weights_have_no_tail():
    assert tail_shape(np.ones(1000)) is None
    assert tail_shape(np.arange(20.0)) is None
