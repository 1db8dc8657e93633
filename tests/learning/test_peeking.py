"""Who looks every minute for a year, and stops at the first effect, is wrong in less than one year of twenty.

The users of a year come and report by and by. An interval moves only when an outcome arrives, so a look at
every outcome is at least a look every minute. Many such years are simulated at once; each user has rates of
their own, each year draws who is in the control group.
"""

from typing import NamedTuple

import numpy as np
import pytest

from amp.learning import lift, reward
from amp.learning.lift import LOG_TIME, RATE
from amp.learning.types import Signals, Weights

YEAR_MINUTES = 525_600
EACH_MAX = 20
STAYS = (1, 3, 8, EACH_MAX)
"""Interactions of a user, each number as likely: 8 on average."""
AT_ONCE = 40
USUAL = 1.96


class Year(NamedTuple):
    """Some simulated years, look by look; all have the shape (years, looks)."""

    estimate: np.ndarray
    error: np.ndarray
    """Squared, of the estimate."""
    said: np.ndarray
    """Whether both groups are large enough for anything to be said."""


class Crowd(NamedTuple):
    """Who comes when: the same in the years that are simulated together."""

    order: np.ndarray
    """Of all outcomes of the year, those that happen, by their minutes; one is user * EACH_MAX + nth."""
    look: np.ndarray
    """The last of each minute."""


def crowd(rng, users):
    first = rng.uniform(0, YEAR_MINUTES, (users, 1))
    minutes = np.floor(first + rng.exponential(8_000, (users, EACH_MAX)).cumsum(axis=1))
    stays = rng.choice(STAYS, (users, 1))
    happens = (np.arange(EACH_MAX) < stays).ravel() & (minutes.ravel() < YEAR_MINUTES)
    order = np.argsort(minutes, axis=None, kind="stable")
    order = order[happens[order]]
    return Crowd(order, np.append(np.diff(minutes.ravel()[order]) > 0, True))


def outcomes(rng, metric, effect, between, control):
    """One value an outcome, every user around a mean of their own; shape (years, users, EACH_MAX)."""
    shape = (*control.shape, EACH_MAX)
    own = rng.normal(0.0, between, (*shape[:2], 1)) + effect * ~control[:, :, None]
    if metric == "time":
        return 6.8 + own + rng.standard_normal(shape)
    happened = rng.random(shape) < np.clip({"completion": 0.3}.get(metric, 0.6) + own, 0.0, 1.0)
    if metric != "reward":
        return happened.astype(float)
    weights = Weights()
    low, middle, high = (
        reward.reward(each, weights)
        for each in (Signals(started=False), Signals(True, False), Signals(True, True))
    )
    return np.where(happened, high, np.where(rng.random(shape) < 0.4, middle, low))


def watched(crowd, values, control, scale):
    """The looks of some years, from sums that each outcome changes."""
    nth = np.arange(1, EACH_MAX + 1)
    weights, means = lift.weight(nth), values.cumsum(axis=2) / nth
    estimate, error, smallest = 0.0, 0.0, np.inf
    for group, sign in ((~control, 1.0), (control, -1.0)):

        def total(each, group=group):
            """Over the group's users, at each look."""
            moves = np.diff(np.broadcast_to(each, means.shape), axis=2, prepend=0.0) * group[:, :, None]
            return moves.reshape(len(group), -1)[:, crowd.order].cumsum(axis=1)[:, crowd.look]

        users = np.maximum(total(np.ones(EACH_MAX)), 1.0)
        sums, squares = np.maximum(total(weights), 1e-9), total(weights**2)
        mean = total(weights * means) / sums
        scatter = total((weights * means) ** 2) - 2 * mean * total(weights**2 * means) + mean**2 * squares
        estimate = estimate + sign * mean
        error = error + lift.squared_error(users, sums, squares, np.maximum(scatter, 0.0), scale)
        smallest = np.minimum(smallest, users)
    return Year(estimate, error, smallest >= lift.USERS_MIN)


def shown(metric, share, users, years, *, effect=0.0, between=0.2, seed=11):
    """The share of years in which the interval ever leaves out 0; and in which the usual one does."""
    scale = LOG_TIME if metric == "time" else RATE
    rng, ours, usual = np.random.default_rng(seed), 0, 0
    for _ in range(years // AT_ONCE):
        control = rng.random((AT_ONCE, users)) < share
        told = watched(crowd(rng, users), outcomes(rng, metric, effect, between, control), control, scale)
        away = np.where(told.said, np.abs(told.estimate), 0.0)
        ours += np.sum(np.any(away > lift.radius(told.error, lift.ALPHA, scale), axis=1))
        usual += np.sum(np.any(away > USUAL * np.sqrt(told.error), axis=1))
    return ours / years, usual / years


@pytest.mark.slow
@pytest.mark.parametrize(("share", "users", "years"), [(0.05, 1_500, 200), (0.33, 600, 480)])
@pytest.mark.parametrize(
    ("metric", "between"),
    [("reward", 0.2), ("start", 0.2), ("completion", 0.2), ("completion", 0.0), ("time", 0.3)],
)
def test_without_an_effect_a_year_of_looking_shows_one_in_under_five_of_a_hundred(
    metric, between, share, users, years
):
    """The usual 95 % interval, looked at as often, shows one in many: the check can fail."""
    ours, usual = shown(metric, share, users, years, between=between)
    assert ours < 0.05
    assert usual > 0.12


@pytest.mark.slow
def test_without_the_weights_of_newcomers_the_same_years_show_one_too_often(monkeypatch):
    """Means of users who go on reporting revert: their steps are not what the interval needs."""
    monkeypatch.setitem(globals(), "STAYS", (EACH_MAX,))
    assert shown("completion", 0.33, 600, 480, between=0.0)[0] < 0.05
    monkeypatch.setattr(lift, "SETTLES_AT", 0.0)
    assert shown("completion", 0.33, 600, 480, between=0.0)[0] > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "effect"), [("completion", 0.2), ("start", -0.2), ("time", -0.6)])
def test_an_effect_that_is_there_is_shown_within_the_year(metric, effect):
    ours, _ = shown(metric, 0.33, 600, 80, effect=effect)
    assert ours > 0.95


def test_the_sums_of_a_look_are_the_measures_own():
    """At the last look of a year, from all users at once."""
    rng = np.random.default_rng(3)
    here = crowd(rng, 600)
    control = rng.random((2, 600)) < 0.33
    values = outcomes(rng, "completion", 0.1, 0.2, control)
    told = watched(here, values, control, RATE)
    happened = np.zeros(600 * EACH_MAX)
    happened[here.order] = 1.0
    happened = happened.reshape(600, EACH_MAX)
    numbers = happened.sum(axis=1)
    for year in range(2):
        means = (values[year] * happened).sum(axis=1) / np.maximum(numbers, 1.0)
        own = lift.between(lift.Values(means, numbers), control[year])
        margin = float(lift.radius(told.error[year, -1], lift.ALPHA))
        assert told.estimate[year, -1] == pytest.approx(own.estimate)
        assert margin == pytest.approx(own.high - own.estimate)
