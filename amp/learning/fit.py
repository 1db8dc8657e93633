"""Fits the population prior to what users have reported: empirical Bayes by expectation-maximisation.

V_u = (A_u/s2 + S^-1)^-1 and m_u = V_u (b_u/s2 + S^-1 mu) are a user's posterior from the sums A = X'WX and
b = X'Wy; mu is their generalised least squares mean with covariance C_mu; S and s2 follow from the spread of
the m_u and of the residuals. It rests on the likelihood, so adaptive choice does not bias it.
Source: learning.md section 1, "Prior, in the background".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from amp.learning import ridge
from amp.learning.approaches import Approaches
from amp.learning.crowd import Crowd, Mask, Sums, gather, learned, summed
from amp.learning.prior import Prior, paired_normals, population_covariance, shipped
from amp.learning.types import Floats, History, Policy

SWEEPS = 2
PRIOR_STRENGTH = 25.0
"""nu0: the shipped spread counts as so many users, the shipped noise as so many rows."""
HELD_OUT_EVERY = 5
"""One user in so many is kept aside to judge the fit on; of fewer than 25 users one in 4, 3 or 2."""
HELD_OUT_MIN = 5
"""Users kept aside at least: the standard error of fewer gains says nothing, and that of one is 0."""
EFFECTS_ERRORS = 2.0
"""Standard errors by which effects must predict better to be kept: they cost every user some exploration."""


@dataclass(frozen=True)
class Fit:
    """A fitted prior and how it did against the current one on users it had not seen."""

    prior: Prior
    score: float
    """Mean log predictive density of a held-out reward, in nats, up to a term that the two scores share."""
    current_score: float
    """The same of the current prior."""
    better: bool
    """Worth publishing: not worse than the current prior by more than one standard error."""


def fit(
    histories: Sequence[History],
    current: Prior,
    policy: Policy,
    approaches: Approaches,
    rng: np.random.Generator,
) -> Fit:
    """The next prior, judged on users held out and then fitted to all of them.

    Population effects are in it when they predict the users held out better by more than chance.
    With fewer than `2 * HELD_OUT_MIN` users nothing can be judged, and the current prior stays: so small a
    tenant learns from each user's own rows.
    """
    taught = [kept for kept in map(learned, histories) if len(kept)]
    if len(taught) < 2 * HELD_OUT_MIN:
        return Fit(current, 0.0, 0.0, better=False)
    version = current.version + 1
    every = min(HELD_OUT_EVERY, len(taught) // HELD_OUT_MIN)
    held_out = gather(taught[1::every], policy)
    seen = gather([one for index, one in enumerate(taught) if index % every != 1], policy)
    news, count = _news(held_out, current)
    candidates = [
        _teach(seen, current, version, approaches, rng, effects=effects) for effects in (False, True)
    ]
    scores = [_scores(held_out, news, prior, approaches) for prior in (current, *candidates)]
    effects = _gain(scores[2] - scores[1], errors=-EFFECTS_ERRORS) > 0.0
    chosen = 1 + effects
    return Fit(
        prior=_teach(gather(taught, policy), candidates[effects], version, approaches, rng, effects=effects),
        score=float(np.sum(scores[chosen])) / count,
        current_score=float(np.sum(scores[0])) / count,
        better=_gain(scores[chosen] - scores[0], errors=1.0) >= 0.0,
    )


def _gain(gains: Floats, *, errors: float) -> float:
    """The sum of what each user gains, and so many of its standard errors."""
    return float(np.sum(gains) + errors * np.std(gains, ddof=1) * np.sqrt(gains.size))


def _news(held_out: Crowd, current: Prior) -> tuple[Mask, int]:
    """Which rows to judge on, and how many they are.

    The current prior was fitted to older rows of these users: only what was decided since it was published,
    given the older rows, is news to both. Where there is none (the weights changed), all rows are judged.
    """
    news = held_out.history["prior_version"] >= current.version
    if not news.any():
        news = ~news
    return news, int(np.count_nonzero(news))


def _scores(held_out: Crowd, news: Mask, prior: Prior, approaches: Approaches) -> Floats:
    """Log density of each user's new rewards given the older ones; shape (users,)."""
    everything = summed(held_out, approaches, prior.effects)
    older = summed(held_out, approaches, prior.effects, only=~news)
    return evidence(everything, prior) - evidence(older, prior)


