"""Copies every key of a store into one that is empty, with its time to live, or leaves nothing there."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from amp.errors import StoreUnavailable
from amp.exits import CommandFailed
from amp.store.connection import Store, connect, pool
from amp.store.keys import KEYRING, RESTORING
from amp.store.snapshot import is_of_one

PATIENCE_S = 60.0
"""A stream of years is one key, and may take seconds."""
KEYS_AT_ONCE = 500
BYTES_AT_ONCE = 4 << 20


def patient(url: str) -> Store:
    """The store at this URL, given time for large keys."""
    if is_of_one(url):
        return Store(Redis.from_pool(pool(url, timeout_s=PATIENCE_S)))  # which then is its own to close
    return connect(url)


async def move(source: Store, target: Store, name: str, watch: Callable[[int], None]) -> int:
    """How many keys were copied; `name` is the backup's own.

    A mark says, until `whole`, that the target is not (readiness is red), and of which backup it is. The
    keys' table comes last, so that nobody can call before. After a kill the same may be done again.

    Raises:
        CommandFailed: the target holds something, or is of another kind than the source; nothing is left of
            what was copied.
        StoreUnavailable: one of them does not answer.
    """
    await _mark(target, name)
    try:
        return await _copy_all(source, target, watch)
    except BaseException:
        await _clear(source, target)
        raise


async def whole(target: Store) -> None:
    """Takes the mark away: the target may be served from.

    Raises:
        StoreUnavailable: nobody knows whether it is gone.
    """
    await target.ask("DEL", RESTORING)


async def _mark(target: Store, name: str) -> None:
    half = await target.ask("GET", RESTORING)
    if half is None and (count := int(await target.ask("DBSIZE"))):
        raise CommandFailed(
            f"The store holds {count:,} keys. A backup is restored into an empty one: choose another "
            "database (redis://host:6379/1), or empty this one yourself."
        )
    if half not in {None, name.encode()}:
        raise CommandFailed(
            "The restore of another backup into this store was killed. Give that file, or empty the store."
        )
    await target.ask("SET", RESTORING, name)


async def _copy_all(source: Store, target: Store, watch: Callable[[int], None]) -> int:
    copied = 0
    async for keys in pages(source):
        copied += await _copy(source, target, [key for key in keys if key not in {KEYRING, RESTORING}])
        watch(len(keys))
    return copied + await _copy(source, target, [KEYRING])


async def _copy(source: Store, target: Store, keys: Sequence[bytes]) -> int:
    """Copies these, a few megabytes at a time."""
    sizes = await source.ask_all([("MEMORY", "USAGE", key, "SAMPLES", 1) for key in keys]) if keys else []
    copied, some, size = 0, list[bytes](), 0
    for key, bytes_ in zip(keys, sizes, strict=True):
        some.append(key)
        size += bytes_ or 0
        if size >= BYTES_AT_ONCE:
            copied += await _copy_some(source, target, some)
            some, size = [], 0
    return copied + (await _copy_some(source, target, some) if some else 0)


async def _copy_some(source: Store, target: Store, keys: Sequence[bytes]) -> int:
    asked = [command for key in keys for command in (("DUMP", key), ("PEXPIRETIME", key))]
    told = await source.ask_all(asked)
    found = [each for each in zip(keys, told[::2], told[1::2], strict=True) if each[1] is not None]
    commands = [
        ("RESTORE", key, max(0, until_ms), dumped, "REPLACE", "ABSTTL") for key, dumped, until_ms in found
    ]
    for reply in await target.ask_each(commands) if commands else []:
        if isinstance(reply, RedisError):
            raise CommandFailed(f"The store cannot take what the backup holds: {reply}. {_WHY}")
    return len(found)


_WHY = "One that is older than the server of the backup cannot; neither can one that is full."


async def _clear(source: Store, target: Store) -> None:
    """Takes back what was copied; the mark last, so that whatever cannot be taken back is not used."""
    try:
        async for keys in pages(source):
            await target.ask_all([("UNLINK", key) for key in keys if key != RESTORING])
        await target.ask("DEL", RESTORING)
    except StoreUnavailable:
        return  # the mark stays, and the same restore may be done again


async def pages(source: Store) -> AsyncGenerator[list[bytes]]:
    """Every key's name, some at a time.

    Raises:
        StoreUnavailable: there is no answer.
    """
    cursor: Any = b"0"
    while True:
        cursor, keys = await source.ask("SCAN", cursor, "COUNT", KEYS_AT_ONCE)
        if keys:
            yield keys
        if cursor == b"0":
            return
