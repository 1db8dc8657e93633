"""Signals as a log shows them: how likely each is at an expected reward.

Fitted to the rows of a log and what was expected of each from its user's other rows. What was expected is
itself uncertain, and that is integrated out: regressing on the mean alone would make every signal look less
dependent on the reward than it is. Flow counts where the task was completed.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import betaincinv, expit

from amp.learning import rows
from amp.learning.types import Floats, History, Weights
from amp.simulate.worlds import Told

LUCK = 9
"""Numbers that chance holds ready for one interaction: eight uniforms, then a standard normal."""
_NODES, _MASS = hermegauss(9)
_SHARES = _MASS / np.sum(_MASS)
_LEVEL_SD, _SLOPE_SD = 5.0, 20.0
"""Of log odds, and of their slope for each unit of reward, before any row is seen: wide."""
_STEPS, _STEP_MAX, _REST = 30, 4.0, 1e-6
"""Of Fisher scoring, which has come to rest long before."""
_STRENGTH_MAX = 1e4


class Belief(NamedTuple):
    """What was expected of each row from its user's other rows, and how surely; shape (n,) each."""

    mean: Floats
    sd: Floats


class Line(NamedTuple):
    """A straight line of the expected reward."""

    level: float
    """At a reward of 0.5."""
    slope: float

    def at(self, expected: Floats) -> Floats:
        return self.level + self.slope * (expected - 0.5)

    def chance(self, expected: Floats) -> Floats:
        """Of a line in log odds."""
        chance: Floats = expit(self.at(expected))
        return chance


class Said(NamedTuple):
    """How often signals are said at all: of the started; flow of the completed."""

    completed: float
    flow: float
    time: float
    satisfaction: float


@dataclass(frozen=True)
class Signalling:
    """How signals depend on the expected reward; the lines but `seconds` are in log odds."""

    started: Line
    completed: Line
    """If started."""
    flow: Line
    """If completed."""
    satisfaction: Line
    """Of its mean, if started."""
    satisfaction_strength: float
    """a + b of the Beta that answers come from."""
    seconds: Line
    """Of log seconds to start, if started."""
    seconds_sd: float
    said: Said

    def emit(self, expected: Floats, chance: Floats) -> Told:
        """What comes of interactions of these expected rewards; shapes (n,) and (n, LUCK)."""
        started = chance[:, 0] < self.started.chance(expected)
        said_completed = started & (chance[:, 4] < self.said.completed)
        completed = said_completed & (chance[:, 1] < self.completed.chance(expected))
        said_flow = completed & (chance[:, 5] < self.said.flow)
        mean = np.clip(self.satisfaction.chance(expected), 1e-6, 1 - 1e-6)
        strength = self.satisfaction_strength
        seconds = np.exp(self.seconds.at(expected) + self.seconds_sd * chance[:, 8])
        return Told(
            started=started,
            completed=completed,
            flow=said_flow & (chance[:, 2] < self.flow.chance(expected)),
            start_ms=np.minimum(1e3 * seconds, 1e12).astype(np.int64),
            satisfaction=betaincinv(mean * strength, (1 - mean) * strength, chance[:, 3]),
            said=said_completed * rows.COMPLETED_SAID
            + said_flow * rows.FLOW_SAID
            + (started & (chance[:, 6] < self.said.time)) * rows.START_TIME_SAID
            + (started & (chance[:, 7] < self.said.satisfaction)) * rows.SATISFACTION_SAID,
        )

    def expected_reward(self, expected: Floats, weights: Weights) -> Floats:
        """E[reward of the signals]: `expected` again where the lines fit; any shape."""
        grid = np.linspace(-0.5, 1.5, 801)
        lines = (self.started, self.completed, self.flow, self.satisfaction)
        started, completed, flow, satisfaction = (line.chance(grid) for line in lines)
        seconds = np.exp(self.seconds.at(grid)[:, None] + self.seconds_sd * _NODES)
        speed = np.exp2(-seconds / weights.speed_half_life_s) @ _SHARES
        done = weights.completed + weights.flow * self.said.flow * flow
        once_started = (
            self.said.completed * (weights.started * (1.0 - completed) + done * completed)
            + self.said.time * weights.speed * speed
            + self.said.satisfaction * weights.satisfaction * (2.0 * satisfaction - 1.0)
        )
        raw = weights.never_started * (1.0 - started) + started * once_started
        return np.interp(expected, grid, (raw + 1.0) / 2.0)


