"""Fits the population prior to what users have reported: empirical Bayes by expectation-maximisation.

V_u = (A_u/s2 + S^-1)^-1 and m_u = V_u (b_u/s2 + S^-1 mu) are a user's posterior from the sums A = X'WX and
b = X'Wy; mu is the generalised least squares mean with covariance C_mu; S and s2 follow from the spread of
the m_u and of the residuals. It rests on the likelihood, so adaptive choice does not bias it.
Source: learning.md section 1, "Prior, in the background".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amp.learning import reward, rows
from amp.learning.approaches import Approaches
from amp.learning.prior import Prior, paired_normals, population_covariance, shipped
from amp.learning.types import Effects, Floats, History, Ints, Policy

SWEEPS = 2
PRIOR_STRENGTH = 25.0
"""nu0: the shipped spread counts as so many users, the shipped noise as so many rows."""
HELD_OUT_EVERY = 5
"""One user in so many is kept aside to judge the fit on."""
CHUNK_USERS = 512
"""Users whose rows' outer products are in memory at a time."""


@dataclass(frozen=True)
class Fit:
    """A fitted prior and how it did against the current one on users it had not seen."""

    prior: Prior
    score: float
    """Mean log predictive density of a held-out reward, in nats."""
    current_score: float
    """The same of the current prior."""
    better: bool
    """Worth publishing: not worse than the current prior by more than one standard error."""


@dataclass(frozen=True)
class Crowd:
    """The rows that teach, user after user; control rows and users without rows are gone."""

    history: History
    bounds: Ints
    """Where each user's rows start, and where the last one's end; shape (users + 1,)."""
    weights: Floats
    """W: the decay weight of each row; shape (n,)."""
    rewards: Floats
    """Shape (n,)."""

    @property
    def users(self) -> int:
        return len(self.bounds) - 1


