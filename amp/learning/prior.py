"""What the crowd teaches: the population prior that stands in until a user has a history.

A prior is published as one blob: msgpack, arrays as raw little-endian float64 with their shapes.
"""

import math
from dataclasses import dataclass, field

import msgspec
import numpy as np

from amp.learning.approaches import Approaches
from amp.learning.effects import ANY_OTHER_TASK, PopulationEffects
from amp.learning.types import LEVELS, Floats

POPULATION_DRAWS = 64
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


@dataclass(frozen=True)
class Prior:
    """beta_u ~ N(mean, precision^-1), rewards with variance `noise`. Source: learning.md section 1."""

    version: int
    """0 is the shipped prior; each fit that is published adds one."""
    mean: Floats
    """mu; shape (p,)."""
    precision: Floats
    """S^-1; shape (p, p)."""
    noise: float
    """s2, the variance of one reward around its user's expectation."""
    mean_draws: Floats = field(repr=False)
    """Draws of mu from its own posterior; shape (POPULATION_DRAWS, p)."""
    users: int = 0
    rows: int = 0
    effects: PopulationEffects | None = None
    """What contexts and pairs of options add; None while they are not known to add anything."""


def shipped(approaches: Approaches) -> Prior:
    """The weak prior for a tenant that nobody has taught yet: mean reward 0.5, the neutral point.

    Its scales are those of effects in log odds (users 0.6, their preferences 0.25 to 0.6, the population's
    0.35; learning.md section 2, Worlds) times the 0.22 that a unit of log odds moves the reward.
    """
    p = approaches.design.shape[1]
    mean = _scales(NEUTRAL_REWARD, 0.0, p)
    population_sd = _scales(POPULATION_SD, POPULATION_OPTION_SD, p)
    # Seeded by a constant: every worker, and every version of amp, ships the same prior to the bit.
    draws = mean + paired_normals(np.random.default_rng(0), p) * population_sd
    return Prior(
        version=0,
        mean=mean,
        precision=np.diag(_scales(USER_SD, USER_OPTION_SD, p) ** -2.0),
        noise=REWARD_VARIANCE,
        mean_draws=draws,
    )


def population_covariance(approaches: Approaches) -> Floats:
    """Covariance of mu before any outcome; shape (p, p)."""
    return np.diag(_scales(POPULATION_SD, POPULATION_OPTION_SD, approaches.design.shape[1]) ** 2)


def paired_normals(rng: np.random.Generator, size: int) -> Floats:
    """Standard normals whose columns have mean 0 and variance 1 exactly; shape (POPULATION_DRAWS, size).

    64 plain draws are off by a tenth in either, and every decision until the next fit would share the error.
    """
    half = rng.standard_normal((POPULATION_DRAWS // 2, size))
    half /= np.sqrt(np.mean(half**2, axis=0))
    return np.vstack([half, -half])


def _scales(intercept: float, contrast: float, p: int) -> Floats:
    return np.concatenate([[intercept], np.full(p - 1, contrast)])


class Array(msgspec.Struct, array_like=True):
    """An array on the wire: its shape and its float64 values, little endian, last axis fastest."""

    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, values: Floats) -> "Array":
        return cls(values.shape, np.ascontiguousarray(values, "<f8").tobytes())

    def read(self, *shape: int) -> Floats:
        """The values, when they have this shape and are all finite.

        Raises:
            ValueError: they have not, or are not.
        """
        if self.shape != shape or len(self.data) != 8 * int(np.prod(shape)):
            raise ValueError(f"an array of shape {shape} was expected, not {self.shape}")
        values = np.frombuffer(self.data, "<f8").astype(np.float64).reshape(shape)
        if not np.isfinite(values).all():
            raise ValueError("an array holds a value that is not finite")
        return values


class _EffectsBlob(msgspec.Struct):
    """`PopulationEffects` on the wire."""

    sizes: tuple[int, ...]
    design: Array
    pairs: Array
    levels: Array
    tasks: Array
    hashes: tuple[int, ...]


class _Blob(msgspec.Struct, tag_field="format", tag="amp-prior-1"):
    """`Prior` on the wire; a change of layout is a new tag."""

    version: int
    mean: Array
    precision: Array
    noise: float
    mean_draws: Array
    users: int
    rows: int
    effects: _EffectsBlob | None


def encode(prior: Prior) -> bytes:
    """The blob that workers pick up."""
    return msgspec.msgpack.encode(
        _Blob(
            version=prior.version,
            mean=Array.of(prior.mean),
            precision=Array.of(prior.precision),
            noise=prior.noise,
            mean_draws=Array.of(prior.mean_draws),
            users=prior.users,
            rows=prior.rows,
            effects=_effects_blob(prior.effects) if prior.effects else None,
        )
    )


def _effects_blob(effects: PopulationEffects) -> _EffectsBlob:
    return _EffectsBlob(
        sizes=effects.sizes,
        design=Array.of(effects.design),
        pairs=Array.of(effects.pairs),
        levels=Array.of(effects.levels),
        tasks=Array.of(effects.tasks),
        hashes=tuple(effects.hashes.tolist()),
    )


def decode(data: bytes) -> Prior:
    """The prior in a blob, every number of it checked.

    Raises:
        ValueError: not a blob of `encode`, or one that no fit can have made.
    """
    blob = msgspec.msgpack.decode(data, type=_Blob)
    if len(blob.mean.shape) != 1:
        raise ValueError("the mean is not a vector")
    p = blob.mean.shape[0]
    precision = blob.precision.read(p, p)
    if min(blob.version, blob.users, blob.rows) < 0 or not 0.0 < blob.noise < np.inf:
        raise ValueError("a count or variance of the prior is out of range")
    if p < 1 or not _is_precision(precision):
        raise ValueError("the precision is not symmetric positive definite")
    return Prior(
        version=blob.version,
        mean=blob.mean.read(p),
        precision=precision,
        noise=blob.noise,
        mean_draws=blob.mean_draws.read(POPULATION_DRAWS, p),
        users=blob.users,
        rows=blob.rows,
        effects=_read_effects(blob.effects, p) if blob.effects else None,
    )


def _read_effects(blob: _EffectsBlob, p: int) -> PopulationEffects:
    versions, count = 1 + POPULATION_DRAWS, math.prod(blob.sizes)
    if min(blob.sizes, default=0) < 1 or count > COMBINATIONS_MAX:
        raise ValueError("the effects are of no combination, or of too many")
    if list(blob.hashes) != sorted({0, *blob.hashes, ANY_OTHER_TASK})[1:] or blob.hashes[-1] > ANY_OTHER_TASK:
        raise ValueError("the task types are not in order")
    return PopulationEffects(
        sizes=blob.sizes,
        design=blob.design.read(count, p),
        pairs=blob.pairs.read(versions, count),
        levels=blob.levels.read(versions, len(LEVELS), p),
        tasks=blob.tasks.read(versions, len(blob.hashes), p),
        hashes=np.array(blob.hashes, np.int64),
    )


def _is_precision(matrix: Floats) -> bool:
    scale = float(np.abs(matrix).max())
    return np.allclose(matrix, matrix.T, atol=1e-9 * scale) and bool(np.linalg.eigvalsh(matrix)[0] > 0)
