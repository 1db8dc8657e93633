"""A user's facts as a profile: shares, means and patterns over every interaction, kept or trimmed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from amp.learning import rows
from amp.learning.types import History


@dataclass(frozen=True, slots=True)
class Tally:
    """Interactions of one kind, and how many of them were completed."""

    interactions: int
    completed: int

    @property
    def rate(self) -> float:
        return self.completed / self.interactions


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened with one user, over the whole of their history."""

    interactions: int
    completed: int
    flow: int
    starts: int
    """Outcomes that said a time to start."""
    start_ms: int
    """Sum of those times."""
    by_hour: Mapping[int, Tally]
    by_task: Mapping[int, Tally]
    """By task hash; 0 is "no task type"."""
    reported_ms: int
    """When the last kept outcome was reported; 0 without any."""


def summarise(history: History, trimmed: Mapping[str, int]) -> Summary:
    """Counts kept rows (`rows.every`) and adds the sums over trimmed ones (`fold` in store.lua)."""
    completed = rows.has(history, rows.COMPLETED)
    timed = rows.has(history, rows.START_TIME_SAID)
    reported = rows.decided_ms(history) + history["reported_after_ms"]
    by_hour = _tallies(history["hour"], completed, trimmed, "h")
    return Summary(
        interactions=sum(tally.interactions for tally in by_hour.values()),
        completed=int(completed.sum()) + trimmed.get("completed", 0),
        flow=int(rows.has(history, rows.FLOW).sum()) + trimmed.get("flow", 0),
        starts=int(timed.sum()) + trimmed.get("starts", 0),
        start_ms=int(rows.start_ms(history)[timed].sum()) + trimmed.get("start_ms", 0),
        by_hour=by_hour,
        by_task=_tallies(history["task_hash"], completed, trimmed, "k"),
        reported_ms=int(reported.max(initial=0)),
    )


def _tallies(
    values: np.ndarray, completed: np.ndarray, trimmed: Mapping[str, int], kind: str
) -> dict[int, Tally]:
    """Counts by value, in the order of the values; `kind` names the trimmed fields (`hn:7`, `hc:7`)."""
    number = {int(name[3:]): count for name, count in trimmed.items() if name.startswith(f"{kind}n:")}
    kept, where = np.unique(values, return_inverse=True)
    seen = np.bincount(where, minlength=kept.size)
    done = np.bincount(where, weights=completed, minlength=kept.size)
    found = {int(value): (int(n), int(c)) for value, n, c in zip(kept, seen, done, strict=True)}
    return {
        value: Tally(
            number.get(value, 0) + found.get(value, (0, 0))[0],
            trimmed.get(f"{kind}c:{value}", 0) + found.get(value, (0, 0))[1],
        )
        for value in sorted({*number, *found})
    }
