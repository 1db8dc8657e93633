"""Whether replicas have what was written: asked of the servers themselves, whatever connection wrote it."""

import asyncio
import re
import time
from collections.abc import Iterable

from amp.errors import StoreUnavailable
from amp.exits import CommandFailed
from amp.store.connection import Store
from amp.store.durability import fields

STANDSTILL_S = 60.0
"""So long those that lack something may get no further while none of them is being copied to."""
COPY_S = 3600.0
"""So long they may be copied to, which shows no progress before its end."""
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
        goal, pace = (await _told(server))[0], _Pace()
        while True:
            have = (await _told(server))[1]
            there = sum(offset >= goal for _, offset in have)
            if there >= replicas:
                break
            if trouble := pace.trouble([each for each in have if each[1] < goal]):
                raise CommandFailed(
                    f"{there} of {replicas} replicas have what was restored, and {trouble}: "
                    "look at their logs, then run the same command again."
                )
            await asyncio.sleep(_LOOK_EVERY_S)


class _Pace:
    """Since when those that lack something get no further: a ping moves the offset of the others."""

    def __init__(self) -> None:
        self._furthest: dict[str, int] = {}
        self._moved_s = self._alive_s = time.monotonic()

    def trouble(self, behind: Iterable[tuple[str, int]]) -> str | None:
        """What to say of them, by address and offset, if they are to be waited for no longer."""
        now_s, copied_to = time.monotonic(), False
        for address, offset in behind:
            copied_to |= offset == 0
            if offset > self._furthest.get(address, 0):
                self._furthest[address] = offset
                self._moved_s = self._alive_s = now_s
        if copied_to:
            self._alive_s = now_s
        if now_s > self._moved_s + COPY_S:
            return f"others are still copied to after {COPY_S / 60:.0f} minutes"
        return "the others get no further" if now_s > self._alive_s + STANDSTILL_S else None


async def _told(server: Store) -> tuple[int, list[tuple[str, int]]]:
    """How far the server is, and each of its replicas by address; 0: it is still being copied to."""
    said = fields(await server.ask("INFO", "replication"))
    if "master_repl_offset" not in said:
        raise StoreUnavailable("The store does not tell how far its replicas are.")
    replicas = [
        dict(part.split("=", 1) for part in value.split(","))
        for name, value in said.items()
        if _REPLICA.fullmatch(name)
    ]
    have = [
        (f"{each['ip']}:{each['port']}", int(each["offset"]) if each["state"] == "online" else 0)
        for each in replicas
    ]
    return int(said["master_repl_offset"]), have
