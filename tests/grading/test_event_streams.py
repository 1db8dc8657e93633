"""Streams: headers at once, every event once, and a reader that is slow or gone holds nobody up."""

import asyncio
import json
from contextlib import asynccontextmanager

import anthropic
import httpx
import pytest
from session_clients import ACME
from uvicorn import Config
from uvicorn.server import ServerState

from amp.grading import session_routes
from amp.http import sse
from amp.http.protocol import HotProtocol
from amp.store.connection import connect


@pytest.fixture
def tell(client):
    """Makes something happen in a session: one event a word."""

    async def telling(name, *words):
        for each in words:
            await client.beta.sessions.update(name, title=each)

    return telling


@pytest.fixture
async def raw(wire, key):
    """A plain HTTP client, as curl would be."""
    headers = {"x-api-key": await key("sessions")}
    async with httpx.AsyncClient(base_url=wire, headers=headers) as client:
        yield client


@asynccontextmanager
async def connected(url):
    store = connect(url)
    yield store
    await store.close()


@asynccontextmanager
async def served(app):
    """A server of its own, and what stops it as uvicorn does."""
    config = Config(app, http=HotProtocol, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: HotProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )

    async def stop():
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        await asyncio.gather(*state.tasks)

    host, port = server.sockets[0].getsockname()
    yield f"http://{host}:{port}", stop
    await stop()


async def frames(answer, count):
    """The first `count` frames of a stream, comments aside, as (event, id, data)."""
    found = []
    async for block in blocks(answer):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
        if len(found) == count:
            return found
    return found


async def blocks(answer):
    text = ""
    async for part in answer.aiter_text():
        text += part
        *whole, text = text.split("\n\n")
        for block in whole:
            yield block


async def test_the_client_opens_first_and_sends_then(client, session, tell):
    made = await session()
    async with asyncio.timeout(10):
        stream = await client.beta.sessions.events.stream(made.id)
        await tell(made.id, "a", "b")
        heard = []
        async for event in stream:
            heard.append(event)
            if len(heard) == 2:
                break
        await stream.close()
    listed = [event async for event in client.beta.sessions.events.list(made.id)]
    assert heard == listed


async def test_only_what_happens_after_the_stream_is_open_is_on_it(client, session, tell):
    made = await session()
    await tell(made.id, "before")
    async with await client.beta.sessions.events.stream(made.id) as stream:
        await tell(made.id, "after")
        async for event in stream:
            assert event.title == "after"
            break


async def test_each_of_several_readers_hears_everything(client, session, tell):
    made = await session()

    async def hear():
        async with await client.beta.sessions.events.stream(made.id) as stream:
            opened.release()
            return [event.title async for event in first(5, stream)]

    opened = asyncio.Semaphore(0)
    readers = [asyncio.create_task(hear()) for _ in range(4)]
    for _ in readers:
        await opened.acquire()
    await tell(made.id, *"abcde")
    assert await asyncio.gather(*readers) == [list("abcde")] * 4


async def first(count, stream):
    async for event in stream:
        yield event
        count -= 1
        if not count:
            return


