"""The mixed model of all users: against pencil, paper and dense algebra."""

from dataclasses import replace

import crowds
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import block_diag

from amp.learning import mixed, rows
from amp.learning.approaches import PUBLISHED, Approaches, Dimension
from amp.learning.crowd import gather
from amp.learning.features import features
from amp.learning.prior import shipped, start
from amp.learning.types import Context, Policy, Signals
from amp.simulate import worlds

POLICY = Policy()
SMALL = Approaches(
    (
        Dimension("style", "style", "style", ("one", "two", "three")),
        Dimension("tone", "tone", "tone", ("dry", "warm")),
    )
)


@pytest.fixture(scope="module")
def rows_of_six():
    """Six users, twenty rows each, of two task types at two levels, on six combinations."""
    rng = np.random.default_rng(4)
    histories = []
    for _ in range(6):
        packed = b""
        for nonce in range(20):
            context = Context(int(rng.choice([11, 22])), int(rng.choice([0, 2])))
            packed += crowds.row(nonce, int(rng.integers(6)), crowds.emit(rng, 0.3), context=context)
        histories.append(rows.unpack(packed))
    return gather(histories, POLICY)


def dense(crowd, told, given):
    """F, X and the covariance of y given gamma, a row a report and a column a coefficient."""
    f = np.zeros((len(crowd.history), told.size))
    for number, (row, context) in enumerate(zip(crowd.history, told.contexts(crowd.history), strict=True)):
        f[number, told.columns(int(context))] = told.compact(int(context))[row["combination"]]
    x = f[:, : told.p]
    blocks = []
    for first, last in zip(crowd.bounds[:-1], crowd.bounds[1:], strict=True):
        own = x[first:last]
        blocks.append(own @ given.spread @ own.T + given.noise * np.eye(last - first))
    return f, x, block_diag(*blocks)


def test_what_is_known_of_the_population_is_the_dense_regression(rows_of_six):
    """Referee: generalised least squares with the whole covariance of all rows, and a prior on gamma."""
    crowd, told = rows_of_six, features(rows_of_six.history, SMALL)
    given, centre = start(told).variances, start(told).centre
    known = mixed.posterior(mixed.moments(crowd, told), given, centre)
    f, _, covariance = dense(crowd, told, given)
    prior = np.diag(1.0 / given.scales[told.groups])
    precision = f.T @ np.linalg.solve(covariance, f) + prior
    pull = f.T @ np.linalg.solve(covariance, crowd.rewards) + prior @ centre
    assert np.allclose(known.covariance, np.linalg.inv(precision))
    assert np.allclose(known.mean, np.linalg.solve(precision, pull))


def test_the_mean_of_one_row_is_the_one_worked_out_by_hand():
    """One dimension of two options; one user, one row, reward y, x = (1, h), h = 1/sqrt 2.

    mu has variances c0, c1 and the user S0, S1 around it, so the row has variance
    v = c0 + S0 + h^2 (c1 + S1) + s2 around m0: gain = (c0, h c1) / v, mean = (m0, 0) + gain (y - m0).
    """
    one = Approaches((Dimension("style", "style", "style", ("one", "two")),))
    crowd = gather([rows.unpack(crowds.row(1, 0, Signals(started=True, completed=True)))], POLICY)
    told = features(crowd.history, one)
    given, centre = start(told).variances, start(told).centre
    known = mixed.posterior(mixed.moments(crowd, told), given, centre)
    (c0, c1), (s0, s1) = given.scales[:2], np.diag(given.spread)
    variance = c0 + s0 + 0.5 * (c1 + s1) + given.noise
    gain = np.array([c0, c1 / np.sqrt(2.0)]) / variance
    assert np.allclose(known.mean[:2], np.array([0.5, 0.0]) + gain * (0.8 - 0.5))
    assert np.allclose(known.covariance[:2, :2], np.diag([c0, c1]) - variance * np.outer(gain, gain))


