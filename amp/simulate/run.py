"""Lets a policy serve a stream of users, round after round."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from amp.learning.types import Floats, History, Ints
from amp.simulate.histories import Histories
from amp.simulate.streams import Stream, Turn


class Player(Protocol):
    """A policy in the simulation."""

    def decide(self, turn: Turn) -> Ints:
        """The combination for each user of the turn; shape (n,)."""
        ...

    def hear(self, turn: Turn, rows: History) -> None:
        """What came of it; `rows` say the combinations and the signals."""
        ...

    def rest(self) -> None:
        """Between rounds: whatever a background process would do."""
        ...


def run(stream: Stream, player: Player, told: Callable[[int], None] = lambda _: None) -> Floats:
    """Expected reward of what the player chose at each interaction of the stream; shape (interactions,).

    `told` hears the number of interactions just made. Users are told apart by their place in the stream.
    """
    value = np.empty(stream.interactions)
    world = stream.world
    for now in range(stream.rounds):
        users = stream.present(now)
        if not users.size:
            continue
        at = stream.starts[users] + now - stream.arrives[users]
        turn = Turn(users, stream.contexts[at], at, world.contexts)
        chosen = player.decide(turn)
        eta = world.utility(users, turn.contexts, chosen)
        value[at] = world.emission.expected_reward(eta)
        told_of = world.emission.emit(eta, stream.chance[at])
        player.hear(turn, Histories.rows(turn, now, chosen, told_of))
        player.rest()
        told(len(users))
    return value