async def test_frames_are_messages_with_ids(raw, session, tell):
    made = await session()
    async with raw.stream("GET", f"/v1/sessions/{made.id}/events/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["request-id"]
        await tell(made.id, "a", "b")
        found = await frames(answer, 2)
    assert [(name, number) for name, number, _ in found] == [("message", "1"), ("message", "2")]
    assert found[0][2]["type"] == "session.updated"


async def test_last_event_id_goes_on_without_gap_or_repeat(raw, session, tell):
    made = await session()
    await tell(made.id, *"abcdef")
    path = f"/v1/sessions/{made.id}/events/stream"
    for last in (0, 2, 5, 6):
        async with raw.stream("GET", path, headers={"Last-Event-ID": str(last)}) as answer:
            await tell(made.id, f"live{last}")
            expected = int((await raw.get(f"/v1/sessions/{made.id}/events")).json()["data"].__len__())
            found = await frames(answer, expected - last)
        assert [int(number) for _, number, _ in found] == list(range(last + 1, expected + 1))


async def test_a_reader_that_comes_and_goes_hears_all_while_events_come(raw, client, session):
    """Readers leave in the middle; each goes on from the last id it had."""
    made = await session()
    total = 60

    async def write():
        for number in range(total):
            await client.beta.sessions.update(made.id, title=str(number))

    async def read():
        heard, last = [], 0
        while last < total:
            headers = {"Last-Event-ID": str(last)}
            async with raw.stream("GET", f"/v1/sessions/{made.id}/events/stream", headers=headers) as answer:
                for _, number, event in await frames(answer, min(7, total - last)):
                    heard.append((int(number), event["title"]))
                    last = int(number)
        return heard

    async with asyncio.timeout(40):
        heard, _ = await asyncio.gather(read(), write())
    assert heard == [(number + 1, str(number)) for number in range(total)]


@pytest.mark.parametrize("last", ["x", "-1", "7", "1.0", "²", "", "0" * 12 + "9" * 30])
async def test_an_id_that_is_none_is_refused(raw, session, tell, last):
    made = await session()
    await tell(made.id, "a")
    answer = await raw.get(
        f"/v1/sessions/{made.id}/events/stream", headers={"Last-Event-ID": last.encode("utf-8")}
    )
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_deltas_are_checked(client, session):
    made = await session()
    async with await client.beta.sessions.events.stream(made.id, event_deltas=["agent.message"]):
        pass
    with pytest.raises(anthropic.BadRequestError):
        await client.beta.sessions.events.stream(made.id, event_deltas=["agent.tool_use"])


async def test_a_quiet_stream_is_kept_alive(raw, session, monkeypatch):
    monkeypatch.setattr(session_routes, "PING_S", 0.05)
    made = await session()
    async with asyncio.timeout(10), raw.stream("GET", f"/v1/sessions/{made.id}/events/stream") as answer:
        assert await frames(answer, 3) == [("ping", None, {"type": "ping"})] * 3


async def test_a_stream_ends_with_the_key_that_opened_it(  # noqa: PLR0917  both ends of the wire
    wire, key, keyring, session, client, tell, monkeypatch
):
    monkeypatch.setattr(session_routes, "PING_S", 0.05)
    made, readers = await session(), await key("read")
    headers = {"x-api-key": readers}
    async with (
        asyncio.timeout(10),
        httpx.AsyncClient(base_url=wire, headers=headers) as reader,
        reader.stream("GET", f"/v1/sessions/{made.id}/events/stream") as answer,
        await client.beta.sessions.events.stream(made.id) as other,
    ):
        (record,) = [each for each in await keyring.all() if each.scopes == ("read",)]
        await keyring.revoke(record.id)
        assert {kind for kind, _, _ in await frames(answer, 10**6)} <= {"ping"}
        await tell(made.id, "after")
        async for event in other:
            assert event.title == "after"
            break


async def test_the_last_event_of_a_deleted_session_ends_its_streams(client, session):
    made = await session()
    async with asyncio.timeout(10):
        stream = await client.beta.sessions.events.stream(made.id)
        await client.beta.sessions.delete(made.id)
        assert [event.type async for event in stream] == ["session.deleted"]


async def test_a_reader_that_takes_nothing_is_dropped_and_nobody_waits_for_it(  # noqa: PLR0917  both ends of the wire
    wire, key, session, client, monkeypatch, app
):
    monkeypatch.setattr(sse, "SLOW_S", 0.5)
    made = await session()
    host, port = wire.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)  # what is over it is not read
    path = f"/v1/sessions/{made.id}/events/stream"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {await key('sessions')}\r\n\r\n".encode())
    await reader.readuntil(b": open")
    large = {"type": "text", "text": "x" * 500_000}
    began = asyncio.get_running_loop().time()
    for _ in range(12):
        await client.beta.sessions.events.send(
            made.id, events=[{"type": "user.message", "content": [large] * 10}]
        )
    assert asyncio.get_running_loop().time() - began < 30
    await forgotten(app)
    assert not writer.is_closing()  # this end is open still: it was the service that let go
    writer.close()


async def test_a_reader_that_is_gone_is_forgotten(raw, session, tell, app):
    made = await session()
    follower = app._app.dependencies["follower"].dependency()
    async with raw.stream("GET", f"/v1/sessions/{made.id}/events/stream") as answer:
        await tell(made.id, "a")
        await frames(answer, 1)
        assert len(follower._readers) == 1
    await forgotten(app)


async def forgotten(app):
    """Waits until nobody reads any session."""
    follower = app._app.dependencies["follower"].dependency()
    async with asyncio.timeout(10):
        while follower._readers:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)


async def test_head_is_answered_and_ends(raw, session):
    made = await session()
    async with asyncio.timeout(5):
        answer = await raw.head(f"/v1/sessions/{made.id}/events/stream")
    assert (answer.status_code, answer.content) == (200, b"")


class TestSeveralProcesses:
    """Streams are the same from every process on one store."""

    @pytest.fixture
    async def beside(self, serve, real_url, tmp_path):
        """Another process's service on the same store, and a client in front of it."""
        async with connected(real_url) as other:
            app = await serve(other, data=tmp_path)
            yield app, other

    async def test_what_one_takes_in_the_other_tells_at_once(self, beside, session, tell):
        app, _ = beside
        made = await session()
        follower = app._app.dependencies["follower"].dependency()
        told = follower.events(ACME, made.id, 0, quiet_s=30)
        async with asyncio.timeout(10):
            first = asyncio.create_task(anext(told))
            await asyncio.sleep(0)
            await tell(made.id, "a", "b")
            assert [(await first).event["title"], (await anext(told)).event["title"]] == ["a", "b"]
        await told.aclose()

    async def test_news_that_were_lost_are_made_up_for(self, beside, session, client):
        """The listener's connection is cut; what came meanwhile is told when it is back."""
        app, store = beside
        made = await session()
        follower = app._app.dependencies["follower"].dependency()
        told = follower.events(ACME, made.id, 0, quiet_s=30)
        waiting = asyncio.create_task(anext(told))
        await asyncio.sleep(0.05)
        await store.ask("CLIENT", "KILL", "TYPE", "pubsub")
        await client.beta.sessions.update(made.id, title="meanwhile")
        async with asyncio.timeout(10):
            assert (await waiting).event["title"] == "meanwhile"
        await told.aclose()


async def test_a_server_that_stops_ends_its_streams_at_once(app, key, session, client):
    """Its own deadline is ten seconds: no open stream may use it up."""
    made = await session()
    async with served(app) as (url, stop):
        headers = {"x-api-key": await key("sessions")}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers) as other,
            other.stream("GET", f"/v1/sessions/{made.id}/events/stream") as answer,
        ):
            await client.beta.sessions.update(made.id, title="a")
            reading = blocks(answer)
            assert "open" in await anext(reading)
            assert '"a"' in await anext(reading)
            async with asyncio.timeout(5):
                await stop()
                assert [block async for block in reading] == []
