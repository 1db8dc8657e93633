"""Where learning pays: learned against control by phase and by task type, in reward.

A user's value in a cell is the mean over that user's interactions of the cell. All cells together keep alpha,
whenever one looks: the phases share half of it; of the other half the k-th task type to appear, by the first
decision that is still kept, has a share of 1 / (k (k + 1)): more types may come without end.
Who stays until a later phase need not be alike in both groups: there the comparison is of those who stayed.
"""

from typing import Literal, NamedTuple

from amp.learning import lift
from amp.learning.lift import Difference, Values
from amp.learning.sums import Cell, Sums
from amp.learning.types import PHASES

TASKS_MAX = 20
"""Task types that are told, those with most users; the others are judged no differently."""


class Place(NamedTuple):
    """One cell."""

    by: Literal["phase", "taskType"]
    phase: int
    """An index of PHASES, for a phase."""
    task: int
    """Its hash, for a task type; 0 is "no task type"."""
    alpha: float
    """What its interval may miss the truth with, over all looks."""
    users: tuple[int, int]
    """Learned, control."""
    reward: Difference | None


def places(sums: Sums, alpha: float = lift.ALPHA) -> list[Place]:
    """The phases in their order, then the task types, those with most users first."""
    by_phase = [
        _place(sums, cell, "phase", phase=phase, alpha=alpha / 2 / len(PHASES))
        for phase, cell in sorted(sums.phases.items())
    ]
    appeared = sorted(sums.tasks, key=lambda task: (sums.first_seen[task], task))
    by_task = [
        _place(sums, sums.tasks[task], "taskType", task=task, alpha=alpha / 2 / (k * (k + 1)))
        for k, task in enumerate(appeared, 1)
    ]
    by_task.sort(key=lambda place: -sum(place.users))
    return by_phase + by_task[:TASKS_MAX]


def _place(
    sums: Sums,
    cell: Cell,
    by: Literal["phase", "taskType"],
    *,
    phase: int = 0,
    task: int = 0,
    alpha: float,
) -> Place:
    control = sums.control[cell.users]
    difference = lift.between(Values(cell.rewards / cell.numbers, cell.numbers), control, alpha)
    users = int((~control).sum()), int(control.sum())
    return Place(by, phase, task, alpha, users, difference)