def _teach(
    crowd: Crowd,
    start: Prior,
    version: int,
    approaches: Approaches,
    rng: np.random.Generator,
    *,
    effects: bool,
) -> Prior:
    """The prior of these users, from a warm start: first without, then with, what the contexts explain."""
    sums = summed(crowd, approaches, start.effects if effects else None)
    prior = maximise(sums, start, version, approaches, rng)
    offsets = None
    if effects:
        variances = _variances(sums, prior.precision, prior.noise)
        means = _means(sums, variances, prior.mean, prior.precision, prior.noise)
        own = np.repeat(means, np.diff(crowd.bounds), axis=0)
        x = approaches.design[crowd.history["combination"]]
        residuals = crowd.rewards - np.einsum("np,np->n", x, own)
        offsets = ridge.offsets(crowd, residuals, prior.noise, approaches, rng)
        sums = summed(crowd, approaches, offsets)
    # As often without effects: two candidates that differ in more than effects could not be compared.
    return replace(maximise(sums, prior, version, approaches, rng), effects=offsets)


def maximise(
    sums: Sums, start: Prior, version: int, approaches: Approaches, rng: np.random.Generator
) -> Prior:
    """The prior that `SWEEPS` sweeps of expectation-maximisation reach from `start`."""
    base = shipped(approaches)
    precision, noise = start.precision, start.noise
    for _ in range(SWEEPS):
        variances = _variances(sums, precision, noise)
        mean, _ = _population_mean(sums, variances, noise, approaches)
        precision, noise = _spread_and_noise(sums, variances, mean, precision, noise, base=base)
    mean, covariance = _population_mean(sums, _variances(sums, precision, noise), noise, approaches)
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


def _variances(sums: Sums, precision: Floats, noise: float) -> Floats:
    """V_u; shape (users, p, p)."""
    return np.linalg.inv(sums.gram / noise + precision).astype(np.float64, copy=False)


def _means(sums: Sums, variances: Floats, mean: Floats, precision: Floats, noise: float) -> Floats:
    """m_u; shape (users, p)."""
    return (variances @ (sums.pull / noise + precision @ mean)[:, :, None])[:, :, 0]


def _population_mean(
    sums: Sums, variances: Floats, noise: float, approaches: Approaches
) -> tuple[Floats, Floats]:
    """The population's mean by generalised least squares from its weak prior, and its covariance C_mu."""
    # What a user's rows say of mu once the user's own deviation is integrated out: A/s2 - A/s2 V A/s2.
    kept = np.eye(variances.shape[1]) - sums.gram @ variances / noise
    weak = np.linalg.inv(population_covariance(approaches))
    covariance = _inverse(weak + np.einsum("upq,uqr->pr", kept, sums.gram, optimize=True) / noise)
    told = np.einsum("upq,uq->p", kept, sums.pull) / noise
    return covariance @ (weak @ shipped(approaches).mean + told), covariance


def _spread_and_noise(
    sums: Sums, variances: Floats, mean: Floats, precision: Floats, noise: float, *, base: Prior
) -> tuple[Floats, float]:
    """S^-1 and s2 given mu: the spread of the users' posteriors, and of their residuals."""
    means = _means(sums, variances, mean, precision, noise)
    away = means - mean
    scatter = PRIOR_STRENGTH * np.linalg.inv(base.precision) + variances.sum(axis=0) + away.T @ away
    spread = scatter / (PRIOR_STRENGTH + len(means))
    residual = (
        sums.square.sum()
        - 2.0 * np.sum(means * sums.pull)
        + np.sum(means * (sums.gram @ means[:, :, None])[:, :, 0])
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
