"""Chance that can be replayed: every draw is a function of a decision's 64-bit nonce and a counter.

splitmix64 (Steele, Lea and Flood 2014) hashes nonce and counter to 64 bits; normals are its uniforms through
the inverse normal distribution. A seeded generator a decision would cost more than the decision.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from amp.learning.types import Floats

_GOLDEN = 0x9E3779B97F4A7C15
_FAR = 1 << 32
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _12 = (np.uint64(bits) for bits in (30, 27, 31, 12))


def uniforms(nonces: Sequence[int] | npt.NDArray[np.uint64], count: int) -> Floats:
    """Draws strictly between 0 and 1, one row a nonce; shape (len(nonces), count).

    52 bits each: with 53 the largest would round to 1.
    """
    state = _mixed(np.array(nonces, np.uint64)[:, None] + _steps(count))
    state >>= _12
    return (state.astype(np.float64) + 0.5) * 2.0**-52


def others(nonce: int, count: int) -> npt.NDArray[np.uint64]:
    """More nonces, made from one: what the same decision might have drawn instead; shape (count,).

    They are hashed with counters that `uniforms` never reaches, so that their draws are fresh.
    """
    return _mixed(np.uint64((nonce + _FAR * _GOLDEN) % 2**64) + _steps(count))


def normals(uniform: Floats) -> Floats:
    """Standard normal draws, one for each uniform; same shape."""
    normal: Floats = ndtri(uniform)
    return normal


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """splitmix64's hash of each state, in place."""
    state ^= state >> _30
    state *= _FIRST
    state ^= state >> _27
    state *= _SECOND
    state ^= state >> _31
    return state


@lru_cache(maxsize=64)
def _steps(count: int) -> npt.NDArray[np.uint64]:
    return np.array([counter * _GOLDEN % 2**64 for counter in range(1, count + 1)], np.uint64)
