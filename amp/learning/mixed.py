"""The mixed model of all users: y = f'gamma + x'd_u + e; gamma is the population's, d_u ~ N(0, S) a user's.

With V_u = (A_u/s2 + S^-1)^-1 a user is integrated out exactly: gamma has the posterior precision
F'F/s2 - sum B_u V_u B_u'/s2^2 + D^-1, where A_u = X'X and B_u = F'X are of the user's rows and D has one
variance for each group of coefficients. Given gamma, d_u = V_u (X'y - B_u'gamma)/s2. What maximises the
expectation moves S, s2 and D. All rests on the likelihood, so adaptive choice does not bias it. Rows do
not decay here: as weights they would pass for more noise in older rows, and for less spread of users.
Source: learning.md section 1, "Prior, in the background"; Laird and Ware 1982.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from amp.learning.crowd import Crowd
from amp.learning.features import GROUPS, Features
from amp.learning.types import LEVELS, Floats

CHUNK_USERS = 512
"""Users who are worked on at a time."""


@dataclass(frozen=True)
class Variances:
    """What expectation-maximisation moves."""

    spread: Floats
    """S; shape (p, p)."""
    noise: float
    """s2."""
    scales: Floats
    """D: the variance of a coefficient around its centre, by group; shape (GROUPS,)."""

    def times(self, factor: float) -> "Variances":
        """Those of a y whose unit is so much smaller: its variances are, by this factor."""
        return Variances(factor * self.spread, factor * self.noise, factor * self.scales)


@dataclass(frozen=True)
class Start:
    """What is believed before any row, and how many observations each belief counts as."""

    centre: Floats
    """Of gamma; shape (size,)."""
    variances: Variances
    freedom: float
    """Of S, around independent coefficients of their dimensions' widths."""
    users: float
    """Of those widths."""
    rows: float
    """Of s2."""
    coefficients: Floats
    """Of D, by group; shape (GROUPS,)."""


@dataclass(frozen=True)
class Posterior:
    """What is known of gamma: N(mean, covariance)."""

    mean: Floats
    covariance: Floats


@dataclass(frozen=True)
class Moments:
    """All that the model needs of the rows; users are in chunks."""

    features: Features
    gram: Floats
    """F'F; shape (size, size)."""
    pull: Floats
    """F'y; shape (size,)."""
    cross: list[Floats]
    """B_u; shape (users of the chunk, size, p) each. Its first p rows are A_u."""
    own: list[Floats]
    """X'y of each user; shape (users of the chunk, p) each."""
    square: float
    """y'y."""
    rows: int
    users: int


def moments(crowd: Crowd, told: Features) -> Moments:
    """The moments of these users' rows, y being `crowd.rewards`."""
    gram, pull = _totals(crowd, told)
    return Moments(
        features=told,
        gram=gram,
        pull=pull,
        cross=list(_cross(crowd, told)),
        own=_own(crowd, told),
        square=float(crowd.rewards @ crowd.rewards),
        rows=len(crowd.rewards),
        users=crowd.users,
    )


def judged_by(known: Moments, crowd: Crowd) -> Moments:
    """The moments of the same rows where y is another: what does not depend on y is not worked out again."""
    return replace(
        known,
        pull=_totals(crowd, known.features)[1],
        own=_own(crowd, known.features),
        square=float(crowd.rewards @ crowd.rewards),
    )


def _totals(crowd: Crowd, told: Features) -> tuple[Floats, Floats]:
    """F'F and F'y over all rows, context by context."""
    count = len(told.approaches.design)
    shape = (len(told.hashes) * len(LEVELS), count)
    cell = told.contexts(crowd.history) * count + told.approaches.points(crowd.history)
    mass = np.bincount(cell, minlength=shape[0] * count).reshape(shape)
    heard = np.bincount(cell, crowd.rewards, shape[0] * count).reshape(shape)
    gram, pull = np.zeros((told.size, told.size)), np.zeros(told.size)
    for context in np.flatnonzero(mass.any(axis=1)).tolist():
        columns, f = told.columns(context), told.compact(context)
        gram[np.ix_(columns, columns)] += f.T @ (mass[context][:, None] * f)
        pull[columns] += f.T @ heard[context]
    return gram, pull


def _chunks(crowd: Crowd) -> Iterator[list[int]]:
    """Where each user's rows start, and the last one's end, for one chunk after the other."""
    bounds: list[int] = crowd.bounds.tolist()
    for first in range(0, crowd.users, CHUNK_USERS):
        yield bounds[first : first + CHUNK_USERS + 1]


