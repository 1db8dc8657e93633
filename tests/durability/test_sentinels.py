"""Behind sentinels: the store is where they say; a failover under load loses and doubles nothing."""

import asyncio
import json
import os
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import NamedTuple

import pytest
from clients import Reporter, verdicts
from group import SECRET, group
from service import COMMAND
from test_kills import kept, more_acknowledged, together

from amp.errors import RateLimitExceeded, StoreUnavailable
from amp.http import limits
from amp.store.connection import connect
from amp.store.keyring import Keyring, pepper
from amp.tenancy import DEFAULT_SCOPES

THREADS = 4


class Served(NamedTuple):
    """Where the service answers, and a key."""

    url: str
    key: str


@pytest.fixture
def watched():
    """A primary, two replicas, three sentinels."""
    with group(2, watched=True) as made:
        yield made


async def key_at(url):
    """A key of the default scopes, on one replica before it is known here."""
    store = connect(url, ack_replicas=1)
    key, _ = await Keyring(store, pepper(SECRET)).create(
        tenant="acme", env="test", scopes=DEFAULT_SCOPES, expires_ms=None
    )
    await store.close()
    return key


@contextmanager
def serving(url, folder):
    """`amp serve` on this store, with one replica to acknowledge."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AMP_")}
    environ |= {"AMP_REDIS": url, "AMP_SECRET": SECRET, "AMP_ACK_REPLICAS": "1", "AMP_DATA": str(folder)}
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--json", "--port", "0"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            announced = process.stdout.readline()
            assert announced, (folder / "serve.log").read_text()
            yield Served(json.loads(announced)["url"], asyncio.run(key_at(url)))
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.mark.slow
def test_a_failover_under_load_loses_no_acknowledged_outcome_and_counts_none_twice(watched, tmp_path):
    with serving(watched.url, tmp_path) as served:
        reporters = [Reporter(served.url, served.key, f"client{number}") for number in range(THREADS)]
        for reporter in reporters:
            reporter.start()
        try:
            more_acknowledged(reporters, 60)
            watched.primary.kill()
            more_acknowledged(reporters, 60, within_s=20)
        finally:
            for reporter in reporters:
                reporter.ending.set()
            for reporter in reporters:
                reporter.join()
        told = together([reporter.told for reporter in reporters])
        assert told.refused == []
        assert told.retried, "no call was cut: the failover proved nothing"
        found, totals = kept(served, [*told.acknowledged, *told.unknown])
    assert verdicts(told, found, totals) == []


async def test_who_counts_and_who_listens_follows_a_failover_too(watched):
    store = connect(watched.url)
    limit = limits.RateLimit(store, 2)
    await limit.count("before", without_store=False)
    watched.primary.kill()
    heard = None
    counted = 0
    end = time.monotonic() + 20
    while counted < 2 or heard is None:
        assert time.monotonic() < end, "nobody was promoted, or nobody followed"
        with suppress(StoreUnavailable):
            heard = heard or await listening(store)
            await limit.count("after", without_store=False)
            counted += 1
        await asyncio.sleep(0.02)
    with pytest.raises(RateLimitExceeded):
        await limit.count("after", without_store=False)
    assert (await store.ask("ROLE"))[0] == b"master"
    await store.ask("PUBLISH", "news", "it stands")
    assert await anext(heard) == b"it stands"
    await heard.aclose()
    await store.close()


async def listening(store):
    """Who hears what is published from now on."""
    heard = store.listen(b"news")
    try:
        assert await anext(heard) is None
    except BaseException:
        await heard.aclose()
        raise
    return heard
