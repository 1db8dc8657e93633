"""Who has something to do: streams of sessions, read by the loops of all processes as one consumer group.

A wake-up says only "look at this session": it may come twice, late, or be lost with the process that should
have sent it. What there is to do says the session; `SessionStore.running` finds those that nobody was woken
for.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from hashlib import blake2b
from typing import Any, NamedTuple

from amp.errors import StoreUnavailable
from amp.store.connection import Store
from amp.store.grading_keys import GRADING_CALLS, GRADING_LANES, grading_lane

_GROUP = "loop"
_LANES = [grading_lane(number) for number in range(GRADING_LANES)]
LANE_MAX = 100_000


class Wake(NamedTuple):
    """One wake-up that this consumer has taken."""

    lane: bytes
    id: bytes
    tag: str
    """The tenant's."""
    session: str


class Lanes:
    """The streams of wake-ups."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self) -> None:
        """Makes the consumer group where it is missing; to be done before `take`, as often as one likes.

        Raises:
            StoreUnavailable: there is no answer.
        """
        await self._store.ask_each([("XGROUP", "CREATE", lane, _GROUP, "0", "MKSTREAM") for lane in _LANES])

    async def wake(self, tag: str, session: str) -> None:
        """Says that the session has something to do.

        Raises:
            StoreUnavailable: perhaps nobody was told: the sweep will find it.
        """
        lane = _LANES[blake2b(session.encode(), digest_size=1).digest()[0] % GRADING_LANES]
        await self._store.ask_all(
            [
                ("XADD", lane, "MAXLEN", "~", LANE_MAX, "*", "t", tag, "s", session),
                ("PUBLISH", GRADING_CALLS, ""),
            ]
        )

    async def calls(self) -> AsyncGenerator[bytes | None]:
        """One thing whenever somebody was woken from now on; None at first, when it is listened to.

        Raises:
            StoreUnavailable: the connection is lost, and perhaps a call.
        """
        async with aclosing(self._store.listen(GRADING_CALLS)) as heard:
            async for call in heard:
                yield call

    async def take(self, consumer: str, count: int) -> list[Wake]:
        """New wake-ups, at most `count` a lane; none when there are none: it does not wait.

        Raises:
            StoreUnavailable: there is no answer, or no group: `open` makes it.
        """
        ids = [">"] * len(_LANES)
        reply: list[tuple[bytes, list[Any]]] | None = await self._store.ask(
            "XREADGROUP", "GROUP", _GROUP, consumer, "COUNT", count, "STREAMS", *_LANES, *ids
        )
        return [_wake(lane, entry) for lane, entries in reply or [] for entry in entries]

    async def take_over(self, consumer: str, idle_ms: int, count: int) -> list[Wake]:
        """Wake-ups that others took and have not kept for so long.

        Raises:
            StoreUnavailable: there is no answer.
        """
        replies = await self._store.ask_all(
            [("XAUTOCLAIM", lane, _GROUP, consumer, idle_ms, "0", "COUNT", count) for lane in _LANES]
        )
        return [
            _wake(lane, entry)
            for lane, reply in zip(_LANES, replies, strict=True)
            for entry in reply[1]
            if entry and entry[1]
        ]

    async def keep(self, consumer: str, wakes: Sequence[Wake]) -> None:
        """The heartbeat: nobody takes these over for a while.

        Raises:
            StoreUnavailable: perhaps somebody will.
        """
        await self._store.ask_each(
            [("XCLAIM", wake.lane, _GROUP, consumer, 0, wake.id, "JUSTID") for wake in wakes]
        )

    async def done(self, wakes: Sequence[Wake]) -> None:
        """What these said is done. Never raises: a wake-up that stays is only looked at again."""
        with suppress(StoreUnavailable):
            commands: list[Any] = []
            for wake in wakes:
                commands += [("XACK", wake.lane, _GROUP, wake.id), ("XDEL", wake.lane, wake.id)]
            await self._store.ask_each(commands)


def _wake(lane: bytes, entry: Sequence[Any]) -> Wake:
    entry_id, fields = entry
    return Wake(lane, entry_id, fields[1].decode(), fields[3].decode())