def _cross(crowd: Crowd, told: Features) -> Iterator[Floats]:
    context = told.contexts(crowd.history)
    for ends in _chunks(crowd):
        part = slice(ends[0], ends[-1])
        combination = told.approaches.points(crowd.history[part])
        x = told.approaches.design[combination]
        f = np.zeros((len(combination), told.size))
        f[:, : told.fixed] = told.everywhere[combination]
        for number in np.unique(context[part]).tolist():
            here = np.flatnonzero(context[part] == number)
            for block in told.shifts(number):
                f[here, block] = x[here]
        cross = np.empty((len(ends) - 1, told.size, told.p))
        for user, (start, end) in enumerate(pairwise(ends)):
            own = slice(start - ends[0], end - ends[0])
            np.matmul(f[own].T, x[own], out=cross[user])
        yield cross


def _own(crowd: Crowd, told: Features) -> list[Floats]:
    told_by = crowd.rewards[:, None] * told.approaches.design[told.approaches.points(crowd.history)]
    sums = np.add.reduceat(told_by, crowd.bounds[:-1])
    return [sums[first : first + CHUNK_USERS] for first in range(0, crowd.users, CHUNK_USERS)]


def posterior(told: Moments, given: Variances, centre: Floats) -> Posterior:
    """What the rows say of gamma, which before them is N(centre, D)."""
    precision, pull = told.gram / given.noise, told.pull / given.noise
    for cross, own in zip(told.cross, told.own, strict=True):
        root = np.linalg.cholesky(user_variances(cross, given)) / given.noise
        half = (cross @ root).transpose(1, 0, 2).reshape(told.features.size, -1)
        precision -= half @ half.T
        pull -= half @ (own[:, None, :] @ root).ravel()
    prior = 1.0 / given.scales[told.features.groups]
    precision[np.diag_indices_from(precision)] += prior
    covariance = np.linalg.inv(precision).astype(np.float64, copy=False)
    covariance = (covariance + covariance.T) / 2.0
    return Posterior(covariance @ (pull + prior * centre), covariance)


def user_variances(cross: Floats, given: Variances) -> Floats:
    """V_u; shape (users, p, p)."""
    gram = cross[:, : len(given.spread), :]
    precision = gram / given.noise + np.linalg.inv(given.spread)
    return np.linalg.inv(precision).astype(np.float64, copy=False)


def maximise(told: Moments, given: Variances, known: Posterior, start: Start) -> Variances:
    """The variances that explain the rows best, given what is known under the last ones.

    A step of PX-EM (Liu, Rubin and Wu 1998): where users' rows tell little of a small spread, plain EM would
    need hundreds of steps to get there.
    """
    p, root = told.features.p, np.linalg.cholesky(known.covariance)
    scatter, stretched, agreed = np.zeros((p, p)), np.zeros((p, p)), np.zeros(p)
    residual = told.square - 2.0 * known.mean @ told.pull + known.mean @ told.gram @ known.mean
    residual += np.sum((told.gram @ root) * root)
    for cross, own in zip(told.cross, told.own, strict=True):
        variance, gram = user_variances(cross, given), cross[:, :p, :]
        unsure = cross.transpose(0, 2, 1) @ root
        apart = own - known.mean @ cross
        away = (variance @ apart[:, :, None])[:, :, 0] / given.noise
        # gamma is not known exactly, and so neither is what is the user's own
        swayed = variance @ unsure / given.noise
        second = variance + swayed @ swayed.transpose(0, 2, 1) + away[:, :, None] * away[:, None, :]
        scatter += second.sum(axis=0)
        stretched += np.sum(second * gram, axis=0)
        agreed += np.sum(away * apart, axis=0) + np.einsum("upk,upk->p", unsure, swayed)
    # the factors by which users' own coefficients explain the rows best
    factor = np.linalg.solve(stretched + 1e-9 * np.eye(p), agreed)
    residual += factor @ stretched @ factor - 2.0 * factor @ agreed
    scatter *= factor[:, None] * factor
    groups = told.features.groups
    energy = np.bincount(groups, (known.mean - start.centre) ** 2 + np.diag(known.covariance), GROUPS)
    counted = start.coefficients + np.bincount(groups, minlength=GROUPS)
    spread = start.freedom * np.diag(widths(told, given, start)) + scatter
    return Variances(
        spread=spread / (start.freedom + told.users),
        noise=float((start.rows * start.variances.noise + residual) / (start.rows + told.rows)),
        scales=(start.coefficients * start.variances.scales + energy) / counted,
    )


def widths(told: Moments, given: Variances, start: Start) -> Floats:
    """The variances that S is drawn to: each dimension has its own; shape (p,).

    Users who each tell little leave S wider than it is, so it needs somewhere to shrink to. Of S alone a
    dimension's variance would be what maximises the density of an inverse Wishart, the harmonic mean of those
    that S leaves to its coefficients; it is drawn to what was believed before. Where it is that always,
    300 users who differ a third as much are fitted with two to five times the variance of the truth.
    """
    dimensions = told.features.dimensions
    counts = np.bincount(dimensions)
    own = counts / np.bincount(dimensions, np.diag(np.linalg.inv(given.spread)))
    believed = np.bincount(dimensions, np.diag(start.variances.spread)) / counts
    return ((start.users * believed + told.users * own) / (start.users + told.users))[dimensions]
