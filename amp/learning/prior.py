"""What the crowd teaches: the population prior that stands in until a user has a history."""

from dataclasses import dataclass, field

import numpy as np

from amp.learning.approaches import Approaches
from amp.learning.effects import ANY_OTHER_TASK, POPULATION_DRAWS, NoEffects
from amp.learning.features import Features
from amp.learning.layouts import Names
from amp.learning.mixed import Posterior, Start, Variances
from amp.learning.types import Effects, Floats, Policy, Weights

COMBINATIONS_MAX = 1 << 16
"""A row keeps its combination in 16 bits."""

NEUTRAL_REWARD = 0.5
"""Of signals that say nothing either way. Source: learning.md section 1, Reward."""
USER_SD = 0.13
"""Of users' mean rewards around the population's; like all four here, in units of reward."""
USER_OPTION_SD = 0.09
"""Of a contrast between options, among users."""
POPULATION_SD = 0.12
"""Of the population's mean reward around neutral."""
POPULATION_OPTION_SD = 0.07
"""Of a contrast between options, for the population."""
REWARD_VARIANCE = 0.15
"""Within a user: 0.61 m (1 - m) at the neutral mean. Source: learning.md section 4, K."""

SCALES = np.array([POPULATION_SD, POPULATION_OPTION_SD, 0.05, 0.05, 0.05]) ** 2
"""Of a coefficient of the population around its centre, by group (features.py), before any outcome."""
START_USERS, START_ROWS = 25.0, 25.0
"""How many users the shipped widths of the spread count as, and how many rows the shipped noise."""
START_COEFFICIENTS = np.array([1e9, 20.0, 8.0, 3.0, 8.0])
"""How many coefficients the shipped scale of each group counts as; one intercept tells nothing of its own."""


_REWARD = Weights()


@dataclass(frozen=True)
class Prior:
    """beta_u ~ N(mean, precision^-1), what is learned from with variance `noise`.

    Every draw is one of the population: its `mean_draws` and the offsets of its effects belong together.
    Source: learning.md section 1.
    """

    version: int
    """0 is the shipped prior; each fit that is published adds one."""
    mean: Floats
    """mu; shape (p,)."""
    precision: Floats
    """S^-1; shape (p, p)."""
    noise: float
    """s2: the variance, around its user's expectation, of what is learned from in one row."""
    mean_draws: Floats = field(repr=False)
    """Draws of mu from its own posterior; shape (POPULATION_DRAWS, p)."""
    effects: Effects = field(default_factory=NoEffects, repr=False)
    """What contexts and pairs of options add."""
    scales: Floats = field(default_factory=SCALES.copy, repr=False)
    """The variance of the population's coefficients by group, from which the next fit starts."""
    reward_noise: float = REWARD_VARIANCE
    """The variance of one reward around its user's expectation; `noise` where there is no index."""
    judged: Weights = _REWARD
    """The reward weights that it was fitted under."""
    temperature: float = 0.2
    """v where the policy names none. Source: selfplay.py."""
    index: Weights | None = None
    """What to learn from in the place of the reward while `judged` is in force. Source: index.py."""
    users: int = 0
    rows: int = 0
    layout: Names = ()
    """The dimensions and options that the coefficients are of; none says those of the contract."""

    @property
    def variances(self) -> Variances:
        return Variances(np.linalg.inv(self.precision).astype(np.float64), self.noise, self.scales)

    def drawn(self, policy: Policy) -> float:
        """V under this policy."""
        return self.temperature if policy.temperature is None else policy.temperature

    def noise_of(self, weights: Weights) -> float:
        """The variance of what these weights hear; `noise` is that of the index where there is one."""
        return self.reward_noise if self.index is not None and weights != self.index else self.noise

    def heard(self, policy: Policy) -> Weights:
        """What to learn from in each row under this policy."""
        return self.index if self.index is not None and self.judged == policy.weights else policy.weights


def shipped(approaches: Approaches) -> Prior:
    """The weak prior for a tenant that nobody has taught yet: mean reward 0.5, the neutral point.

    Its scales are those of effects in log odds (users 0.6, their preferences 0.25 to 0.6, the population's
    0.35; learning.md section 2, Worlds) times the 0.22 that a unit of log odds moves the reward.
    """
    told = Features(approaches, np.array([ANY_OTHER_TASK]))
    begin = start(told)
    known = Posterior(begin.centre, np.diag(begin.variances.scales[told.groups]))
    # Seeded by a constant: every worker, and every version of amp, ships the same prior to the bit.
    return believed(known, told, begin.variances, np.random.default_rng(0))


def start(told: Features) -> Start:
    """What is believed of the mixed model before any outcome."""
    centre = np.zeros(told.size)
    centre[0] = NEUTRAL_REWARD
    spread = np.diag(np.concatenate([[USER_SD], np.full(told.p - 1, USER_OPTION_SD)]) ** 2)
    return Start(
        centre=centre,
        variances=Variances(spread, REWARD_VARIANCE, SCALES),
        freedom=told.p + 2.0,  # the least with which an inverse Wishart has a mean
        users=START_USERS,
        rows=START_ROWS,
        coefficients=START_COEFFICIENTS,
    )


def believed(known: Posterior, told: Features, given: Variances, rng: np.random.Generator) -> Prior:
    """The prior that serves what is known of the population and how users spread around it."""
    normals = paired_normals(rng, told.size)
    draws = known.mean + normals @ np.linalg.cholesky(known.covariance).T
    precision = np.linalg.inv(given.spread).astype(np.float64)
    return Prior(
        version=0,
        mean=known.mean[: told.p],
        precision=(precision + precision.T) / 2.0,
        noise=given.noise,
        mean_draws=draws[:, : told.p],
        effects=told.effects(np.vstack([known.mean, draws])),
        scales=given.scales,
        reward_noise=given.noise,
    )


def paired_normals(rng: np.random.Generator, size: int) -> Floats:
    """Standard normals whose columns have mean 0 and variance 1 exactly; shape (POPULATION_DRAWS, size).

    64 plain draws are off by a tenth in either, and every decision until the next fit would share the error.
    """
    half = rng.standard_normal((POPULATION_DRAWS // 2, size))
    half /= np.sqrt(np.mean(half**2, axis=0))
    return np.vstack([half, -half])
