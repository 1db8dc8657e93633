"""What is published is heard; a listener that lost its store says so, and one that is stopped stops."""

import asyncio

import pytest

from amp.errors import StoreUnavailable
from amp.store import ear
from amp.store.connection import connect


@pytest.mark.cluster
async def test_what_is_published_is_heard_in_order(any_store):
    heard = any_store.listen(b"news")
    assert await anext(heard) is None
    for word in (b"a", b"b", b"c"):
        await any_store.ask("PUBLISH", b"news", word)
        await any_store.ask("PUBLISH", b"other", b"x")
    assert [await anext(heard) for _ in range(3)] == [b"a", b"b", b"c"]
    await heard.aclose()


@pytest.mark.cluster
async def test_a_listener_can_be_stopped_at_any_time(any_store):
    async def listen():
        async for _ in any_store.listen(b"news"):
            pass

    for turns in range(12):
        task = asyncio.create_task(listen())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_a_quiet_store_that_is_there_is_not_given_up(real_store, monkeypatch):
    monkeypatch.setattr(ear, "LISTEN_S", 0.02)
    heard = real_store.listen(b"news")
    assert await anext(heard) is None
    waiting = asyncio.create_task(anext(heard))
    await asyncio.wait([waiting], timeout=0.3)
    await real_store.ask("PUBLISH", b"news", b"at last")
    assert await waiting == b"at last"
    await heard.aclose()


async def test_a_store_that_ends_or_is_not_there_is_found_out(own_server):
    url, process = own_server
    store = connect(url)
    heard = store.listen(b"news")
    assert await anext(heard) is None
    process.kill()
    with pytest.raises(StoreUnavailable):
        await anext(heard)
    with pytest.raises(StoreUnavailable):
        await anext(store.listen(b"news"))
    await store.close()
