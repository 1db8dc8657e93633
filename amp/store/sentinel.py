"""Asks sentinels who is the master of a service now: at each dial, so that a failover needs no word to us."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.exceptions import ResponseError

from amp.parse import SentinelUrl
from amp.store.secure import context, explained

ASKED_WITHIN_S = 0.25
"""Of each sentinel: one that does not answer leaves time for the others within one dial."""

_INCOMPLETE = object()
_pack = cast("Callable[[tuple[str, ...]], bytes]", hiredis.pack_command)  # pyright: ignore[reportUnknownMemberType]  typed as of one part


class Sentinels:
    """The sentinels of one service; whoever answered last is asked first."""

    def __init__(self, url: SentinelUrl) -> None:
        self._url = url
        self._hosts = list(url.hosts)

    async def master(self) -> tuple[str, int]:
        """The master's host and port: the first that is told. Whether it is one, its ROLE says.

        Raises:
            OSError: no sentinel tells; says what each did.
        """
        told: list[str] = []
        for host in list(self._hosts):
            try:
                async with asyncio.timeout(ASKED_WITHIN_S):
                    found = await self._ask(host)
            except TimeoutError:
                told.append(f"{host[0]}:{host[1]} does not answer")
            except OSError as error:
                told.append(f"{host[0]}:{host[1]}: {explained(error)}")
            except (hiredis.ProtocolError, ResponseError) as error:
                told.append(f"{host[0]}:{host[1]}: {error}")
            else:
                self._hosts.remove(host)
                self._hosts.insert(0, host)
                return found
        raise OSError(f"no sentinel names a master of {self._url.service!r} ({'; '.join(told)})")

    async def _ask(self, host: tuple[str, int]) -> tuple[str, int]:
        secure = context() if self._url.tls else None
        reader, writer = await asyncio.open_connection(*host, ssl=secure)
        try:
            commands = [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._url.service)]
            if self._url.sentinel_password:
                commands.insert(
                    0, ("AUTH", self._url.sentinel_username or "default", self._url.sentinel_password)
                )
            writer.write(b"".join(map(_pack, commands)))
            replies = await _replies(reader, len(commands))
        finally:
            writer.transport.abort()
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        if replies[-1] is None:
            raise ResponseError(f"knows no service {self._url.service!r}")
        name, port = cast("Sequence[bytes]", replies[-1])
        return name.decode(), int(port)


async def _replies(reader: asyncio.StreamReader, count: int) -> list[Any]:
    parser: Any = hiredis.Reader(replyError=ResponseError, notEnoughData=_INCOMPLETE)
    replies: list[Any] = []
    while len(replies) < count:
        data = await reader.read(4096)
        if not data:
            raise ConnectionResetError("closed the connection")
        parser.feed(data)
        while (reply := parser.gets()) is not _INCOMPLETE:
            replies.append(reply)
    return replies