@dataclass(frozen=True)
class Sums:
    """All that the model needs of each user's rows."""

    gram: Floats
    """A = X'WX; shape (users, p, p)."""
    pull: Floats
    """b = X'Wy; shape (users, p)."""
    square: Floats
    """y'Wy; shape (users,)."""
    weight: Floats
    """tr(W); shape (users,)."""
    count: Floats
    """Rows; shape (users,)."""

    def of(self, users: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> "Sums":
        """Those of some users."""
        return Sums(
            self.gram[users], self.pull[users], self.square[users], self.weight[users], self.count[users]
        )


def fit(
    histories: Sequence[History],
    current: Prior,
    policy: Policy,
    approaches: Approaches,
    rng: np.random.Generator,
) -> Fit:
    """The next prior, judged on every fifth user and then fitted to all of them.

    With fewer than two users nothing can be judged, and the current prior stays.
    """
    crowd = gather(histories, policy)
    if crowd.users < 2:
        return Fit(current, 0.0, 0.0, better=False)
    version = current.version + 1
    held_out = np.arange(crowd.users) % HELD_OUT_EVERY == 1
    sums = summed(crowd, approaches, None)
    candidate = maximise(sums.of(~held_out), current, version, approaches, rng)
    # The current prior has been fitted to older rows of the users held out: only rows decided since it was
    # published, given the older ones, are news to both.
    old = crowd.history["prior_version"] < current.version
    given = summed(crowd, approaches, None, only=old & ~old.all())
    count = max(1.0, float(np.sum((sums.count - given.count)[held_out])))
    scores = evidence(sums.of(held_out), candidate) - evidence(given.of(held_out), candidate)
    current_scores = evidence(sums.of(held_out), current) - evidence(given.of(held_out), current)
    gains = scores - current_scores
    return Fit(
        prior=maximise(sums, candidate, version, approaches, rng),
        score=float(np.sum(scores)) / count,
        current_score=float(np.sum(current_scores)) / count,
        better=bool(np.sum(gains) >= -np.std(gains) * np.sqrt(gains.size)),
    )


def gather(histories: Sequence[History], policy: Policy) -> Crowd:
    """The rows that teach: those of the learned group, weighted as the posterior weights them."""
    # Joined as plain bytes, for numpy joins records 20 times slower.
    raw = np.dtype(f"V{rows.ROW_BYTES}")
    joined = np.concatenate([np.zeros(0, raw), *(history.view(raw) for history in histories)]).view(rows.ROW)
    user = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    learned = ~rows.has(joined, rows.CONTROL, "circumstance")
    history = joined[learned]
    counts = np.bincount(user[learned], minlength=len(histories))
    bounds = np.concatenate([[0], np.cumsum(counts[counts > 0])])
    later = np.repeat(bounds[1:], np.diff(bounds)) - 1 - np.arange(len(history))
    weights = np.exp(np.log(policy.decay) * later)
    return Crowd(history, bounds, weights, reward.rewards(history, policy.weights))


def summed(
    crowd: Crowd,
    approaches: Approaches,
    effects: Effects | None,
    only: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None = None,
) -> Sums:
    """Each user's sums over their rows, or over some of them, with y = reward - offset."""
    starts = crowd.bounds[:-1]
    taken = np.ones(len(crowd.history)) if only is None else only.astype(np.float64)
    weights = crowd.weights * taken
    y = crowd.rewards - (effects.at(crowd.history) if effects else 0.0)
    p = approaches.design.shape[1]
    gram, pull = np.empty((crowd.users, p, p)), np.empty((crowd.users, p))
    for first in range(0, crowd.users, CHUNK_USERS):
        users = slice(first, first + CHUNK_USERS)
        own = slice(starts[first], crowd.bounds[min(first + CHUNK_USERS, crowd.users)])
        x = approaches.design[crowd.history["combination"][own]]
        weighted = x * weights[own, None]
        local = starts[users] - starts[first]
        gram[users] = np.add.reduceat(weighted[:, :, None] * x[:, None, :], local)
        pull[users] = np.add.reduceat(weighted * y[own, None], local)
    return Sums(
        gram=gram,
        pull=pull,
        square=np.add.reduceat(weights * y**2, starts),
        weight=np.add.reduceat(weights, starts),
        count=np.add.reduceat(taken, starts),
    )


def maximise(
    sums: Sums, start: Prior, version: int, approaches: Approaches, rng: np.random.Generator
) -> Prior:
    """The prior that `SWEEPS` sweeps of expectation-maximisation reach from `start`."""
    base = shipped(approaches)
    precision, noise = start.precision, start.noise
    for _ in range(SWEEPS):
        mean = _population_mean(sums, precision, noise, approaches)[0]
        precision, noise = _spread_and_noise(sums, mean, precision, noise, base)
    mean, covariance = _population_mean(sums, precision, noise, approaches)
    normals = paired_normals(rng, mean.size)
    return Prior(
        version=version,
        mean=mean,
        precision=precision,
        noise=noise,
        mean_draws=mean + normals @ np.linalg.cholesky(covariance).T,
        users=int(np.count_nonzero(sums.count)),
        rows=int(sums.count.sum()),
    )


def _population_mean(
    sums: Sums, precision: Floats, noise: float, approaches: Approaches
) -> tuple[Floats, Floats]:
    """The population's mean by generalised least squares from its weak prior, and its covariance C_mu."""
    gram, pull = sums.gram / noise, sums.pull / noise
    # What a user's rows say of mu once the user's own deviation is integrated out: A/s2 - A/s2 V A/s2.
    explained = gram @ np.linalg.inv(gram + precision)
    weak = np.linalg.inv(population_covariance(approaches))
    covariance = _inverse(weak + (gram - explained @ gram).sum(axis=0))
    told = (pull - np.einsum("upq,uq->up", explained, pull)).sum(axis=0)
    return covariance @ (weak @ shipped(approaches).mean + told), covariance


def _spread_and_noise(
    sums: Sums, mean: Floats, precision: Floats, noise: float, base: Prior
) -> tuple[Floats, float]:
    """S^-1 and s2 given mu: the spread of the users' posteriors, and of their residuals."""
    variances = np.linalg.inv(sums.gram / noise + precision)
    means = np.einsum("upq,uq->up", variances, sums.pull / noise + precision @ mean)
    away = means - mean
    scatter = PRIOR_STRENGTH * np.linalg.inv(base.precision) + variances.sum(axis=0) + away.T @ away
    spread = scatter / (PRIOR_STRENGTH + len(means))
    residual = (
        sums.square.sum()
        - 2.0 * np.sum(means * sums.pull)
        + np.einsum("up,upq,uq->", means, sums.gram, means, optimize=True)
        + np.einsum("upq,upq->", variances, sums.gram)
    )
    noise = (PRIOR_STRENGTH * base.noise + residual) / (PRIOR_STRENGTH + sums.weight.sum())
    return _inverse(spread), float(noise)


def _inverse(symmetric: Floats) -> Floats:
    """The inverse, symmetric to the bit."""
    inverse = np.linalg.inv(symmetric).astype(np.float64)
    return (inverse + inverse.T) / 2.0


def evidence(sums: Sums, prior: Prior) -> Floats:
    """Log density of each user's rewards under a prior, up to a term of the weights; shape (users,)."""
    gram = sums.gram / prior.noise
    pull = (sums.pull - sums.gram @ prior.mean) / prior.noise
    posterior = gram + prior.precision
    square = sums.square - 2.0 * sums.pull @ prior.mean + (sums.gram @ prior.mean) @ prior.mean
    gained = np.einsum("up,up->u", pull, np.linalg.solve(posterior, pull[:, :, None])[:, :, 0])
    shrunk = np.linalg.slogdet(posterior)[1] - np.linalg.slogdet(prior.precision)[1]
    return -0.5 * (sums.count * np.log(2.0 * np.pi * prior.noise) + square / prior.noise - gained + shrunk)