def test_each_step_explains_the_same_rows_better(rows_of_six):
    """The evidence of scipy's normal density, the population integrated out, never falls."""
    crowd, told = rows_of_six, features(rows_of_six.history, SMALL)
    known, begin = mixed.moments(crowd, told), start(told)
    begin = replace(begin, freedom=1e-9, users=1e-9, rows=1e-9, coefficients=np.array([1e9] * 5))
    given, before = begin.variances, -np.inf
    for _ in range(6):
        f, _, covariance = dense(crowd, told, given)
        covariance += f @ np.diag(given.scales[told.groups]) @ f.T
        evidence = stats.multivariate_normal(f @ begin.centre, covariance).logpdf(crowd.rewards)
        assert evidence > before
        before = evidence
        given = mixed.maximise(known, given, mixed.posterior(known, given, begin.centre), begin)


def test_what_the_spread_is_drawn_to_is_each_dimensions_own_width():
    """Two contrasts with variances 1 and 3 have a harmonic mean of 1.5; believed was 0.5.

    With as many users told as the belief counts as, half way: 1.0. Two users told nothing of any other.
    """
    told = features(rows.unpack(crowds.row(1, 0, Signals(started=True))), SMALL)
    known = mixed.moments(
        gather([rows.unpack(crowds.row(n, 0, Signals(started=True))) for n in (1, 2)], POLICY), told
    )
    believed = mixed.Variances(np.diag([2.0, 0.5, 0.5, 4.0]), 1.0, np.ones(5))
    begin = replace(start(told), variances=believed, users=2.0)
    given = replace(believed, spread=np.diag([2.0, 1.0, 3.0, 8.0]))
    assert mixed.widths(known, given, begin).tolist() == pytest.approx([2.0, 1.0, 1.0, 6.0])


def test_the_spread_of_users_is_found():
    """World c: users' own expected rewards, described by the linear model, spread in each dimension so."""
    rng = np.random.default_rng(8)
    truth = crowds.personal(rng, 400)
    crowd = gather(crowds.histories(rng, truth, 40), POLICY)
    told = features(crowd.history, PUBLISHED)
    known, begin = mixed.moments(crowd, told), start(told)
    given = shipped(PUBLISHED).variances
    for _ in range(12):
        given = mixed.maximise(known, given, mixed.posterior(known, given, begin.centre), begin)
    sds = np.sqrt(np.diag(given.spread))[1:].reshape(4, 3).mean(axis=1)
    own = np.linalg.lstsq(PUBLISHED.design, worlds.expected_reward(truth.own).T, rcond=None)[0]
    assert np.allclose(sds, own.std(axis=1)[1:].reshape(4, 3).mean(axis=1), rtol=0.35)


def test_the_same_rows_judged_otherwise_need_no_new_moments(rows_of_six):
    told = features(rows_of_six.history, SMALL)
    other = rows_of_six.judged_by(replace(POLICY.weights, flow=0.5, satisfaction=-0.2))
    quick = mixed.judged_by(mixed.moments(rows_of_six, told), other)
    whole = mixed.moments(other, told)
    assert np.allclose(quick.pull, whole.pull)
    assert np.allclose(np.vstack(quick.own), np.vstack(whole.own))
    assert quick.square == pytest.approx(whole.square)


def test_users_in_pieces_are_users_at_once(rows_of_six, monkeypatch):
    told = features(rows_of_six.history, SMALL)
    begin = start(told)
    whole = mixed.moments(rows_of_six, told)
    monkeypatch.setattr(mixed, "CHUNK_USERS", 4)
    pieces = mixed.moments(rows_of_six, told)
    assert [len(chunk) for chunk in pieces.cross] == [4, 2]
    one, other = (mixed.posterior(each, begin.variances, begin.centre) for each in (whole, pieces))
    assert np.allclose(one.mean, other.mean)
    assert np.allclose(one.covariance, other.covariance)
