"""What another policy would have earned on the decisions of a log: IPS, SNIPS and doubly robust estimates.

Of decision i: reward r, context x, probability p of what was shown, the target's probability t of it, and
w = t / p. IPS is the mean of w r, SNIPS the sum of w r over the sum of w, the doubly robust estimate the mean
of q(x, target) + w (r - q(x, shown)) with a reward model q that is never judged on users it was fitted to.
Decisions of one user depend on each other, so errors are those of users' sums (linearised where a ratio).
Source: Dudik, Langford and Li 2011 (doubly robust); Swaminathan and Joachims 2015 (SNIPS); Kish 1965 (ESS);
Zhang and Stephens 2009 and Vehtari et al. 2024 (tail of the weights).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from amp.learning.types import Floats, Ints

CONFIDENCE = 0.95
FOLDS = 5
"""The reward model of a user's fold is fitted to the users of the others."""
INTERCEPT_PENALTY, OPTION_PENALTY, CONTEXT_PENALTY = 1e-3, 30.0, 60.0
"""Ridge: a reward's variance (0.15) over that of the population's contrasts (sd 0.07) or contexts' (0.05)."""
ESS_MIN, USERS_MIN, USABLE_MIN, OUT_OF_REACH_MAX, WEIGHT_MEAN_OFF_MAX = 100, 30, 0.5, 0.01, 0.2
TAIL_SHAPE_MAX = 0.7
"""When an estimate is doubted. The last is the one of Vehtari et al."""
_CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Sample:
    """n decisions with a propensity, and what the target would do in them; p is the design's columns."""

    users: Ints
    """Numbers of users, from 0 on; shape (n,)."""
    rewards: Floats
    propensities: Floats
    """Of what was shown; shape (n,)."""
    targets: Floats
    """The target's probability of what was shown; shape (n,)."""
    shown: Floats
    """Design of what was shown; shape (n, p)."""
    wanted: Floats
    """Design of what the target would show, in the mean; shape (n, p)."""
    contexts: Floats
    """Features of the context, the first 1; shape (n, m)."""

    @property
    def weights(self) -> Floats:
        return self.targets / self.propensities


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward, with its standard error and interval; none of both for a single user."""

    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the log says of a target."""

    decisions: int
    users: int
    logged: Estimate
    """What was earned in the same decisions."""
    ips: Estimate
    snips: Estimate
    dr: Estimate
    ips_gain: Estimate
    """The target's estimate minus `logged`; its error knows that both are of the same decisions."""
    snips_gain: Estimate
    dr_gain: Estimate
    effective_sample_size: float
    """Kish: (sum of w)^2 / sum of w^2, in decisions."""
    weight_max: float
    weight_mean: float
    """1 but for chance, when everything that the target shows could have been shown."""
    tail_shape: float | None
    """k of the generalised Pareto tail of the weights; over 0.7 their mean is not to be relied on."""


def evaluate(sample: Sample) -> Evaluation:
    """Estimates of the target's mean reward in the contexts, and after the histories, of the log.

    Raises:
        ValueError: there is no decision, or one that was made has no probability.
    """
    if not sample.rewards.size or sample.propensities.min() <= 0.0:
        raise ValueError("an estimate needs decisions, each with a probability above 0")
    weights, rewards = sample.weights, sample.rewards
    shown, wanted = predicted(sample)
    logged = _mean(rewards)
    parts = [
        _mean(weights * rewards),
        _ratio(weights, rewards),
        _mean(wanted + weights * (rewards - shown)),
    ]
    ips, snips, dr = (_estimate(*part, sample.users) for part in parts)
    gains = [_estimate(value - logged[0], away - logged[1], sample.users) for value, away in parts]
    return Evaluation(
        decisions=rewards.size,
        users=len(np.unique(sample.users)),
        logged=_estimate(*logged, sample.users),
        ips=ips,
        snips=snips,
        dr=dr,
        ips_gain=gains[0],
        snips_gain=gains[1],
        dr_gain=gains[2],
        effective_sample_size=effective_sample_size(weights),
        weight_max=float(weights.max()),
        weight_mean=float(weights.mean()),
        tail_shape=tail_shape(weights),
    )


def _mean(values: Floats) -> tuple[float, Floats]:
    """A mean, and how far each decision moves it, times n; shape (n,)."""
    value = float(values.mean())
    return value, values - value


def _ratio(weights: Floats, values: Floats) -> tuple[float, Floats]:
    """A weighted mean, and how far each decision moves it, times n, to first order; shape (n,)."""
    total = float(weights.sum())
    if total <= 0.0:
        return math.nan, np.full(values.size, math.nan)
    value = float(weights @ values) / total
    return value, weights * (values - value) * (values.size / total)


def _estimate(value: float, away: Floats, users: Ints) -> Estimate:
    """With the error of users' sums, and the interval of Student's t."""
    sums = np.bincount(users, away) / away.size
    count = len(np.unique(users))
    if count < 2:
        return Estimate(value, math.nan, math.nan, math.nan)
    error = math.sqrt(count / (count - 1) * float(sums @ sums))
    margin = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error
    return Estimate(value, error, value - margin, value + margin)


