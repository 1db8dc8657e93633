"""How sure a ratio of means over jobs is: by hand, and by simulating what the interval promises."""

from math import exp, sqrt

import numpy as np
import pytest
from scipy.stats import t

from amp.ledger.intervals import Moments, ratio, value_per_cost


def moments(values, costs):
    """Of whole numbers, exact."""
    pairs = list(zip([int(each) for each in values], [int(each) for each in costs], strict=True))
    return Moments(
        len(pairs),
        sum(v for v, _ in pairs),
        sum(c for _, c in pairs),
        sum(v * v for v, _ in pairs),
        sum(c * c for _, c in pairs),
        sum(v * c for v, c in pairs),
    )


def test_the_interval_by_hand():
    values, costs = [10, 0, 20, 30], [1, 2, 2, 3]
    middle = 60 / 8
    residuals = [v - middle * c for v, c in zip(values, costs, strict=True)]
    error = sqrt(sum(each**2 for each in residuals) / 3 / 4) / 2  # of the ratio: by the mean cost
    effective = 60**2 / (10**2 + 20**2 + 30**2)
    reach = exp(t.ppf(0.975, effective - 1) * error / middle)
    found = value_per_cost(moments(values, costs))
    assert ratio(moments(values, costs)) == middle
    assert found == pytest.approx((middle / reach, middle * reach))


def test_jobs_that_are_all_alike_leave_no_doubt():
    assert value_per_cost(moments([5] * 9, [2] * 9)) == (2.5, 2.5)


def test_where_too_little_is_known_there_is_none():
    assert value_per_cost(moments([5], [2])) is None
    assert value_per_cost(moments([0, 0, 0], [1, 1, 1])) is None
    assert value_per_cost(moments([5, 0, 0], [1, 1, 1])) is None  # one job is all the value
    assert value_per_cost(moments([5, 5], [0, 0])) is None
    assert ratio(moments([5, 5], [0, 0])) is None
    assert value_per_cost(moments([-5, 1], [1, 1])) is None


def test_amounts_as_large_as_there_are_lose_nothing():
    small = value_per_cost(moments([3, 1, 2, 2], [1, 1, 1, 2]))
    scale = 10**19
    large = value_per_cost(
        moments([3 * scale, scale, 2 * scale, 2 * scale], [scale, scale, scale, 2 * scale])
    )
    assert large == pytest.approx(small, rel=1e-12)


SCENES = {
    "sales: 12 of 100 are worth 300": (0.12, 0.0, 0.3),
    "support: 80 of 100 are worth 50": (0.8, 0.0, 0.5),
    "deals: 10 of 100, of very different worth": (0.1, 1.0, 0.5),
}


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("jobs", [100, 400])
def test_the_interval_covers_what_it_promises(scene, jobs):
    """95 % of the intervals have the truth in them: at least 93 %, and no more than 98.5 %."""
    share, spread, cost_spread = SCENES[scene]
    rng, runs, scale = np.random.default_rng(4), 3000, 10**6
    worth = np.where(rng.random((runs, jobs)) < share, rng.lognormal(0, spread, (runs, jobs)), 0.0)
    costs = rng.lognormal(0, cost_spread, (runs, jobs))
    truth = share * exp(spread**2 / 2) / exp(cost_spread**2 / 2)
    found = [
        value_per_cost(moments(v, c))
        for v, c in zip((worth * scale).round(), (costs * scale).round(), strict=True)
    ]
    covered = np.mean([each is not None and each.low <= truth <= each.high for each in found])
    assert 0.93 <= covered <= 0.985, covered
