"""From a URL to a store that never retries a write by itself and never mixes up answers."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from amp.errors import NotReplicated, StoreUnavailable
from amp.observe import STORE_ERRORS
from amp.parse import is_cluster, is_sentinel, sentinel_url
from amp.settings import Settings
from amp.store.acks import Acks, Unproven
from amp.store.followed import followed
from amp.store.lasting import lasts, mark_key
from amp.store.line import TIMEOUT_S, Command, Lines

CONNECTIONS = 32
WAYS = 4
"""Lines for many large writes at once, of which one slot's always go the same way. The store reads 16 KB of a
line in each turn of its loop, and syncs its log once a turn: more lines are more writes a sync."""
AT_ONCE = 32
"""Reads that belong to one answer: 1 ms of the store, in which it answers nobody else."""


class Store:
    """One Redis or Valkey, by way of the library's client."""

    ack_replicas = 0
    """How many replicas must have a write before it is answered."""

    def __init__(self, client: Redis) -> None:
        self._client: Any = client  # redis types every reply as a union of sync and async
        self._client.response_callbacks.clear()  # replies as the server gave them

    async def ask(self, *command: bytes | str | int) -> Any:
        """The reply to one command.

        Raises:
            StoreUnavailable: there is none, or it is an error.
        """
        return (await self.ask_all([command]))[0]

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """The replies in order, in one round trip.

        Raises:
            StoreUnavailable: one is missing or an error: what was sent may have run or not.
        """
        replies = await self.ask_each(commands)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise refusal(reply)
        return replies

    async def ask_in_turn(self, commands: Sequence[Command], *, at_once: int = AT_ONCE) -> list[Any]:
        """As `ask_all`, a few at a time: for reads of many places, between which the store answers others.

        Raises:
            StoreUnavailable: as there.
        """
        replies: list[Any] = []
        for first in range(0, len(commands), at_once):
            replies += await self.ask_all(commands[first : first + at_once])
        return replies

    async def ask_each(self, commands: Sequence[Command]) -> list[Any]:
        """The replies in order, in one round trip; a command that was refused has its RedisError.

        So has one that was done where it is not proven that enough replicas have it: `Unproven`.

        Raises:
            StoreUnavailable: not every reply arrived: what was sent may have run or not.
        """
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            return cast("list[Any]", await pipeline.execute(raise_on_error=False))
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable from error

    async def prove(self, key: bytes) -> None:
        """For an answer that only read what stands in this key's slot: that it is not lost with one machine.

        Raises:
            NotReplicated: too few replicas have it.
            StoreUnavailable: nobody knows.
        """
        if self.ack_replicas:
            await self.ask("SET", mark_key(key), b"")

    async def ask_apart(self, commands: Sequence[Command], *, way: int = 0) -> list[Any]:
        """As `ask_each`, but of several nodes one that does not answer takes nothing from the others.

        A command without a reply has a StoreUnavailable: it may have run or not. Of one server, calls that
        went another way, of `WAYS`, do not wait for these.

        Raises:
            StoreUnavailable: no node answered.
        """
        del way
        return await self.ask_each(commands)

    async def ask_timed(self, commands: Sequence[Command]) -> list[tuple[int, Any] | StoreUnavailable]:
        """The replies in order, each with the clock of the node that gave it, in ms.

        Raises:
            StoreUnavailable: no node answered.
        """
        time, *replies = await self.ask_all([("TIME",), *commands])
        now_ms = clock_ms(time)
        return [(now_ms, reply) for reply in replies]

    async def nodes(self) -> Mapping[str, "Store"]:
        """Each server that holds a part of what is kept, by its address; '' where there is only one.

        Raises:
            StoreUnavailable: nobody tells which there are.
        """
        return {"": self}

    async def listen(self, channel: bytes) -> AsyncGenerator[bytes | None]:
        """What is published on the channel from now on; None at first, when it is listened to.

        Raises:
            StoreUnavailable: the connection is lost, and perhaps something that was published.
        """
        heard: asyncio.Queue[bytes | None] = asyncio.Queue()
        # a task of its own: the library may swallow a cancellation, and who was cancelled would never end
        pump = asyncio.create_task(self._pump(channel, heard))
        try:
            while not pump.done():
                yield await heard.get()
        finally:
            pump.cancel()

    async def _pump(self, channel: bytes, heard: "asyncio.Queue[bytes | None]") -> None:
        hearing = self._client.pubsub()
        await hearing.subscribe(channel)
        heard.put_nowait(None)
        async for message in hearing.listen():
            if message["type"] == "message":
                heard.put_nowait(message["data"])

    async def close(self) -> None:
        await self._client.aclose()


