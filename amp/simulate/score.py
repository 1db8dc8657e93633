"""How much of what there is to gain over a random approach a policy has captured."""

from dataclasses import dataclass

import numpy as np

from amp.learning.types import Floats
from amp.simulate.streams import Stream

BINS = ((1, 5), (6, 20), (21, 50), (51, 200))
"""Interactions of a user, first and last, that are summed up together."""


@dataclass(frozen=True)
class Score:
    """Captured share (value - random) / (oracle - random) of sums over interactions."""

    everybody: Floats
    """By bin, over all users; nan where nobody stayed so long; shape (bins,)."""
    late: Floats
    """By bin, over users who arrive after burn-in; shape (bins,)."""
    by_interaction: Floats
    """Over all users, by the interaction's number; shape (200,)."""


def score(stream: Stream, value: Floats) -> Score:
    """The score of a run."""
    random, best = stream.bounds
    nth = np.arange(stream.interactions) - np.repeat(stream.starts, stream.stays)
    late = np.repeat(stream.late, stream.stays)
    longest = BINS[-1][1]

    def sums(values: Floats, only: np.ndarray) -> Floats:
        return np.bincount(nth[only], values[only], longest)[:longest].astype(np.float64, copy=False)

    def share(only: np.ndarray, bounds: list[tuple[int, int]]) -> Floats:
        won, gap = (
            np.array([sums(values, only)[a - 1 : b].sum() for a, b in bounds])
            for values in (value - random, best - random)
        )
        return np.divide(won, gap, out=np.full(len(bounds), np.nan), where=gap > 0.0)

    everybody = np.ones(stream.interactions, dtype=bool)
    each = [(number, number) for number in range(1, longest + 1)]
    return Score(share(everybody, list(BINS)), share(late, list(BINS)), share(everybody, each))