class _Seen(NamedTuple):
    """Expected rewards that each row may truly have had, and how likely each is; shape (n, nodes) each."""

    at: Floats
    shares: Floats

    def only(self, which: np.ndarray) -> "_Seen":
        return _Seen(self.at[which], self.shares[which])

    def given(self, chance: Floats) -> "_Seen":
        """Once something has happened that has this chance at each of them."""
        likely = self.shares * chance
        return _Seen(self.at, likely / np.sum(likely, axis=1, keepdims=True))

    def mean(self, values: Floats) -> Floats:
        return np.einsum("nk,nk->n", values, self.shares)


def signalling(history: History, belief: Belief) -> Signalling:
    """The signalling that fits these rows best."""
    seen = _Seen(
        belief.mean[:, None] + belief.sd[:, None] * _NODES,
        np.tile(_SHARES, (len(history), 1)).astype(np.float64),
    )
    has_started = rows.has(history, rows.STARTED)
    started = _in_log_odds(has_started, seen)
    # who started was expected to do better than was thought, and who completed still more so
    history, seen = history[has_started], seen.only(has_started)
    seen = seen.given(started.chance(seen.at))
    says = rows.has(history, rows.COMPLETED_SAID)
    has_completed = says & rows.has(history, rows.COMPLETED)
    completed = _in_log_odds(has_completed[says], seen.only(says))
    flowed = has_completed & rows.has(history, rows.FLOW_SAID)
    of_flow = seen.only(flowed).given(completed.chance(seen.at[flowed]))
    timed, rated = rows.has(history, rows.START_TIME_SAID), rows.has(history, rows.SATISFACTION_SAID)
    answers = history["satisfaction"][rated] / rows.SATISFACTION_SCALE
    satisfaction = _in_log_odds(answers, seen.only(rated))
    log_seconds = np.log(np.maximum(rows.start_ms(history)[timed], 1.0) / 1e3)
    seconds, seconds_sd = _straight(log_seconds, seen.only(timed))
    return Signalling(
        started=started,
        completed=completed,
        flow=_in_log_odds(rows.has(history, rows.FLOW)[flowed], of_flow),
        satisfaction=satisfaction,
        satisfaction_strength=_strength(answers, seen.only(rated), satisfaction),
        seconds=seconds,
        seconds_sd=seconds_sd,
        said=Said(_share(says), _share(flowed[has_completed]), _share(timed), _share(rated)),
    )


def _share(which: np.ndarray) -> float:
    return float(which.sum() / max(which.size, 1))


def _in_log_odds(answers: np.ndarray, seen: _Seen) -> Line:
    """Logistic regression on a regressor that is known as well as `seen` says; answers from 0 to 1."""
    y = np.asarray(answers, np.float64)
    if not y.size:
        return Line(0.0, 0.0)
    line, prior = np.zeros(2), np.array([_LEVEL_SD, _SLOPE_SD]) ** -2.0
    for _ in range(_STEPS):
        p = Line(float(line[0]), float(line[1])).chance(seen.at)
        mean = np.clip(seen.mean(p), 1e-9, 1.0 - 1e-9)
        steep = p * (1.0 - p)
        slopes = np.column_stack([seen.mean(steep), seen.mean(steep * (seen.at - 0.5))])
        weighted = slopes / (mean * (1.0 - mean))[:, None]
        step = np.linalg.solve(weighted.T @ slopes + np.diag(prior), weighted.T @ (y - mean) - prior * line)
        most = float(np.abs(step).max())
        line += step * min(1.0, _STEP_MAX / max(most, _REST))
        if most < _REST:
            break
    return Line(float(line[0]), float(line[1]))


def _straight(answers: Floats, seen: _Seen) -> tuple[Line, float]:
    """Least squares, for which an uncertain regressor of this kind (Berkson's) needs no correction."""
    mean = seen.mean(seen.at)
    if len(answers) < 3 or np.ptp(mean) == 0.0:
        return Line(float(answers.mean()) if len(answers) else 0.0, 0.0), 1.0
    slope, level = np.polyfit(mean - 0.5, answers, 1).tolist()
    line = Line(level, slope)
    uncertain = np.mean(seen.mean(seen.at**2) - mean**2)
    spread = float(np.mean((answers - line.at(mean)) ** 2) - slope**2 * uncertain)
    return line, float(np.sqrt(max(spread, 1e-6)))


def _strength(answers: Floats, seen: _Seen, line: Line) -> float:
    """By moments: what of the spread around the mean is left once the mean's own uncertainty is taken off."""
    if not answers.size:
        return 1.0
    means = line.chance(seen.at)
    mean = seen.mean(means)
    spread = float(np.mean((answers - mean) ** 2) - np.mean(seen.mean(means**2) - mean**2))
    most = float(np.mean(seen.mean(means * (1.0 - means))))
    return min(max(most / max(spread, 1e-9) - 1.0, 0.05), _STRENGTH_MAX)
