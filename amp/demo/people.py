"""Synthetic people whose hidden tastes are known, so that what was learned can be held against the truth.

What an approach does for a person is one number in log odds: eta = the person's own drive (sd 0.5) + their
tastes + the ease of the task. A taste is the crowd's (sd 0.2), plus that of the kind of person they are (sd
0.7), plus their own (sd 0.4): people differ more than they agree, for where all like the same, one default
serves everybody and there is nothing to learn of a person.

All that amp hears of it is five noisy signals, as in the simulated worlds (`amp.simulate.worlds`).
It shows how learning works; it does not predict what real users gain.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from amp.learning.approaches import Approaches
from amp.learning.types import Floats, Ints, Signals
from amp.simulate.worlds import LUCK, emit, expected_reward, luck

CROWD_SD, KIND_SD, OWN_SD, DRIVE_SD = 0.2, 0.7, 0.4, 0.5
KINDS = (0.4, 0.3, 0.2, 0.1)
"""Share of each kind of person."""
STAYS = {5: 0.1, 20: 0.3, 50: 0.4, 150: 0.2}
"""Interactions that a person stays for, and the share of people who do."""
ARRIVALS = 200
"""Rounds within which people arrive, evenly; from then on they act once a round."""


class Task(NamedTuple):
    """Something that people ask for."""

    text: str
    task_type: str
    complexity: str
    ease: float
    """In log odds."""


TASKS = (
    Task("Add a test for the empty basket", "coding", "low", 0.3),
    Task("Split the billing module in two", "coding", "high", -0.3),
    Task("Find why the import hangs", "debugging", "medium", 0.0),
    Task("Find the race in the job queue", "debugging", "high", -0.4),
    Task("Draft the release note", "writing", "low", 0.4),
    Task("Write the migration guide", "writing", "medium", 0.0),
)


@dataclass(frozen=True)
class People:
    """Who they are, when they come and how long they stay; all of it is a function of the seed."""

    approaches: Approaches
    tastes: Floats
    """Drive, then a coefficient for each contrast of the design; shape (people, p)."""
    arrives: Ints
    """The round of the first interaction; shape (people,)."""
    stays: Ints
    """Interactions; shape (people,)."""
    luck: Floats
    """What chance holds ready for each interaction, person after person; shape (sum of stays, LUCK + 1)."""

    @property
    def rounds(self) -> int:
        return int((self.arrives + self.stays).max())

    def present(self, now: int) -> list[int]:
        """Who acts in this round."""
        return np.flatnonzero((self.arrives <= now) & (now < self.arrives + self.stays)).tolist()

    def task(self, person: int, nth: int) -> int:
        """The number of the task that somebody's nth interaction (from 0) is about."""
        return int(self._luck(person, nth)[LUCK] * len(TASKS))

    def eta(self, person: int, task: int) -> Floats:
        """What every combination does for somebody, in log odds; shape (combinations,)."""
        return self.approaches.design @ self.tastes[person] + TASKS[task].ease

    def worth(self, person: int) -> Floats:
        """Expected reward of every combination for somebody, over the tasks; shape (combinations,)."""
        tasks = range(len(TASKS))
        return np.mean([expected_reward(self.eta(person, task)) for task in tasks], axis=0)

    def signals(self, person: int, nth: int, combination: int) -> Signals:
        """What comes of an interaction."""
        taste = self.approaches.design[combination] @ self.tastes[person]
        eta = np.array([taste + TASKS[self.task(person, nth)].ease])
        return emit(eta, self._luck(person, nth)[None, :LUCK]).signals(0)

    def _luck(self, person: int, nth: int) -> Floats:
        return self.luck[self._starts[person] + nth]

    @cached_property
    def _starts(self) -> list[int]:
        return (np.cumsum(self.stays) - self.stays).tolist()


def people(count: int, seed: int, approaches: Approaches) -> People:
    """So many people; the same seed makes the same ones."""
    rng = np.random.default_rng(seed)
    p: int = approaches.design.shape[1]
    kinds = CROWD_SD * rng.standard_normal(p) + KIND_SD * rng.standard_normal((len(KINDS), p))
    tastes = kinds[rng.choice(len(KINDS), count, p=KINDS)] + OWN_SD * rng.standard_normal((count, p))
    tastes[:, 0] = DRIVE_SD * rng.standard_normal(count)
    stays = rng.choice(list(STAYS), count, p=list(STAYS.values()))
    turns = int(stays.sum())
    chance = np.column_stack([luck(rng, turns), rng.random(turns)])
    return People(approaches, tastes, rng.integers(ARRIVALS, size=count), stays, chance)
