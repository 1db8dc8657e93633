"""A connection that only listens: to what is published on one channel."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.exceptions import ResponseError

from amp.errors import StoreUnavailable

LISTEN_S = 5.0
"""A listener that hears nothing for so long asks whether the store is there still."""

_INCOMPLETE = object()
_LOST = object()
_pack = cast("Callable[[tuple[bytes | str | int, ...]], bytes]", hiredis.pack_command)  # pyright: ignore[reportUnknownMemberType]  typed as of one part


class Ear(asyncio.Protocol):
    """What is heard, in its order."""

    def __init__(self) -> None:
        self._reader: Any = hiredis.Reader(replyError=ResponseError, notEnoughData=_INCOMPLETE)
        self._heard: asyncio.Queue[Any] = asyncio.Queue()
        self._transport: asyncio.Transport | None = None

    def say(self, commands: Sequence[Sequence[bytes | str | int]]) -> None:
        if self._transport is not None:
            self._transport.write(b"".join([_pack(tuple(command)) for command in commands]))

    async def next(self) -> bytes | None:
        """The next message; None once the channel is listened to.

        Raises:
            StoreUnavailable: the connection is lost, or the store says nothing any more.
        """
        asked = False
        while True:
            try:
                async with asyncio.timeout(LISTEN_S):
                    heard = await self._heard.get()
            except TimeoutError:
                if asked:
                    raise StoreUnavailable from None
                asked = True
                self.say([("PING",)])
                continue
            if heard is _LOST:
                raise StoreUnavailable
            asked = False
            match heard:
                case [b"message", _, message]:
                    return cast("bytes", message)
                case [b"subscribe", *_]:
                    return None
                case ResponseError():
                    raise StoreUnavailable from heard
                case _:  # the greeting's answers, and a pong
                    pass

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                self._heard.put_nowait(reply)
        except hiredis.ProtocolError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # why does not matter
        self._heard.put_nowait(_LOST)
