"""What a user does after an answer, as the signals of an outcome. Source: the published page on outcomes."""

import math
import time
from collections.abc import Callable
from typing import Generic, Unpack

from amp.client.signals import Receipt, Reports, Signals

LONGEST_PAUSE_S, ACTIONS_PER_MINUTE, TAB_SWITCHES, AVG_RESPONSE_S = 30.0, 3.0, 2, 10.0
FLOW_SHARE = 0.7
"""More than this share of the four signs: three of them."""


class Track(Generic[Receipt]):
    """Watches one user at one task: started, when, and completed. `clock` gives seconds that only grow."""

    def __init__(
        self, client: Reports[Receipt], request_id: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._request_id = request_id
        self._clock = clock
        self._began_s = clock()
        self._first_s: float | None = None
        self._last_s = self._began_s
        self._longest_pause_s = 0.0
        self._actions = 0
        self._completed = False

    def action(self) -> None:
        """The user did something: the first time is the start."""
        now_s = self._clock()
        if self._first_s is None:
            self._first_s = now_s
        else:
            self._longest_pause_s = max(self._longest_pause_s, now_s - self._last_s)
        self._last_s = now_s
        self._actions += 1

    def complete(self) -> None:
        """The task is done, which is an action too."""
        self.action()
        self._completed = True

    @property
    def longest_pause_s(self) -> float:
        """Between two actions."""
        return self._longest_pause_s

    @property
    def actions_per_minute(self) -> float:
        """From the first action to the last; 0 until there are two at different times."""
        if self._first_s is None or self._last_s <= self._first_s:
            return 0.0
        return (self._actions - 1) * 60.0 / (self._last_s - self._first_s)

    def signals(self) -> Signals:
        """What is known by now, beside `started`."""
        if self._first_s is None:
            return {}
        return {"completed": self._completed, "time_to_start": self._first_s - self._began_s}

    @property
    def started(self) -> bool:
        return self._first_s is not None

    def report(self, **signals: Unpack[Signals]) -> Receipt:
        """Report it, with what else is known, and wait for the answer (an AsyncAMP's: `await` it)."""
        said: Signals = {**self.signals(), **signals}
        return self._client.report_outcome(self._request_id, started=self.started, **said)

    def report_background(self, **signals: Unpack[Signals]) -> bool:
        """Queue it and return at once; false when it was not queued."""
        said: Signals = {**self.signals(), **signals}
        return self._client.report_outcome_background(self._request_id, started=self.started, **said)


def detect_flow(
    longest_pause_s: float, actions_per_minute: float, tab_switches: float, avg_response_s: float
) -> bool:
    """Whether a session looks like flow: no long pause, many actions, few switches, quick responses."""
    signs = (
        longest_pause_s < LONGEST_PAUSE_S,
        actions_per_minute > ACTIONS_PER_MINUTE,
        tab_switches < TAB_SWITCHES,
        avg_response_s < AVG_RESPONSE_S,
    )
    return sum(signs) / len(signs) > FLOW_SHARE


def satisfaction_from_stars(stars: float, of: int = 5) -> float:
    """Stars as `satisfaction`, 0 to 1.

    Raises:
        ValueError: not between 0 and `of`.
    """
    if not (of > 0 and math.isfinite(stars) and 0 <= stars <= of):
        raise ValueError(f"stars must be from 0 to {of}, not {stars}")
    return stars / of
