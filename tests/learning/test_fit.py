"""Fitting the population prior: against pencil, paper and scipy, and against worlds whose truth is known."""

from dataclasses import replace

import crowds
import numpy as np
import pytest
from scipy import stats

from amp.learning import fit, rows
from amp.learning.approaches import PUBLISHED
from amp.learning.crowd import gather
from amp.learning.prior import shipped
from amp.learning.types import Context, Policy, Signals
from amp.simulate import worlds

POLICY = Policy()
SHIPPED = shipped(PUBLISHED)


def fitted(histories, current=SHIPPED, seed=1):
    return fit.fit(histories, current, POLICY, PUBLISHED, np.random.default_rng(seed))


def expected_by_contrast(truth):
    """The linear model's best description of each user's expected rewards; shape (users, 13)."""
    return np.linalg.lstsq(PUBLISHED.design, worlds.expected_reward(truth.own).T, rcond=None)[0].T


@pytest.fixture(scope="module")
def crowd():
    rng = np.random.default_rng(11)
    truth = crowds.personal(rng, 400)
    return truth, crowds.histories(rng, truth, 10)


def test_fewer_users_than_can_be_judged_leave_the_current_prior():
    """Nobody, one without rows, one, and nine: four held out would not tell their standard error."""
    rng = np.random.default_rng(2)
    nine = crowds.histories(rng, crowds.personal(rng, 9), 50)
    for histories in ([], [rows.unpack(b"")], nine[:1], [*nine, rows.unpack(b"")]):
        told = fitted(histories)
        assert told.prior is SHIPPED
        assert not told.better


def test_ten_users_are_enough_to_fit_and_hardly_move_the_prior():
    rng = np.random.default_rng(2)
    told = fitted(crowds.histories(rng, crowds.personal(rng, 10), 1))
    assert (told.prior.version, told.prior.users, told.prior.rows) == (1, 10, 10)
    assert np.abs(told.prior.mean - SHIPPED.mean).max() < 0.2
    assert np.linalg.eigvalsh(told.prior.precision)[0] > 0


def test_the_fitted_mean_is_the_populations_within_its_own_uncertainty(crowd):
    truth, histories = crowd
    told = fitted(histories)
    off = told.prior.mean - expected_by_contrast(truth).mean(axis=0)
    assert told.better
    assert np.abs(off / told.prior.mean_draws.std(axis=0)).max() < 3.5
    assert told.prior.mean_draws.std(axis=0).max() < 0.03


def test_the_fitted_spread_orders_the_dimensions_as_the_world_does():
    """Users differ most in the first dimension (sd 0.6) and least in the last (sd 0.25)."""
    rng = np.random.default_rng(8)
    told = fitted(crowds.histories(rng, crowds.personal(rng, 200), 40))
    spread = np.diag(np.linalg.inv(told.prior.precision))[1:].reshape(4, 3).mean(axis=1)
    assert spread[0] > 1.5 * spread[3]


def test_adaptive_choice_does_not_bias_the_fit():
    """Users who repeat what completed: what they repeat looks better than it is, but not to the fit."""
    rng = np.random.default_rng(4)
    truth = crowds.personal(rng, 400)

    def stay_or_switch(combination, signals):
        if signals is not None and signals.completed:
            return combination
        return int(rng.integers(PUBLISHED.count))

    told = fitted(crowds.histories(rng, truth, 12, pick=stay_or_switch))
    off = told.prior.mean - expected_by_contrast(truth).mean(axis=0)
    assert np.abs(off / told.prior.mean_draws.std(axis=0)).max() < 3.5


def test_control_rows_teach_nobody(crowd):
    histories = crowd[1][:40]
    success = Signals(started=True, completed=True, satisfaction=1.0)
    control = [rows.unpack(crowds.row(n, 3, success, control=True)) for n in range(30)]
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


