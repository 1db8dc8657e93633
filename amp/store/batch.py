"""Calls of one event-loop tick leave as one: one pipeline to the store, one numpy call, one timer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from amp.errors import StoreUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")
_Group = list[tuple[Item, asyncio.Future[Answer], float]]  # the loop's time when the call is given up, last

WAITING_MAX = 4096
"""Calls that may wait for a flight; more are refused at once."""


class Batch(Generic[Item, Answer]):
    """Collects calls and runs them together.

    While `flights` runs are under way, later calls gather into the next one: the slower the store, the
    larger the batch. A call that has no answer after `deadline_s` gets StoreUnavailable; the run itself is
    never cancelled, so no reply is left on a connection for the next caller.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Awaitable[Sequence[Answer | Exception]]],
        *,
        deadline_s: float,
        flights: int = 1,
    ) -> None:
        self._run = run
        self._deadline_s = deadline_s
        self._free = flights
        self._waiting: _Group[Item, Answer] = []
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, item: Item) -> "asyncio.Future[Answer]":
        """The future answer.

        Raises:
            StoreUnavailable: too many calls wait already.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise StoreUnavailable
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        due_s = loop.time() + self._deadline_s
        if not self._waiting:
            loop.call_at(due_s, _expire, self._waiting, 0)
        self._waiting.append((item, future, due_s))
        if not self._scheduled and self._free:
            self._scheduled = True
            loop.call_soon(self._start)
        return future

    def _start(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        group = [entry for entry in waiting if not entry[1].done()]
        if not group:
            return
        self._free -= 1
        task = asyncio.ensure_future(self._fly(group, waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fly(self, group: _Group[Item, Answer], waiting: _Group[Item, Answer]) -> None:
        """Answers the group, those of `waiting` who still do."""
        try:
            answers = await self._run([item for item, _, _ in group])
        except Exception as error:  # noqa: BLE001  whatever it is, each caller must hear of it
            answers = [error] * len(group)
        self._free += 1
        for (_, future, _), answer in zip(group, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        waiting.clear()  # its timer would keep all of it until the deadline
        if self._waiting and not self._scheduled:
            self._start()


def _expire(group: "_Group[Item, Answer]", first: int) -> None:
    """Gives up the calls of a group whose time has come, and looks again when the next one's has."""
    loop = asyncio.get_running_loop()
    now_s = loop.time()
    for index in range(first, len(group)):
        _, future, due_s = group[index]
        if future.done():
            continue
        if due_s > now_s:
            loop.call_at(due_s, _expire, group, index)
            return
        future.set_exception(StoreUnavailable())
    group.clear()  # all are answered; a call that joined now would have no timer
