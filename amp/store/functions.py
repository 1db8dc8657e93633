"""Runs our Redis Functions: loaded at start, loaded again when the store has lost them."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from redis.exceptions import RedisError

from amp.store.connection import AT_ONCE, Store, refusal


class Call(Struct, frozen=True):
    """One FCALL: everything it touches is in `keys`, and all of them lie in one slot."""

    function: str
    keys: Sequence[bytes]
    arguments: Sequence[bytes | str | int]

    @property
    def command(self) -> tuple[bytes | str | int, ...]:
        return ("FCALL", self.function, len(self.keys), *self.keys, *self.arguments)


class Functions:
    """The libraries of all rooms on one store.

    A function either does all of its work or none and may be called again with the same arguments; so a
    call that failed because its library was missing is simply repeated.
    """

    def __init__(self, store: Store, sources: Sequence[str]) -> None:
        self._store = store
        self._sources = sources

    async def load(self) -> None:
        """Loads every library; other versions of them stay, for workers of another release.

        Raises:
            StoreUnavailable: the store does not answer, or does not know functions.
        """
        for source in self._sources:
            await self._store.ask("FUNCTION", "LOAD", "REPLACE", source)

    async def call(self, call: Call) -> Any:
        """The function's reply.

        Raises:
            StoreUnavailable: it did not run, or its reply was lost.
        """
        answer = (await self.call_all([call]))[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def call_in_turn(self, calls: Sequence[Call]) -> list[Any]:
        """As `call_all`, a few at a time: as `Store.ask_in_turn`.

        Raises:
            StoreUnavailable: as there.
        """
        answers: list[Any] = []
        for first in range(0, len(calls), AT_ONCE):
            answers += await self.call_all(calls[first : first + AT_ONCE])
        return answers

    async def call_all(self, calls: Sequence[Call], *, way: int = 0) -> list[Any]:
        """The replies in order, in one round trip; a call that failed has its StoreUnavailable instead.

        Calls that went another `way` do not wait for these: `Store.ask_apart`.

        Raises:
            StoreUnavailable: not every reply arrived.
        """
        answers = await self._store.ask_apart([call.command for call in calls], way=way)
        if not any(isinstance(answer, RedisError) for answer in answers):
            return answers
        missing = [index for index, answer in enumerate(answers) if _not_loaded(answer)]
        if missing:
            await self.load()
            again = await self._store.ask_apart([calls[index].command for index in missing])
            for index, answer in zip(missing, again, strict=True):
                answers[index] = answer
        return [refusal(answer) if isinstance(answer, RedisError) else answer for answer in answers]


def _not_loaded(answer: object) -> bool:
    return isinstance(answer, RedisError) and "Function not found" in str(answer)
