"""Calls that may fail for a while: tried again with growing pauses, and given up when it is no use."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from amp.grading.draft import Trouble

TRIES = 5
PAUSE_S, PAUSE_S_MAX = 0.5, 20.0
ASKED_S_MAX = 60.0
"""A service may ask us to wait for at most so long."""

Answer = TypeVar("Answer")
Heard = Callable[[Trouble | None], Awaitable[None]]
"""Told of each trouble before the pause, and None when the call is tried again."""


class RoleBroke(Exception):
    """A role gives no answer, and another try is no use."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


class MayPass(RoleBroke):
    """A role gave no answer now; another try can help."""

    def __init__(self, trouble: Trouble, after_s: float | None = None) -> None:
        super().__init__(trouble)
        self.after_s = after_s


class Patience:
    """How often and how long one role is waited for."""

    def __init__(self, heard: Heard, *, tries: int = TRIES, pause_s: float = PAUSE_S) -> None:
        self._heard = heard
        self._tries = tries
        self._pause_s = pause_s

    async def call(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer.

        Raises:
            RoleBroke: there is none after all tries, or no other try can help.
        """
        for number in range(self._tries):
            try:
                return await work()
            except MayPass as failure:
                if number == self._tries - 1:
                    trouble = failure.trouble
                    told = trouble._replace(message=f"{trouble.message} (tried {self._tries} times)")
                    raise RoleBroke(told) from failure
                await self._heard(failure.trouble)
                await asyncio.sleep(self._pause(number, failure.after_s))
                await self._heard(None)
        raise AssertionError("every try returns or raises")

    def _pause(self, number: int, asked_s: float | None) -> float:
        if asked_s is not None:
            return min(max(asked_s, 0.0), ASKED_S_MAX)
        return min(PAUSE_S_MAX, self._pause_s * 2**number) * random.uniform(0.5, 1.0)  # noqa: S311  spreads tries
