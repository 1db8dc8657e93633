"""Small worlds whose truth is known: one latent utility a user, combination and context; five raw signals.

started ~ Bern(s(0.2 + eta)); log time to start ~ N(log 900 - 0.5 eta, 1); completed, if started,
~ Bern(s(0.4 + 0.7 eta)); flow, if completed, ~ Bern(s(-0.8 + 0.7 eta)); satisfaction, if started,
= s(0.3 + 0.6 eta + 0.8 z). Twelve contexts: four task types at three levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit

from amp.learning import rows
from amp.learning.approaches import PUBLISHED
from amp.learning.types import Context, Signals, Weights

TASK_HASHES = (11, 22, 33, 44)
CONTEXTS = [Context(task_hash, level) for task_hash in TASK_HASHES for level in (1, 2, 3)]
_NODES, _NODE_WEIGHTS = hermegauss(30)


@dataclass(frozen=True)
class World:
    """Latent utility = users' own part + what the context adds for everybody alike."""

    own: np.ndarray
    """Shape (users, combinations)."""
    added: np.ndarray
    """Shape (contexts, combinations)."""

    def utilities(self, user, context):
        """eta of every combination for one user (or an array of users) in one context."""
        return self.own[user] + self.added[context]


def personal(rng, users):
    """World c: the population has tastes (sd 0.35), and each user departs from them in their own way."""
    sds = np.concatenate([[0.6], np.repeat([0.6, 0.45, 0.35, 0.25], 3)])
    return World(_tastes(rng, users, 0.35, sds), np.zeros((len(CONTEXTS), PUBLISHED.count)))


def contextual(rng, users):
    """World f: what works depends on the task type and its level (sd 0.4 each), and little on the user."""
    sds = np.concatenate([[0.6], np.full(12, 0.2)])
    contrasts = PUBLISHED.design[:, 1:]
    by_task = rng.normal(0.0, 0.4, (len(TASK_HASHES), 12)) @ contrasts.T
    by_level = rng.normal(0.0, 0.4, (3, 12)) @ contrasts.T
    return World(
        _tastes(rng, users, 0.2, sds), (by_task[:, None] + by_level).reshape(len(CONTEXTS), PUBLISHED.count)
    )


def _tastes(rng, users, population_sd, sds):
    mean = np.concatenate([[0.0], rng.normal(0.0, population_sd, 12)])
    return (mean + rng.normal(0.0, sds, (users, 13))) @ PUBLISHED.design.T


def expected_reward(eta):
    """Exact E[reward | eta] under the default weights (Gauss-Hermite where a normal is integrated out)."""
    weights = Weights()
    eta = np.asarray(eta, dtype=float)
    share = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
    minutes = np.exp(np.log(900.0) - 0.5 * eta[..., None] + _NODES)
    speed = np.exp2(-minutes / weights.speed_half_life_s) @ share
    satisfaction = expit(0.3 + 0.6 * eta[..., None] + 0.8 * _NODES) @ share
    started, completed, flow = expit(0.2 + eta), expit(0.4 + 0.7 * eta), expit(-0.8 + 0.7 * eta)
    once_started = (
        weights.started * (1.0 - completed)
        + (weights.completed + weights.flow * flow) * completed
        + weights.speed * speed
        + weights.satisfaction * (2.0 * satisfaction - 1.0)
    )
    return (weights.never_started * (1.0 - started) + started * once_started + 1.0) / 2.0


def emit(rng, eta):
    """The signals of one interaction at this utility."""
    start, complete, flow = rng.random(3) < expit([0.2 + eta, 0.4 + 0.7 * eta, -0.8 + 0.7 * eta])
    seconds = np.exp(np.log(900.0) - 0.5 * eta + rng.standard_normal())
    satisfaction = float(expit(0.3 + 0.6 * eta + 0.8 * rng.standard_normal()))
    if not start:
        return Signals(started=False)
    return Signals(
        started=True,
        completed=bool(complete),
        time_to_start_ms=int(1e3 * seconds),
        flow_state=bool(flow) if complete else None,
        satisfaction=satisfaction,
    )


def row(nonce, combination, signals, *, context=Context(), control=False, prior_version=0):  # noqa: B008 - immutable
    """One packed row, decided at the millisecond of its nonce."""
    decision = rows.Decision(
        nonce=nonce,
        decided_ms=nonce,
        combination=combination,
        task_hash=context.task_hash,
        level=context.level,
        hour=0,
        policy_version=1,
        prior_version=prior_version,
        control=control,
    )
    return rows.pack(decision, signals, fingerprint=b"000000", final=True, step=0)


def histories(rng, truth, count, *, pick=None, prior_version=0):
    """`count` rows of every user in random contexts, on combinations drawn evenly or by `pick`.

    `pick(previous combination or None, previous signals or None)` gives the next combination.
    """
    told = []
    for user in range(len(truth.own)):
        packed, combination, signals = b"", None, None
        for nonce in range(count):
            context = int(rng.integers(len(CONTEXTS)))
            combination = pick(combination, signals) if pick else int(rng.integers(PUBLISHED.count))
            signals = emit(rng, truth.utilities(user, context)[combination])
            packed += row(nonce, combination, signals, context=CONTEXTS[context], prior_version=prior_version)
        told.append(rows.unpack(packed))
    return told
