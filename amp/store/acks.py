"""Writes that are answered when replicas have them: lines of their own, one WAIT for all that fly together.

WAIT holds up its connection, and speaks of that connection's last write only: so reads never come here, and
it leaves in the same flush as what it waits for.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from redis.exceptions import ResponseError

from amp.observe import ACK_UNMET, ACK_WAIT
from amp.store.batch import Batch
from amp.store.lasting import lasts, mark
from amp.store.line import Command, Lines

ACK_WITHIN_MS = 500
"""Then a write that too few replicas have is answered with a refusal, although it stands."""
_QUEUED_AND_FLOWN_S = 1.5
_FLIGHTS = 2


class Unproven(ResponseError):
    """In the place of a reply: the command was done, and too few replicas are known to have it."""


class Acks:
    """What is called here is answered when so many replicas have it."""

    def __init__(self, lines: Sequence[Lines], replicas: int) -> None:
        self._lines = list(lines)
        self._free = list(lines)
        self._replicas = replicas
        self._flights: Batch[Sequence[Command], list[Any]] = Batch(
            self._fly, deadline_s=_QUEUED_AND_FLOWN_S, flights=len(lines)
        )

    @classmethod
    def on(cls, url: str, replicas: int) -> "Acks":
        return cls([Lines(url) for _ in range(_FLIGHTS)], replicas)

    async def call(self, commands: Sequence[Command]) -> list[Any]:
        """As `Lines.call`; a command that lasts and is not on enough replicas has `Unproven` for a reply.

        Raises:
            StoreUnavailable: not every reply arrived.
        """
        return await self._flights.submit(commands)

    async def close(self) -> None:
        for line in self._lines:
            await line.close()

    async def _fly(self, calls: list[Sequence[Command]]) -> list[list[Any] | Exception]:
        line = self._free.pop()
        flown = [_marked(commands) for commands in calls]
        started_s = perf_counter()
        try:
            sent = [command for commands in flown for command in commands]
            replies = await line.call([*sent, ("WAIT", self._replicas, ACK_WITHIN_MS)])
        finally:
            self._free.append(line)
        ACK_WAIT.observe(perf_counter() - started_s)
        met = isinstance(replies[-1], int) and replies[-1] >= self._replicas
        answers: list[list[Any] | Exception] = []
        start = 0
        for commands, marked in zip(calls, flown, strict=True):
            mine = replies[start : start + len(commands)]
            start += len(marked)
            proven = met and not isinstance(replies[start - 1], ResponseError)
            answers.append(mine if proven else _unproven(commands, mine))
        return answers


def _marked(commands: Sequence[Command]) -> list[Command]:
    """The commands, then a write in the slot of the last one that is to last."""
    last = max(index for index, command in enumerate(commands) if lasts(command))
    asking = [command for command in commands[max(0, last - 1) : last] if command[0] == "ASKING"]
    return [*commands, *asking, mark(commands[last])]


def _unproven(commands: Sequence[Command], replies: Sequence[Any]) -> list[Any]:
    """What was refused stays refused, for its own reason; what was read is true all the same."""
    told = [
        Unproven("too few replicas have it")
        if lasts(command) and not isinstance(reply, ResponseError)
        else reply
        for command, reply in zip(commands, replies, strict=True)
    ]
    ACK_UNMET.inc(sum(isinstance(reply, Unproven) for reply in told))
    return told
