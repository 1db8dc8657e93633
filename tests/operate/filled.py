"""Stores with keys of every kind, written and read key by key."""

import asyncio

from amp.backup.restoring import Watches
from amp.store import moving
from amp.store.keyring import Keyring, pepper
from amp.store.moving import patient

SECRET = "a secret that the operator keeps, long enough"
OTHER = "another secret of the operator, also long enough"
UNWATCHED = Watches(lambda _: None, lambda _: None, lambda _: None)
KEYS = 60


def with_store(url, work):
    """What `work(store)` comes to."""

    async def done():
        store = patient(url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(done())


async def fill(store):
    """Keys of several kinds, one that ends in an hour, and one of the keyring."""
    await Keyring(store, pepper(SECRET)).create(tenant="acme", env="test", scopes=("read",), expires_ms=None)
    commands = [("HSET", f"h{number}", "f", number) for number in range(KEYS)]
    commands += [
        ("XADD", "x", "1-0", "f", "v"),
        ("ZADD", "z", 1.5, "m"),
        ("SADD", "s", "m"),
        ("RPUSH", "l", 1),
    ]
    commands += [("SET", "ends", "v", "EX", 3600), ("SET", "long", b"x" * 3_000_000)]
    await store.ask_all(commands)


async def content(store):
    """Every key as the server packs it, and when it ends."""
    keys = [key async for some in moving.pages(store) for key in some]
    told = await store.ask_all([each for key in keys for each in (("DUMP", key), ("PEXPIRETIME", key))])
    return dict(zip(keys, zip(told[::2], told[1::2], strict=True), strict=True))
