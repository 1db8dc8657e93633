"""Who comes when, for how long, with which tasks and what luck: the same for every policy."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from amp.learning.types import Context, Floats, Ints
from amp.simulate.worlds import CONTEXTS, World, luck

LIFETIMES = {5: 0.4, 20: 0.3, 50: 0.2, 200: 0.1}
"""Interactions of a user, and the share of users who have so many. Source: learning.md section 2."""
ROUNDS_OF_ARRIVAL = 600
LATE_FROM = 0.4
"""Users who arrive after this share of the arrivals are late: a crowd has been there before them."""


class Turn(NamedTuple):
    """Who acts in a round, on what; shape (n,) each."""

    users: Ints
    """By their place in the stream."""
    contexts: Ints
    """Index into `among`."""
    nonces: Ints
    """Of the decisions: the interaction's place in the stream."""
    among: tuple[Context, ...] = CONTEXTS
    """The world's contexts."""

    def each(self) -> Iterator[tuple[int, int, int]]:
        """User, context and nonce of one decision after the other."""
        return zip(self.users.tolist(), self.contexts.tolist(), self.nonces.tolist(), strict=True)


@dataclass(frozen=True)
class Stream:
    """Everything about a run that no policy decides; each user present acts once a round."""

    world: World
    arrives: Ints
    """The round of the first interaction; shape (users,)."""
    stays: Ints
    """Interactions; shape (users,)."""
    contexts: Ints
    """Index into the world's contexts of each interaction, user after user; shape (interactions,)."""
    chance: Floats
    """What the world's emission wants of it; shape (interactions, LUCK)."""

    @property
    def rounds(self) -> int:
        return int((self.arrives + self.stays).max())

    @property
    def interactions(self) -> int:
        return int(self.stays.sum())

    @cached_property
    def starts(self) -> Ints:
        """Where each user's interactions begin; shape (users,)."""
        return np.cumsum(self.stays) - self.stays

    @cached_property
    def late(self) -> np.ndarray:
        """Which users arrive after burn-in; shape (users,)."""
        return self.arrives > LATE_FROM * self.arrives.max()

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Expected reward of a random and of the best combination at each interaction."""
        users = np.repeat(np.arange(self.world.users), self.stays)
        random, best = np.empty(self.interactions), np.empty(self.interactions)
        for first in range(0, self.interactions, 4096):
            part = slice(first, first + 4096)
            utilities = self.world.utilities(users[part], self.contexts[part])
            values = self.world.emission.expected_reward(utilities)
            random[part], best[part] = values.mean(axis=1), values.max(axis=1)
        return random, best

    def present(self, now: int) -> Ints:
        """Who acts in this round; shape (n,)."""
        return np.flatnonzero((self.arrives <= now) & (now < self.arrives + self.stays))


def stream(world: World, seed: int, *, rounds_of_arrival: int = ROUNDS_OF_ARRIVAL) -> Stream:
    """Users arrive evenly, in random order; the same seed makes the same stream."""
    rng = np.random.default_rng([seed, 1])
    arrives = np.sort(rng.integers(rounds_of_arrival, size=world.users))
    stays = rng.choice(list(LIFETIMES), world.users, p=list(LIFETIMES.values()))
    count = int(stays.sum())
    return Stream(world, arrives, stays, rng.integers(len(CONTEXTS), size=count), luck(rng, count))
