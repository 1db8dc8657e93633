"""A prior as it is published: msgpack, arrays as raw little-endian float64 with their shapes."""

import math

import msgspec
import numpy as np

from amp.learning.approaches import Approaches, Dimension
from amp.learning.effects import ANY_OTHER_TASK, POPULATION_DRAWS, PopulationEffects, assembled
from amp.learning.features import GROUPS
from amp.learning.layouts import Names
from amp.learning.prior import COMBINATIONS_MAX, Prior
from amp.learning.types import LEVELS, Floats, Weights


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


class _Blob(msgspec.Struct, tag_field="format", tag="amp-prior-2"):
    """`Prior` on the wire; a change of layout is a new tag."""

    version: int
    mean: Array
    precision: Array
    noise: float
    mean_draws: Array
    effects: _EffectsBlob
    scales: Array
    reward_noise: float
    judged: Weights
    temperature: float
    index: Weights | None
    users: int
    rows: int
    layout: Names = ()


def encode(prior: Prior) -> bytes:
    """The blob that workers pick up."""
    assert isinstance(prior.effects, PopulationEffects), "only what was fitted is published"
    return msgspec.msgpack.encode(
        _Blob(
            version=prior.version,
            mean=Array.of(prior.mean),
            precision=Array.of(prior.precision),
            noise=prior.noise,
            mean_draws=Array.of(prior.mean_draws),
            effects=_effects_blob(prior.effects),
            scales=Array.of(prior.scales),
            reward_noise=prior.reward_noise,
            judged=prior.judged,
            temperature=prior.temperature,
            index=prior.index,
            users=prior.users,
            rows=prior.rows,
            layout=prior.layout,
        )
    )


def _effects_blob(effects: PopulationEffects) -> _EffectsBlob:
    own = effects.own
    return _EffectsBlob(
        sizes=effects.sizes if own is None else (),
        design=Array.of(effects.design if own is None else effects.design[:0]),
        pairs=Array.of(effects.pairs if own is None else own.theta),
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
    scales = blob.scales.read(GROUPS)
    variances = (blob.noise, blob.reward_noise, blob.temperature, *scales.tolist())
    if min(blob.version, blob.users, blob.rows) < 0 or not all(0.0 < each < np.inf for each in variances):
        raise ValueError("a count or variance of the prior is out of range")
    if p < 1 or not _is_precision(precision):
        raise ValueError("the precision is not symmetric positive definite")
    if blob.layout and 1 + sum(len(options) - 1 for _, options in blob.layout) != p:
        raise ValueError("the layout is not that of the mean")
    return Prior(
        version=blob.version,
        mean=blob.mean.read(p),
        precision=precision,
        noise=blob.noise,
        mean_draws=blob.mean_draws.read(POPULATION_DRAWS, p),
        effects=_read_effects(blob.effects, p, blob.layout),
        scales=scales,
        reward_noise=blob.reward_noise,
        judged=blob.judged,
        temperature=blob.temperature,
        index=blob.index,
        users=blob.users,
        rows=blob.rows,
        layout=blob.layout,
    )


def _read_effects(blob: _EffectsBlob, p: int, layout: Names) -> PopulationEffects:
    versions, hashes = 1 + POPULATION_DRAWS, np.array(blob.hashes, np.int64)
    if list(blob.hashes) != sorted({0, *blob.hashes, ANY_OTHER_TASK})[1:] or blob.hashes[-1] > ANY_OTHER_TASK:
        raise ValueError("the task types are not in order")
    levels, tasks = blob.levels.read(versions, len(LEVELS), p), blob.tasks.read(versions, len(blob.hashes), p)
    if layout:
        approaches = Approaches(tuple(Dimension(name, "", "", options) for name, options in layout))
        blocks = approaches.pair_blocks
        theta = blob.pairs.read(versions, blocks[-1][2].stop if blocks else 0)
        return assembled(approaches, theta, (levels, tasks), hashes, own=True)
    count = math.prod(blob.sizes)
    if min(blob.sizes, default=0) < 1 or count > COMBINATIONS_MAX:
        raise ValueError("the effects are of no combination, or of too many")
    return PopulationEffects(
        sizes=blob.sizes,
        design=blob.design.read(count, p),
        pairs=blob.pairs.read(versions, count),
        levels=levels,
        tasks=tasks,
        hashes=hashes,
    )


def _is_precision(matrix: Floats) -> bool:
    scale = float(np.abs(matrix).max())
    return np.allclose(matrix, matrix.T, atol=1e-9 * scale) and bool(np.linalg.eigvalsh(matrix)[0] > 0)