def effective_sample_size(weights: Floats) -> float:
    """Kish: as many decisions of equal weight would say as much."""
    square = float(weights @ weights)
    return float(weights.sum()) ** 2 / square if square > 0.0 else 0.0


def predicted(sample: Sample) -> tuple[Floats, Floats]:
    """The model's reward of what was shown and of what the target would show; shape (n,) each.

    Ridge on design x context, for each fold fitted to the users of the other folds.
    """
    folds = sample.users % FOLDS
    size = sample.shown.shape[1] * sample.contexts.shape[1]
    grams, pulls = np.zeros((FOLDS, size, size)), np.zeros((FOLDS, size))
    for rows in _chunks(folds.size):
        features = _features(sample.shown[rows], sample.contexts[rows])
        for fold in range(FOLDS):
            own = features[folds[rows] == fold]
            grams[fold] += own.T @ own
            pulls[fold] += own.T @ sample.rewards[rows][folds[rows] == fold]
    others, told = grams.sum(axis=0) - grams, pulls.sum(axis=0) - pulls
    ridge = np.diag(_penalties(sample.shown.shape[1], sample.contexts.shape[1]))
    models = np.empty((FOLDS, size))
    for fold in range(FOLDS):
        models[fold] = np.linalg.solve(others[fold] + ridge, told[fold])
    shown, wanted = np.empty(folds.size), np.empty(folds.size)
    for rows in _chunks(folds.size):
        own = models[folds[rows]]
        shown[rows] = np.einsum("nq,nq->n", _features(sample.shown[rows], sample.contexts[rows]), own)
        wanted[rows] = np.einsum("nq,nq->n", _features(sample.wanted[rows], sample.contexts[rows]), own)
    return shown, wanted


def _chunks(count: int) -> list[slice]:
    return [slice(start, start + _CHUNK) for start in range(0, count, _CHUNK)]


def _features(design: Floats, contexts: Floats) -> Floats:
    """Every column of the design in every context; shape (n, m p)."""
    return (contexts[:, :, None] * design[:, None, :]).reshape(len(design), -1)


def _penalties(p: int, m: int) -> Floats:
    penalties = np.full((m, p), CONTEXT_PENALTY)
    penalties[0] = OPTION_PENALTY
    penalties[0, 0] = INTERCEPT_PENALTY
    return penalties.ravel()


def tail_shape(weights: Floats) -> float | None:
    """K of the generalised Pareto distribution that fits the largest weights; None where too few differ."""
    count = int(min(weights.size / 5, 3 * math.sqrt(weights.size)))
    if count < 5:
        return None
    ordered = np.sort(weights)
    tail = ordered[-count:] - ordered[-count - 1]
    tail = tail[tail > 0.0]
    if tail.size < 5 or tail[0] == tail[-1]:
        return None
    steps = np.arange(1, 31 + int(math.sqrt(tail.size)))
    quarter = tail[int(tail.size / 4 + 0.5) - 1]
    guesses = 1.0 / tail[-1] + (1.0 - np.sqrt(steps.size / (steps - 0.5))) / (3.0 * quarter)
    shapes = np.log1p(-guesses[:, None] * tail).mean(axis=1)
    likelihood = tail.size * (np.log(-guesses / shapes) - shapes - 1.0)
    shares = np.exp(likelihood - likelihood.max())
    guess = float(guesses @ shares / shares.sum())
    shape = float(np.log1p(-guess * tail).mean())
    return (shape * tail.size + 5.0) / (tail.size + 10.0)  # a little towards 0.5, for few say little


def doubts(result: Evaluation, usable_share: float, out_of_reach: float | None) -> list[str]:
    """What speaks against relying on the estimates, in words.

    `usable_share` is of the log's decisions, `out_of_reach` the target's mean share of what could not have
    been shown; None where that is not known.
    """
    said: list[str] = []
    if result.effective_sample_size < ESS_MIN:
        said.append(
            f"the log holds little like this policy: an effective sample size of "
            f"{result.effective_sample_size:,.0f}, where {ESS_MIN} are wanted before the estimates say much."
        )
    if result.tail_shape is not None and result.tail_shape > TAIL_SHAPE_MAX:
        said.append(
            f"a few decisions weigh most (tail shape {result.tail_shape:.2f} > {TAIL_SHAPE_MAX}): the "
            "intervals are too narrow."
        )
    if abs(result.weight_mean - 1.0) > WEIGHT_MEAN_OFF_MAX:
        said.append(
            f"the weights average {result.weight_mean:.2f}, where 1 is expected: what the policy would show "
            "was shown too rarely, and IPS is off by as much."
        )
    if result.users < USERS_MIN:
        said.append(f"{result.users} users, where {USERS_MIN} are wanted for an interval.")
    if usable_share < USABLE_MIN:
        said.append(f"only {usable_share:.0%} of the decisions can be used: they may differ from the others.")
    if out_of_reach is not None and out_of_reach > OUT_OF_REACH_MAX:
        said.append(
            f"{out_of_reach:.0%} of what the policy would show could not have been shown: IPS counts it as "
            "nothing, and the doubly robust estimate leans on its model there."
        )
    return said
