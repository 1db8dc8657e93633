"""A store that has lived, filled anew or as an earlier run has filled it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import typer

from amp.settings import Settings
from benchmarks import crowd

SESSIONS = 50
Told = Callable[[str, float], None]
"""Hears what is done and how much of it."""


class Size(NamedTuple):
    """What is seeded."""

    users: int
    jobs: int
    sessions: int = SESSIONS


class Seeded(msgspec.Struct):
    """What lies in a store, and how long it took to bring it there."""

    size: Size
    seeded_s: float
    learned_s: float


def seeded_store(settings: Settings, size: Size, note: Path | None, told: Told) -> Seeded:
    """Fills the store, or takes it as an earlier run has filled it and noted."""
    if note and note.exists():
        found = msgspec.json.decode(note.read_bytes(), type=Seeded)
        if found.size != size:
            raise typer.BadParameter(f"{note.parent} holds {found.size}, not {size}.")
        return found
    began = time.perf_counter()
    crowd.seed(settings, users=size.users, jobs=size.jobs, sessions=size.sessions, told=told)
    seeded_s = time.perf_counter() - began
    asyncio.run(crowd.learn(settings))
    seeded = Seeded(size, seeded_s, time.perf_counter() - began - seeded_s)
    if note:
        note.write_bytes(msgspec.json.encode(seeded))
    return seeded
