"""Fitting the population prior: against pencil, paper and scipy, and against worlds whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
import world
from scipy import stats

from amp.learning import crowd as crowd_file
from amp.learning import fit, rows
from amp.learning.approaches import PUBLISHED, Approaches, Dimension
from amp.learning.crowd import gather, summed
from amp.learning.prior import population_covariance, shipped
from amp.learning.types import Policy, Signals

POLICY = Policy()
SHIPPED = shipped(PUBLISHED)


def fitted(histories, current=SHIPPED, seed=1):
    return fit.fit(histories, current, POLICY, PUBLISHED, np.random.default_rng(seed))


def expected_by_contrast(truth):
    """The linear model's best description of each user's expected rewards; shape (users, 13)."""
    return np.linalg.lstsq(PUBLISHED.design, world.expected_reward(truth.own).T, rcond=None)[0].T


@pytest.fixture(scope="module")
def crowd():
    rng = np.random.default_rng(11)
    truth = world.personal(rng, 400)
    return truth, world.histories(rng, truth, 10)


def test_fewer_users_than_can_be_judged_leave_the_current_prior():
    """Nobody, one without rows, one, and nine: four held out would not tell their standard error."""
    rng = np.random.default_rng(2)
    nine = world.histories(rng, world.personal(rng, 9), 50)
    for histories in ([], [rows.unpack(b"")], nine[:1], [*nine, rows.unpack(b"")]):
        told = fitted(histories)
        assert told.prior is SHIPPED
        assert not told.better


def test_ten_users_are_enough_to_fit_and_hardly_move_the_prior():
    rng = np.random.default_rng(2)
    told = fitted(world.histories(rng, world.personal(rng, 10), 1))
    assert (told.prior.version, told.prior.users, told.prior.rows) == (1, 10, 10)
    assert np.abs(told.prior.mean - SHIPPED.mean).max() < 0.2
    assert np.linalg.eigvalsh(told.prior.precision)[0] > 0


def test_the_mean_of_one_row_is_the_one_worked_out_by_hand():
    """One dimension of two options; one user, one row, reward y, x = (1, h), h = 1/sqrt 2.

    mu has variances c0, c1 and the user S0, S1 around it, so the row has variance
    v = c0 + S0 + h^2 (c1 + S1) + s2 around m0: gain = (c0, h c1) / v, mean = (m0, 0) + gain (y - m0).
    """
    small = Approaches((Dimension("style", "style", "style", ("one", "two")),))
    base = shipped(small)
    history = rows.unpack(world.row(1, 0, Signals(started=True, completed=True)))
    sums = summed(gather([history], POLICY), small, None)
    variances = fit._variances(sums, base.precision, base.noise)
    mean, covariance = fit._population_mean(sums, variances, base.noise, small)
    c0, c1 = np.diag(population_covariance(small))
    s0, s1 = 1.0 / np.diag(base.precision)
    variance = c0 + s0 + 0.5 * (c1 + s1) + base.noise
    gain = np.array([c0, c1 / np.sqrt(2.0)]) / variance
    assert np.allclose(mean, base.mean + gain * (0.8 - 0.5))
    assert np.allclose(covariance, np.diag([c0, c1]) - variance * np.outer(gain, gain))


def test_the_evidence_is_the_density_of_a_users_rewards(crowd):
    """Referee: N(X mu, X S X' + s2 / W) of scipy, less the term of the weights that both scores share."""
    gathered = gather(crowd[1][:3], POLICY)
    told = fit.evidence(summed(gathered, PUBLISHED, None), SHIPPED)
    for user in range(3):
        own = slice(gathered.bounds[user], gathered.bounds[user + 1])
        x, weights = PUBLISHED.design[gathered.history["combination"][own]], gathered.weights[own]
        covariance = x @ np.linalg.inv(SHIPPED.precision) @ x.T + np.diag(SHIPPED.noise / weights)
        density = stats.multivariate_normal(x @ SHIPPED.mean, covariance).logpdf(gathered.rewards[own])
        assert told[user] == pytest.approx(density - 0.5 * np.log(weights).sum())


def test_each_sweep_explains_the_same_users_better(crowd):
    """Maximising from where the last maximising ended never lowers the evidence."""
    sums = summed(gather(crowd[1], replace(POLICY, decay=1.0)), PUBLISHED, None)
    prior, before = SHIPPED, fit.evidence(sums, SHIPPED).sum()
    for version in range(1, 4):
        prior = fit.maximise(sums, prior, version, PUBLISHED, np.random.default_rng(1))
        after = fit.evidence(sums, prior).sum()
        assert after > before
        before = after


def test_the_fitted_mean_is_the_populations_within_its_own_uncertainty(crowd):
    truth, histories = crowd
    told = fitted(histories)
    off = told.prior.mean - expected_by_contrast(truth).mean(axis=0)
    assert told.better
    assert np.abs(off / told.prior.mean_draws.std(axis=0)).max() < 3.5
    assert told.prior.mean_draws.std(axis=0).max() < 0.02


def test_the_fitted_spread_orders_the_dimensions_as_the_world_does():
    """Users differ most in the first dimension (sd 0.6) and least in the last (sd 0.25)."""
    rng = np.random.default_rng(8)
    told = fitted(world.histories(rng, world.personal(rng, 200), 40))
    spread = np.diag(np.linalg.inv(told.prior.precision))[1:].reshape(4, 3).mean(axis=1)
    assert spread[0] > 1.5 * spread[3]


def test_adaptive_choice_does_not_bias_the_fit():
    """Users who repeat what completed: what they repeat looks better than it is, but not to the fit."""
    rng = np.random.default_rng(4)
    truth = world.personal(rng, 400)

    def stay_or_switch(combination, signals):
        if signals is not None and signals.completed:
            return combination
        return int(rng.integers(PUBLISHED.count))

    told = fitted(world.histories(rng, truth, 12, pick=stay_or_switch))
    off = told.prior.mean - expected_by_contrast(truth).mean(axis=0)
    assert np.abs(off / told.prior.mean_draws.std(axis=0)).max() < 3.5


def test_control_rows_teach_nobody(crowd):
    histories = crowd[1][:40]
    success = Signals(started=True, completed=True, satisfaction=1.0)
    control = [rows.unpack(world.row(n, 3, success, control=True)) for n in range(30)]
    plain, mixed = fitted(histories), fitted([*control, *histories, *control])
    assert np.array_equal(plain.prior.mean, mixed.prior.mean)
    assert np.array_equal(plain.prior.precision, mixed.prior.precision)
    assert mixed.prior.users == 40


def test_rows_weigh_what_the_posterior_lets_them_weigh(crowd):
    gathered = gather(crowd[1][:2], POLICY)
    assert gathered.bounds.tolist() == [0, 10, 20]
    assert np.allclose(gathered.weights[10:], 0.98 ** np.arange(9, -1, -1))


def test_the_same_rng_gives_the_same_prior(crowd):
    first, again, other = (fitted(crowd[1], seed=seed).prior for seed in (1, 1, 2))
    assert np.array_equal(first.mean_draws, again.mean_draws)
    assert np.array_equal(first.mean, other.mean)
    assert not np.array_equal(first.mean_draws, other.mean_draws)


def test_users_summed_in_pieces_are_users_summed_at_once(crowd, monkeypatch):
    gathered = gather(crowd[1][:50], POLICY)
    whole = summed(gathered, PUBLISHED, None)
    monkeypatch.setattr(crowd_file, "CHUNK_USERS", 7)
    pieces = summed(gathered, PUBLISHED, None)
    assert np.allclose(whole.gram, pieces.gram)
    assert np.allclose(whole.pull, pieces.pull)


def test_a_fit_that_predicts_unseen_users_worse_is_not_published(crowd):
    """Most users are of a world where the opposite holds; those held out are of the world already known."""
    truth, histories = crowd
    current = fitted(histories).prior
    rng = np.random.default_rng(3)
    opposite = world.World(-3.0 * truth.own, truth.added)
    news = world.histories(rng, truth, 10, prior_version=1)[:100]
    lies = world.histories(rng, opposite, 10, prior_version=1)[:100]
    mixed = [news[n] if n % fit.HELD_OUT_EVERY == 1 else lies[n] for n in range(100)]
    told = fitted(mixed, current)
    assert told.score < told.current_score - 0.05
    assert not told.better


@pytest.mark.parametrize("users", [10, 14, 15, 24, 25, 31])
def test_at_least_five_users_are_held_out_however_few_there_are(monkeypatch, users):
    """And never more than half: the rest must teach."""
    gathered = []
    monkeypatch.setattr(
        fit, "gather", lambda taught, policy: gathered.append(len(taught)) or gather(taught, policy)
    )
    rng = np.random.default_rng(6)
    fitted(world.histories(rng, world.personal(rng, users), 2))
    held_out, seen, everybody = gathered
    assert (held_out + seen, everybody) == (users, users)
    assert fit.HELD_OUT_MIN <= held_out <= users / 2


def test_only_rows_since_the_current_prior_are_judged(crowd):
    """One more row for each of the users held out is all that the scores are about: its mean log density."""
    truth, histories = crowd
    rng = np.random.default_rng(5)
    current = fitted(histories).prior
    latest = [world.row(99, 0, world.emit(rng, eta), prior_version=1) for eta in truth.own[:, 0]]
    grown = [rows.unpack(one.tobytes() + last) for one, last in zip(histories, latest, strict=True)]
    densities = []
    for history in grown[1 :: fit.HELD_OUT_EVERY]:
        gathered = gather([history], POLICY)
        x, weights = PUBLISHED.design[history["combination"]], gathered.weights
        before = np.diag(weights[:-1]) / current.noise
        variance = np.linalg.inv(x[:-1].T @ before @ x[:-1] + current.precision)
        mean = variance @ (x[:-1].T @ before @ gathered.rewards[:-1] + current.precision @ current.mean)
        sd = np.sqrt(x[-1] @ variance @ x[-1] + current.noise)
        densities.append(stats.norm(x[-1] @ mean, sd).logpdf(gathered.rewards[-1]))
    assert fitted(grown, current).current_score == pytest.approx(np.mean(densities))