def test_a_fit_that_predicts_unseen_users_worse_is_not_published(crowd):
    """Most users are of a world where the opposite holds; those held out are of the world already known."""
    truth, histories = crowd
    current = fitted(histories).prior
    rng = np.random.default_rng(3)
    opposite = replace(truth, own=-3.0 * truth.own)
    news = crowds.histories(rng, truth, 10, prior_version=1)[:100]
    lies = crowds.histories(rng, opposite, 10, prior_version=1)[:100]
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
    fitted(crowds.histories(rng, crowds.personal(rng, users), 2))
    held_out, seen, everybody = gathered
    assert (held_out + seen, everybody) == (users, users)
    assert fit.HELD_OUT_MIN <= held_out <= users / 2


def test_only_news_decides_whether_a_prior_is_published(crowd):
    """One more row for each of the users held out is all that the scores are about: its mean log density."""
    truth, histories = crowd
    rng = np.random.default_rng(5)
    current = fitted(histories).prior
    latest = [crowds.row(99, 0, crowds.emit(rng, eta), prior_version=1) for eta in truth.own[:, 0]]
    grown = [rows.unpack(one.tobytes() + last) for one, last in zip(histories, latest, strict=True)]
    densities = []
    for history in grown[1 :: fit.HELD_OUT_EVERY]:
        # the newer half is predicted from the older five rows; of it only the last row is news
        older, last = gather([history[:5]], POLICY), gather([history[-1:]], POLICY)
        heard = older.judged_by(current.heard(POLICY)).rewards - current.effects.at(older.history)
        x = PUBLISHED.design[older.history["combination"]]
        kept = x.T @ (older.weights[:, None] * x) / current.noise + current.precision
        pull = x.T @ (older.weights * heard) / current.noise + current.precision @ current.mean
        mean = np.linalg.solve(kept, pull)
        x = PUBLISHED.design[last.history["combination"][0]]
        variance = x @ np.linalg.solve(kept, x) + current.reward_noise
        expected = x @ mean + current.effects.at(last.history)[0]
        densities.append(stats.norm(expected, np.sqrt(variance)).logpdf(last.rewards[0]))
    assert fitted(grown, current).current_score == pytest.approx(np.mean(densities))


def test_a_fit_learns_from_the_index_where_it_predicts_better():
    """World c, 400 users with 20 outcomes: satisfaction and flow tell what a bare completion leaves open."""
    rng = np.random.default_rng(11)
    told = fitted(crowds.histories(rng, crowds.personal(rng, 400), 20)).prior
    assert told.index is not None
    assert told.judged == POLICY.weights
    assert told.noise < 0.9 * told.reward_noise
    assert told.heard(POLICY) == told.index
    other = replace(POLICY, weights=replace(POLICY.weights, flow=0.3))
    assert told.heard(other) == other.weights  # a changed reward counts at once, before the next fit


SAME = Signals(started=True, completed=True, time_to_start_ms=123_457, flow_state=True, satisfaction=0.37)


@pytest.mark.parametrize(
    ("reports", "combinations", "weights"),
    [
        ([SAME], 1, POLICY.weights),
        # whether it was completed nobody tells, so that a start is worth as much as none
        (
            [Signals(started=True), Signals(started=False)],
            PUBLISHED.count,
            replace(POLICY.weights, never_started=0.0),
        ),
    ],
    ids=["the same signals", "other signals of the same reward"],
)
def test_rewards_that_are_all_the_same_are_learned_as_they_are(reports, combinations, weights):
    """Of an index there is nothing to tell: what is left of the variance of the rewards is rounding."""
    rng = np.random.default_rng(4)
    histories = [
        rows.unpack(
            b"".join(
                crowds.row(n, int(rng.integers(combinations)), reports[int(rng.integers(len(reports)))])
                for n in range(10)
            )
        )
        for _ in range(40)
    ]
    policy = replace(POLICY, weights=weights)
    told = fit.fit(histories, SHIPPED, policy, PUBLISHED, rng)
    assert told.better
    assert told.prior.index is None
    reward = gather(histories, policy).rewards[0]
    expected = PUBLISHED.design @ told.prior.mean + told.prior.effects.table(Context())[0]
    shown = np.unique(np.concatenate(histories)["combination"])
    assert expected[shown].mean() == pytest.approx(reward, abs=0.02)
