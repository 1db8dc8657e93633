"""The same maths for any number of dimensions and options, against a posterior written out by brute force."""

import numpy as np
import pytest
from histories import COMPLETED, NEVER_STARTED, history

from amp.learning.approaches import Approaches, Dimension
from amp.learning.choice import choose
from amp.learning.posterior import describe, posteriors
from amp.learning.prior import shipped
from amp.learning.reward import rewards
from amp.learning.types import Ask, Context, Policy

SHAPES = [(3, 5), (2, 3, 4, 2, 3), (2,) * 12, (64, 64), (16, 16, 16)]
GREEDY = Policy(temperature=0.0, population_temperature=1.0, explore_floor=0.0, decay=0.9)


def approaches_of(*sizes):
    return Approaches(
        tuple(
            Dimension(f"d{number}", f"p{number}", f"c{number}", tuple(f"o{each}" for each in range(size)))
            for number, size in enumerate(sizes)
        )
    )


def told(approaches, *, seed=2, count=60):
    """Rows on random combinations, completed when the first and the last dimension's options are low."""
    rng = np.random.default_rng(seed)
    outcomes = []
    for combination in rng.integers(0, approaches.count, count):
        options = approaches.options_of[combination]
        good = options[0] < approaches.sizes[0] / 2 and options[-1] < approaches.sizes[-1] / 2
        outcomes.append((int(combination), COMPLETED if good else NEVER_STARTED))
    return history(*outcomes)


def by_rows(approaches, rows, on):
    """Posterior mean and covariance of every combination's value, in the space of rewards.

    A Gaussian process with covariance X S X' seen at the rows, noise s2 over the row's weight: nothing of the
    model's algebra is in it.
    """
    x = approaches.design
    covariance = x @ np.linalg.inv(on.precision) @ x.T
    seen = rows["combination"].astype(int)
    later = np.arange(len(seen) - 1, -1, -1)
    noise = np.diag(on.noise / GREEDY.decay**later)
    gain = np.linalg.solve(covariance[np.ix_(seen, seen)] + noise, covariance[seen]).T
    prior_mean = x @ on.mean
    return (
        prior_mean + gain @ (rewards(rows, GREEDY.weights) - prior_mean[seen]),
        covariance - gain @ covariance[seen],
    )


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_a_posterior_is_that_of_a_gaussian_process_over_all_combinations(sizes):
    approaches = approaches_of(*sizes)
    on, rows = shipped(approaches), told(approaches)
    mean, covariance = by_rows(approaches, rows, on)
    beliefs = posteriors([rows], on, GREEDY, approaches)
    coefficients = beliefs.root[0].T @ beliefs.whitened[0, :, 0]
    assert np.allclose(approaches.design @ coefficients, mean, atol=1e-9)
    spread = approaches.design @ beliefs.root[0].T
    assert np.allclose((spread**2).sum(axis=1), np.diag(covariance), atol=1e-9)


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_what_is_chosen_is_the_best_of_a_draw_over_all_combinations(sizes):
    """Without own noise a draw is one of the 64 of the population: the best under one of them is chosen."""
    approaches = approaches_of(*sizes)
    on, rows = shipped(approaches), told(approaches)
    beliefs = posteriors([rows], on, GREEDY, approaches)
    values = approaches.design @ beliefs.root[0].T @ beliefs.whitened[0]
    values += on.effects.table(Context()).T
    best = set(values[:, 1:].argmax(axis=0).tolist())
    chosen = choose([Ask(rows, Context(), nonce) for nonce in range(50)], on, GREEDY, approaches)
    assert {each.combination for each in chosen} <= best
    assert all(len(each.dimension_confidence) == len(sizes) for each in chosen)
    expected = values[:, 0].argmax()
    assert {each.explored for each in chosen if each.combination == expected} <= {False}


def test_an_options_mean_is_that_of_its_combinations_in_twelve_dimensions():
    approaches = approaches_of(*(2,) * 12)
    on, rows = shipped(approaches), told(approaches)
    mean, _ = by_rows(approaches, rows, on)
    beliefs = describe(rows, (), Context(), on, GREEDY, approaches)
    for number, belief in enumerate(beliefs):
        for option, each in enumerate(belief.options):
            own = approaches.options_of[:, number] == option
            assert each.mean == pytest.approx(mean[own].mean())
    assert beliefs[0].options[0].best > beliefs[5].options[0].best
