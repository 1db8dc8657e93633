"""One policy on one stream: what it captured, and what each decision, outcome and user cost."""

import time
from functools import lru_cache
from hashlib import blake2b
from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np

from amp.learning.approaches import PUBLISHED
from amp.learning.types import History, Ints
from amp.simulate import worlds
from amp.simulate.run import Player, run
from amp.simulate.score import score
from amp.simulate.streams import Stream, Turn, stream
from benchmarks.entrants import BY_NAME


class Task(NamedTuple):
    """What to measure."""

    world: str
    users: int
    seed: int
    family: str
    setting: str


class Trial(msgspec.Struct, frozen=True):
    """What was measured."""

    world: str
    users: int
    seed: int
    family: str
    setting: str
    stream: str
    """Digest of the world and everything that no policy decides."""
    interactions: int
    everybody: list[float]
    """Captured share by bin."""
    late: list[float]
    decide_us: float
    """A decision, median over rounds; CPU time of the one thread, so that a busy machine tells the same."""
    batch: float
    """Decisions that were made together, median."""
    learn_us: float
    """To hear of an outcome, median over rounds."""
    background_us: float
    """Between rounds, an outcome, mean."""
    state_bytes: int
    """Of the model, or of a user's part in it for all users together; 0 where rows are all that is kept."""

    @property
    def task(self) -> Task:
        return Task(self.world, self.users, self.seed, self.family, self.setting)


class _Clocked:
    """A player whose time is taken."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self.sizes: list[int] = []
        self.decide_us: list[float] = []
        self.learn_us: list[float] = []
        self.background_us = 0.0

    def decide(self, turn: Turn) -> Ints:
        began = time.thread_time_ns()
        chosen = self._player.decide(turn)
        self.decide_us.append((time.thread_time_ns() - began) / 1e3 / len(turn.users))
        self.sizes.append(len(turn.users))
        return chosen

    def hear(self, turn: Turn, rows: History) -> None:
        began = time.thread_time_ns()
        self._player.hear(turn, rows)
        self.learn_us.append((time.thread_time_ns() - began) / 1e3 / len(turn.users))

    def rest(self) -> None:
        began = time.thread_time_ns()
        self._player.rest()
        self.background_us += (time.thread_time_ns() - began) / 1e3


@lru_cache(maxsize=1)
def _stream(world: str, users: int, seed: int) -> Stream:
    return stream(worlds.make(world, users, seed, PUBLISHED), seed)


def digest(world: str, users: int, seed: int) -> str:
    """What tells one stream from another that has the same name."""
    made = _stream(world, users, seed)
    said = blake2b(digest_size=8)
    for part in (made.world.own, made.world.added, made.arrives, made.stays, made.contexts, made.chance):
        said.update(np.ascontiguousarray(part).tobytes())
    return said.hexdigest()


def measure(task: Task) -> Trial:
    """Runs it."""
    made = _stream(task.world, task.users, task.seed)
    family = BY_NAME[task.family]
    setting = next(each for each in family.settings if each.name == task.setting)
    player = setting.make(made, np.random.default_rng([task.seed, 7]))
    clocked = _Clocked(player)
    found = score(made, run(made, clocked))
    return Trial(
        *task,
        stream=digest(task.world, task.users, task.seed),
        interactions=made.interactions,
        everybody=[round(float(share), 5) for share in found.everybody],
        late=[round(float(share), 5) for share in found.late],
        decide_us=round(median(clocked.decide_us), 2),
        batch=1.0 if family.alone else median(clocked.sizes),
        learn_us=round(median(clocked.learn_us), 2),
        background_us=round(clocked.background_us / made.interactions, 2),
        state_bytes=_state_bytes(player) if family.state != "rows" else 0,
    )


def _state_bytes(player: Player) -> int:
    """Of a player that says so itself, or of the arrays in which it keeps what it has learned."""
    said = getattr(player, "state_bytes", None)
    if said is not None:
        return int(said())
    held = vars(player)
    kept = [held[name] for name in ("_counts", "_precision", "_pull") if name in held]
    return sum(int(array.nbytes) for part in kept for array in (part if isinstance(part, list) else [part]))  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]
