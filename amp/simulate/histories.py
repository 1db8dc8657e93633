"""Users' packed rows in memory, as the store would hand them out."""

import numpy as np

from amp.learning import rows
from amp.learning.types import History, Ints
from amp.simulate.streams import Turn
from amp.simulate.worlds import Told

ROUND_MS = 60_000


class Histories:
    """One array of rows a user, grown as outcomes come."""

    def __init__(self, users: int) -> None:
        self._rows = np.zeros((users, 8), rows.ROW)
        self._count = np.zeros(users, np.int64)

    @property
    def outcomes(self) -> int:
        return int(self._count.sum())

    def of(self, user: int) -> History:
        """The newest rows of one user, oldest first."""
        return self._rows[user, : self._count[user]][-rows.KEPT_ROWS :]

    def all(self) -> list[History]:
        """The rows of every user who has any."""
        return [self.of(user) for user in np.flatnonzero(self._count).tolist()]

    def append(self, users: Ints, told: History) -> None:
        """One row for each of these users, none of them twice."""
        if (self._count[users] == self._rows.shape[1]).any():
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)], axis=1)
        self._rows[users, self._count[users]] = told
        self._count[users] += 1

    @staticmethod
    def rows(turn: Turn, now: int, chosen: Ints, told: Told) -> History:
        """The rows that these outcomes would become; shape (n,)."""
        made = np.zeros(len(turn.users), rows.ROW)
        decided_ms = (1 + now) * ROUND_MS
        made["nonce"] = turn.nonces
        made["decided_low"], made["decided_high"] = decided_ms & 0xFFFFFFFF, decided_ms >> 32
        made["final"] = 1
        made["policy_version"] = 1
        made["task_hash"] = np.array([context.task_hash for context in turn.among])[turn.contexts]
        made["circumstance"] = np.array([context.level for context in turn.among])[turn.contexts]
        made["combination"] = chosen
        satisfaction = np.round(told.satisfaction * rows.SATISFACTION_SCALE)
        made["satisfaction"] = np.where(told.said & rows.SATISFACTION_SAID, satisfaction, 0)
        start_ms = np.where(told.said & rows.START_TIME_SAID, told.start_ms, 0)
        made["start_low"], made["start_high"] = start_ms & 0xFFFFFFFF, start_ms >> 32
        made["signals"] = (
            told.said + rows.STARTED * told.started + rows.COMPLETED * told.completed + rows.FLOW * told.flow
        )
        return made
