"""One pipelined connection to the store.

Commands of many callers share it, replies come in their order. Measured against redis-py's pipelines on
batches of 30 GETs of 1 KB: 3.2 times the commands a second, a fifth of the CPU (2.1 against 11.7 us each).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar, cast

import hiredis
from redis.asyncio.connection import parse_url
from redis.exceptions import ResponseError

from amp.errors import StoreUnavailable
from amp.parse import is_sentinel, sentinel_url
from amp.store.ear import Ear
from amp.store.secure import context, explained
from amp.store.sentinel import Sentinels

TIMEOUT_S = 1.0
"""For a dial, and for the replies to one call."""
ANSWER_WITHIN_S = 1.2
"""For a call that has to dial first, both together."""

Command = Sequence[bytes | str | int]
Protocol = TypeVar("Protocol", bound=asyncio.Protocol)

_INCOMPLETE = object()
_pack = cast("Callable[[tuple[bytes | str | int, ...]], bytes]", hiredis.pack_command)  # pyright: ignore[reportUnknownMemberType]  typed as of one part


class Line(asyncio.Protocol):
    """A connection that never mixes up answers: after any trouble it is closed and all callers are told."""

    def __init__(self) -> None:
        self._reader: Any = hiredis.Reader(replyError=self._refused, notEnoughData=_INCOMPLETE)
        self._calls: deque[tuple[int, list[Any], asyncio.Future[list[Any]]]] = deque()
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def call(self, commands: Sequence[Command], *, within_s: float | None = None) -> list[Any]:
        """The replies in order; a refused command has its ResponseError.

        Raises:
            StoreUnavailable: not every reply came within TIMEOUT_S, or `within_s`.
        """
        if self._transport is None or self._transport.is_closing():
            raise StoreUnavailable
        if not commands:  # no reply would ever take this call off the queue
            return []
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        self._calls.append((len(commands), [], future))
        self._transport.write(b"".join([_pack(tuple(command)) for command in commands]))
        timer = loop.call_later(within_s or TIMEOUT_S, self.close)
        try:
            return await future
        finally:
            timer.cancel()

    def close(self) -> None:
        """Ends the connection; calls that wait for a reply are refused."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while self._calls and (reply := self._reader.gets()) is not _INCOMPLETE:
                self._take(reply)
        except hiredis.ProtocolError:
            self.close()

    def _refused(self, message: str) -> ResponseError:
        if message.startswith("READONLY"):  # the master was demoted: the next call finds the new one
            self.close()
        return ResponseError(message)

    def _take(self, reply: Any) -> None:
        expected, replies, future = self._calls[0]
        replies.append(reply)
        if len(replies) == expected:
            self._calls.popleft()
            if not future.done():  # its caller may have been cancelled: the replies are taken all the same
                future.set_result(replies)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # why does not matter: no reply will come
        waiting, self._calls = self._calls, deque()
        for _, _, future in waiting:
            if not future.done():
                future.set_exception(StoreUnavailable())


class Lines:
    """The line to one address, dialled when it is needed and again whenever it is lost.

    With the URL of sentinels, each dial asks them where the master is, and takes nobody who is none.
    """

    def __init__(self, url: str) -> None:
        self._sentinels: Sentinels | None = None
        if is_sentinel(url):
            watched = sentinel_url(url)
            self._sentinels = Sentinels(watched)
            self._address: dict[str, Any] = {
                "username": watched.username,
                "password": watched.password,
                "db": watched.db,
            }
        else:
            self._address = dict(parse_url(url))
        self._tls = url.startswith("rediss")
        self._line = Line()
        self._dialling: asyncio.Task[Line | Exception] | None = None

    async def call(self, commands: Sequence[Command]) -> list[Any]:
        """As `Line.call`, on a line that is open."""
        if self._line.open:
            return await self._line.call(commands)
        loop = asyncio.get_running_loop()
        due_s = loop.time() + ANSWER_WITHIN_S
        line = await self._dialled()
        return await line.call(commands, within_s=min(TIMEOUT_S, due_s - loop.time()))

    async def reach(self) -> None:
        """Dials where no line is open.

        Raises:
            StoreUnavailable: nothing was sent.
        """
        if not self._line.open:
            await self._dialled()

    async def listen(self, channel: bytes) -> AsyncGenerator[bytes | None]:
        """As `Store.listen`, on a connection of its own."""
        ear = Ear()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._reached(lambda: ear)
        except (OSError, TimeoutError) as error:
            ear.close()
            raise StoreUnavailable from error
        try:
            ear.say([*self._greeting(), ("SUBSCRIBE", channel)])
            while True:
                yield await ear.next()
        finally:
            ear.close()

    async def close(self) -> None:
        self._line.close()
        if self._dialling:
            self._dialling.cancel()

    async def _dialled(self) -> Line:
        """The line of one dial for all who wait; who leaves early does not end it for the others."""
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.create_task(self._dial())
        dial = self._dialling
        await asyncio.wait([dial])
        found = StoreUnavailable("The store was closed.") if dial.cancelled() else dial.result()
        if isinstance(found, Exception):
            raise StoreUnavailable from found
        return found

    async def _dial(self) -> Line | Exception:
        """An open line, or why there is none: returned, because nobody may be left to raise it to."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                line = await self._reached(Line)
                replies = await self._greeted(line)
        except TimeoutError:
            return TimeoutError(f"no answer within {TIMEOUT_S:g} s")
        except StoreUnavailable as error:
            return error
        except OSError as error:
            return explained(error)
        if refused := _refusal(replies):
            line.close()
            return refused
        self._line = line
        return line

    async def _reached(self, kind: Callable[[], Protocol]) -> Protocol:
        loop = asyncio.get_running_loop()
        if "path" in self._address:
            _, line = await loop.create_unix_connection(kind, self._address["path"])
            return line
        host, port = self._address.get("host", "localhost"), self._address.get("port", 6379)
        if self._sentinels:
            host, port = await self._sentinels.master()
        _, line = await loop.create_connection(
            kind,
            host,
            port,
            ssl=context() if self._tls else None,
        )
        return line

    async def _greeted(self, line: Line) -> list[Any]:
        try:
            return await line.call([*self._greeting(), *([("ROLE",)] if self._sentinels else [])])
        except BaseException:  # whoever leaves now leaves no connection behind
            line.close()
            raise

    def _greeting(self) -> list[Command]:
        commands: list[Command] = []
        password = self._address.get("password")
        if password:
            commands.append(("AUTH", self._address.get("username") or "default", password))
        commands.append(("SELECT", int(self._address.get("db", 0))))
        return commands


def _refusal(greeted: Sequence[Any]) -> Exception | None:
    """Why a line that was greeted so is of no use."""
    for reply in greeted:
        if isinstance(reply, ResponseError):
            return reply
        if isinstance(reply, list) and cast("list[Any]", reply)[0] != b"master":
            return ConnectionError("the sentinels' master is none yet")
    return None
