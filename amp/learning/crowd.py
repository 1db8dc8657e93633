"""The rows that teach a prior, and what the model needs of them: sums for each user."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from amp.learning import reward, rows
from amp.learning.approaches import Approaches
from amp.learning.types import Floats, History, Ints, Policy, Weights

Mask = npt.NDArray[np.bool_]
CHUNK_USERS = 512
"""Users whose rows' outer products are in memory at a time."""


@dataclass(frozen=True)
class Crowd:
    """The rows that teach, user after user."""

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

    def judged_by(self, weights: Weights) -> "Crowd":
        """The same rows, rewarded by these weights."""
        return replace(self, rewards=reward.rewards(self.history, weights))


@dataclass(frozen=True)
class Sums:
    """All that a posterior needs of each user's rows."""

    gram: Floats
    """A = X'WX; shape (users, p, p)."""
    pull: Floats
    """b = X'Wy; shape (users, p)."""


def learned(history: History) -> History:
    """The rows of the learned group: a control row teaches nobody."""
    control = rows.has(history, rows.CONTROL, "circumstance")
    return history[~control] if control.any() else history


def readable(packed: Sequence[bytes], approaches: Approaches) -> list[History]:
    """The histories that can be read; a damaged one must not keep the others from teaching."""
    histories: list[History] = []
    for each in packed:
        with suppress(ValueError):
            history = rows.unpack(each)
            if approaches.layouts or (history["combination"] < approaches.count).all():
                histories.append(history)
    return histories


def gather(histories: Sequence[History], policy: Policy) -> Crowd:
    """These users, none without rows, weighted as the posterior weights them."""
    # Joined as plain bytes, for numpy joins records 20 times slower.
    raw = np.dtype(f"V{rows.ROW_BYTES}")
    history = np.concatenate([one.view(raw) for one in histories]).view(rows.ROW)
    counts = np.array([len(one) for one in histories])
    bounds = np.concatenate([[0], np.cumsum(counts)])
    later = np.repeat(bounds[1:], counts) - 1 - np.arange(len(history))
    weights = np.exp(np.log(policy.decay) * later)
    return Crowd(history, bounds, weights, reward.rewards(history, policy.weights))


def summed(crowd: Crowd, y: Floats, approaches: Approaches, only: Mask) -> Sums:
    """Each user's sums over some of their rows, the newest of which has the weight 1; `y` of shape (n,)."""
    starts = crowd.bounds[:-1]
    weights = crowd.weights * only
    newest = np.repeat(np.maximum.reduceat(weights, starts), np.diff(crowd.bounds))
    weights = np.divide(weights, newest, out=np.zeros_like(weights), where=newest > 0.0)
    points, p = approaches.points(crowd.history), approaches.design.shape[1]
    gram, pull = np.empty((crowd.users, p, p)), np.empty((crowd.users, p))
    for first in range(0, crowd.users, CHUNK_USERS):
        users = slice(first, first + CHUNK_USERS)
        own = slice(starts[first], crowd.bounds[min(first + CHUNK_USERS, crowd.users)])
        x = approaches.design[points[own]]
        weighted = x * weights[own, None]
        local = starts[users] - starts[first]
        gram[users] = np.add.reduceat(weighted[:, :, None] * x[:, None, :], local)
        pull[users] = np.add.reduceat(weighted * y[own, None], local)
    return Sums(gram, pull)
