"""Whether replicas have what was written: asked of the servers themselves, whatever connection wrote it."""

import asyncio
import re
import time

from amp.errors import StoreUnavailable
from amp.exits import CommandFailed
from amp.store.connection import Store
from amp.store.durability import fields

STANDSTILL_S = 60.0
"""So long replicas may show no progress at all."""
_LOOK_EVERY_S = 0.1
_REPLICA = re.compile(r"slave\d+")


async def connected(target: Store, replicas: int) -> None:
    """Refuses a store that has fewer replicas than asked for.

    Raises:
        CommandFailed: says so.
        StoreUnavailable: there is no answer.
    """
    for name, server in (await target.nodes()).items():
        there = len((await _told(server))[1]) if replicas else 0
        if there < replicas:
            raise CommandFailed(
                f"{name or 'The store'} has {there} replicas, and AMP_ACK_REPLICAS asks for {replicas}. "
                "Connect them first, or set AMP_ACK_REPLICAS=0 and wait for them yourself."
            )


async def replicated(target: Store, replicas: int) -> None:
    """Waits until so many replicas of each server have all that was written there before.

    Raises:
        CommandFailed: they do not get on.
        StoreUnavailable: there is no answer.
    """
    for server in (await target.nodes()).values() if replicas else ():
        goal, before, moved_s = (await _told(server))[0], list[int](), time.monotonic()
        while True:
            have = (await _told(server))[1]
            there = sum(offset >= goal for offset in have)
            if there >= replicas:
                break
            if have != before:
                before, moved_s = have, time.monotonic()
            elif time.monotonic() > moved_s + STANDSTILL_S:
                raise CommandFailed(
                    f"{there} of {replicas} replicas have what was restored, and the others get no further: "
                    "look at their logs, then run the same command again."
                )
            await asyncio.sleep(_LOOK_EVERY_S)


async def _told(server: Store) -> tuple[int, list[int]]:
    """How far the server is, and each of its replicas; -1: it is still being copied to."""
    said = fields(await server.ask("INFO", "replication"))
    if "master_repl_offset" not in said:
        raise StoreUnavailable("The store does not tell how far its replicas are.")
    replicas = [
        dict(part.split("=", 1) for part in value.split(","))
        for name, value in said.items()
        if _REPLICA.fullmatch(name)
    ]
    have = [int(each["offset"]) if each["state"] == "online" else -1 for each in replicas]
    return int(said["master_repl_offset"]), have
