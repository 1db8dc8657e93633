"""What one server tells of itself, asked in one round trip; whatever it refuses to tell is told apart."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from amp.clock import Clock, now_ms
from amp.store.connection import Store, clock_ms
from amp.store.durability import fields

CONFIG = ("appendfsync", "save", "maxclients", "min-replicas-to-write", "disable-thp")
LIBRARIES = ("FUNCTION", "LIST", "LIBRARYNAME", "amp_*")


class Told(NamedTuple):
    """What a server says, and when it said so."""

    info: dict[str, str]
    """INFO, by name; empty when it is refused."""
    config: dict[str, str]
    """What it tells of `CONFIG`."""
    libraries: list[str] | None
    """The names of ours; None when it does not tell."""
    clock_ms: int
    """Its clock."""
    host_ms: int
    """Ours, in the middle of the round trip."""
    took_ms: float
    refusals: dict[str, str]
    """Why something is not told, by the command."""


async def told(store: Store, *, clock: Clock = now_ms) -> Told:
    """What this server says now.

    Raises:
        StoreUnavailable: it does not answer.
    """
    await store.ask_each([("PING",)])  # dials, so that the clocks are compared over one round trip
    began, since_ms = time.perf_counter(), clock()
    (at,) = await store.ask_each([("TIME",)])
    took_s = time.perf_counter() - began
    info, libraries, *config = await store.ask_each(
        [("INFO",), LIBRARIES, *(("CONFIG", "GET", name) for name in CONFIG)]
    )
    refusals = {
        name: str(reply).partition(", with args")[0]
        for name, reply in (("TIME", at), ("INFO", info), ("FUNCTION", libraries), ("CONFIG", config[0]))
        if isinstance(reply, RedisError)
    }
    host_ms = since_ms + int(took_s * 500)
    return Told(
        {} if isinstance(info, RedisError) else fields(info),
        _pairs(config),
        None if isinstance(libraries, RedisError) else library_names(libraries),
        host_ms if isinstance(at, RedisError) else clock_ms(at),
        host_ms,
        took_s * 1000,
        refusals,
    )


def library_names(listed: Sequence[Sequence[Any]]) -> list[str]:
    """The libraries' names in a reply to FUNCTION LIST."""
    named = [dict(zip(each[::2], each[1::2], strict=True)) for each in listed]
    return sorted(each[b"library_name"].decode() for each in named)


def _pairs(replies: Sequence[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for reply in replies:
        if not isinstance(reply, RedisError) and len(reply) == 2:
            found[reply[0].decode()] = reply[1].decode()
    return found
