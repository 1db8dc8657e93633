"""Pages are drawn by another process than the one that is asked, and nobody can tell from the answer."""

import asyncio
import json

import httpx
import pytest
import pytest_asyncio
from site_of import Site, csrf_in, listening
from uvicorn import Config
from uvicorn.server import ServerState

from amp.app import Upstairs, create
from amp.dashboard import beside
from amp.dashboard.beside import prepare
from amp.http.elsewhere import Behind, Elsewhere
from amp.http.protocol import HotProtocol
from amp.settings import Settings
from amp.store.connection import connect

SECRET = "a secret of the tests, long enough for keys"


async def nothing():
    """Is prepared."""


@pytest_asyncio.fixture(loop_scope="session")
async def socket(tmp_path_factory):
    return str(tmp_path_factory.mktemp("s") / "pages")


@pytest_asyncio.fixture(loop_scope="session")
async def drawn(site, socket):
    """The service with its dashboard, behind a socket."""
    config = Config(Behind(site.app, nothing), http=HotProtocol, lifespan="off", log_config=None)
    config.date_header = False
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_unix_server(
        lambda: HotProtocol(config=config, server_state=state, app_state={}), socket
    )
    yield state
    server.close()
    for connection in list(state.connections):
        connection.shutdown()
    await asyncio.gather(*state.tasks)
    await server.wait_closed()


@pytest_asyncio.fixture(loop_scope="session")
async def worker(site, socket, running, tmp_path, _servers):
    """A worker that has no pages of its own."""

    def build(_):
        return Upstairs(before=lambda app: Elsewhere(app, socket, start_s=0.2))

    url = _servers("valkey")
    app = create(Settings(secret=SECRET, data=tmp_path / "worker", redis=url), connect(url), build)
    async with running(app), listening(app) as at:
        made = Site(at, app, site.store, SECRET)
        yield made
        await made.close()


async def test_a_page_is_the_same_as_from_who_draws_it(site, drawn, worker):
    key = await site.key()
    here, there = await worker.signed_in(key=key), await site.signed_in(key=key)
    for path in ("/graded", "/users?search=a%20b%26c", "/static/amp.css", "/roi/jobs.csv"):
        one, other = await here.get(path), await there.get(path)
        assert one.status_code == other.status_code == 200
        tokens = [csrf_in(each.text) if "csrf" in each.text else "" for each in (one, other)]
        assert one.text.replace(tokens[0], "") == other.text.replace(tokens[1], "")
        told = [{name.lower() for name, _ in each.headers.raw} for each in (one, other)]
        assert told[0] == told[1]
        assert len(one.headers.get_list("x-request-id")) == 1


async def test_a_page_does_not_wait_until_all_sums_are_read(monkeypatch, site, running, tmp_path):
    """After a process of the pages was killed, who asks waits for one that has only begun to prepare."""
    begun = asyncio.Event()

    async def preparing(_):
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setenv("AMP_SECRET", SECRET)
    monkeypatch.setenv("AMP_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AMP_REDIS", site.house.settings.redis)
    monkeypatch.setattr(beside, "prepare", preparing)
    monkeypatch.setattr("os.nice", lambda _: 0)
    app = beside.drawing()
    async with running(app), asyncio.timeout(10):
        await begun.wait()
    for task in beside._background:
        assert task.cancel()
    beside._background.clear()


async def test_programs_are_answered_here(site, drawn, worker):
    api = await worker.api()
    assert (await api.get("/v1/insights/state")).status_code == 200
    assert drawn.total_requests == 0
    answer = await api.get("/v1/nothing", headers={"Accept": "text/html"})
    assert answer.json()["error"]["code"] == "NOT_FOUND"
    assert drawn.total_requests == 0


async def test_forms_go_there_and_come_back(site, drawn, worker):
    client = await worker.signed_in()
    token = csrf_in((await client.get("/graded")).text)
    answer = await client.post("/theme", data={"csrf": token, "theme": "dark", "back": "/roi"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/roi")
    assert client.cookies["amp_theme"] == "dark"
    assert (await client.post("/theme", content=b"x" * 3_000_000)).status_code in {403, 413}


async def test_a_refusal_names_the_request_as_its_header_does(site, drawn, worker):
    answer = await (await worker.signed_in()).get("/roi/jobs/nobody")
    assert answer.status_code == 404
    assert answer.headers["x-request-id"] in answer.text


async def test_head_has_no_body_even_of_what_never_ends(site, drawn, worker):
    client = await worker.signed_in()
    for path in ("/graded", "/live"):
        answer = await client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


async def test_news_come_through_and_nobody_listens_on_when_the_reader_has_gone(site, drawn, worker):
    client = await worker.signed_in()
    async with client.stream("GET", "/live") as stream:
        lines = stream.aiter_lines()
        async for line in lines:
            if line.startswith("data: "):
                break
        topics = {"learning", "deciding", "ledger", "grading", "verifying"}
        assert set(json.loads(line.removeprefix("data: "))) == topics
        (listening_to,) = drawn.tasks
    await asyncio.wait_for(listening_to, 5)


async def test_failed_attempts_are_counted_by_the_address_of_who_tries(site, drawn, worker):
    here, there = worker.stranger(), site.stranger()
    for _ in range(10):
        assert (await here.post("/sign-in", data={"key": "wrong"})).status_code == 401
    for client in (here, there):
        assert (await client.post("/sign-in", data={"key": "wrong"})).status_code == 429


@pytest.mark.parametrize("ended", ["never began", "in the middle"])
async def test_without_the_other_process_a_page_says_so_and_the_api_answers(worker, socket, ended):
    if ended == "in the middle":

        async def cut(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        server = await asyncio.start_unix_server(cut, socket)
    answer = await worker.stranger().get("/graded")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert "reload" in answer.text
    assert (await (await worker.api()).get("/v1/insights/state")).status_code == 200
    if ended == "in the middle":
        server.close()


async def test_half_a_page_does_not_look_like_a_whole_one(worker, socket):
    async def cut(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(cut, socket)
    with pytest.raises(httpx.RemoteProtocolError):
        await worker.stranger().get("/graded")
    server.close()


async def test_who_only_draws_pages_is_no_worker_and_has_read_what_pages_need(site):
    await site.worked(await site.api())
    house = site.house
    await prepare(house)
    owner = (await house.keys.standing(house.keys.digest((await site.key()).encode()))).tenant
    assert (await house.room.state.of(owner)).workers == 1
    house.room.attendance.announces = False
    house.room.attendance._due_s = 0.0
    await house.room.attendance.once()
    assert house.room.attendance._due_s == 0.0, "nothing was said"