class LineStore(Store):
    """One Redis or Valkey, by way of one pipelined connection of our own: the hot path.

    With `ack_replicas`, what is to last goes by lines of its own and is answered when so many have it.
    """

    def __init__(self, url: str, *, ack_replicas: int = 0) -> None:
        self.ack_replicas = ack_replicas
        self._lines = Lines(url)
        self._beside = [Lines(url) for _ in range(1, WAYS)]
        self._acks = Acks.on(url, ack_replicas) if ack_replicas else None

    async def reach(self) -> None:
        """Connects where there is no connection.

        Raises:
            StoreUnavailable: nothing was sent.
        """
        await self._lines.reach()

    async def ask_each(self, commands: Sequence[Command]) -> list[Any]:
        try:
            if self._acks and any(map(lasts, commands)):
                return await self._acks.call(commands)
            return await self._lines.call(commands)
        except StoreUnavailable:
            STORE_ERRORS.inc()
            raise

    async def ask_apart(self, commands: Sequence[Command], *, way: int = 0) -> list[Any]:
        if not way or self._acks:
            return await self.ask_each(commands)
        try:
            return await self._beside[way - 1].call(commands)
        except StoreUnavailable:
            STORE_ERRORS.inc()
            raise

    async def listen(self, channel: bytes) -> AsyncGenerator[bytes | None]:
        async with aclosing(self._lines.listen(channel)) as heard:
            async for message in heard:
                yield message

    async def close(self) -> None:
        for line in (self._lines, *self._beside):
            await line.close()
        if self._acks:
            await self._acks.close()


def connect(url: str, *, ack_replicas: int = 0) -> Store:
    """The store at `redis://`, `rediss://` or `unix://`, that sentinels name, or that a cluster is."""
    if is_cluster(url):
        from amp.store.cluster import ClusterStore  # noqa: PLC0415  it is made of the lines above

        return ClusterStore(url, ack_replicas=ack_replicas)
    return LineStore(url, ack_replicas=ack_replicas)


def store_of(settings: Settings) -> Store:
    """The store that the settings name, answering as they ask for."""
    return connect(settings.redis or "", ack_replicas=settings.ack_replicas)


def refusal(error: RedisError) -> StoreUnavailable:
    """What a reply that is an error means to whoever asked."""
    refused = NotReplicated() if isinstance(error, Unproven) else StoreUnavailable()
    refused.__cause__ = error
    return refused


def clock_ms(reply: Sequence[bytes | int]) -> int:
    """The reply to TIME."""
    return int(reply[0]) * 1000 + int(reply[1]) // 1000


def pool(url: str, *, timeout_s: float = TIMEOUT_S) -> BlockingConnectionPool:
    """Connections that are waited for rather than refused, and calls that are never repeated.

    A lost reply says nothing about whether the write happened, so only calls that are idempotent may be
    sent again, by their callers.
    """
    options: dict[str, Any] = {
        "max_connections": CONNECTIONS,
        "timeout": timeout_s,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if is_sentinel(url):
        return cast("Any", BlockingConnectionPool)(**options, **followed(sentinel_url(url)))
    return cast("Any", BlockingConnectionPool).from_url(url, **options)
