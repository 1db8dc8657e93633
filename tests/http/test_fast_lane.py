"""The three ways of a hot call answer alike: Litestar's own route, the fast lane, and uvicorn's protocol."""

import re

import httpx
import pytest

from amp.http.lane import Lane
from amp.learning.service import Learning

CONTEXT = b'{"userId":"ada","task":"x","taskType":"coding","complexity":"low"}'
CASES = {
    "a context": ("/v1/context", CONTEXT),
    "no body": ("/v1/context", b""),
    "no JSON": ("/v1/outcome", b"{"),
    "a bad user": ("/v1/context", b'{"userId":"","task":"x"}'),
    "a missing field": ("/v1/outcome", b'{"started":true}'),
    "a wrong type": ("/v1/outcome", b'{"requestId":"x","started":"yes"}'),
    "a deep body": ("/v1/context", b'{"metadata":' + b"[" * 30_000),
    "too large a body": ("/v1/context", b" " * 70_000),
    "an unknown id": ("/v1/outcome", b'{"requestId":"req_x","started":true}'),
}


@pytest.fixture
async def ways(client, app, wire):
    """The same service and key by Litestar (an empty lane in front), by the lane, and by the protocol."""
    litestar = type(client)(Lane(app._app, app._gate, {}), None)
    async with httpx.AsyncClient(base_url=wire) as protocol:
        litestar.headers = protocol.headers = client.headers
        yield litestar, client, protocol


@pytest.fixture
def _one_nonce(monkeypatch):
    monkeypatch.setitem(Learning.__init__.__kwdefaults__, "random", bytes)


def told(answer):
    """Status, headers and body, without what is another at every request."""
    passing = {"x-request-id", "date", "server"}
    headers = {name: value for name, value in answer.headers.items() if name not in passing}
    body = re.sub(r"http_[0-9a-f]+_[0-9a-f]+|req_[\w-]+|\d{4}-[\d:.T-]+Z", "...", answer.text)
    if answer.is_error:
        del headers["content-length"]  # the request's own number may have another digit
    return answer.status_code, headers, body


async def alike(ways, path, **sent):
    """Asserts that every way answers the same; the answer."""
    litestar, lane, protocol = [told(await way.post(path, **sent)) for way in ways]
    assert litestar == lane == protocol
    return lane


@pytest.mark.usefixtures("_one_nonce")
@pytest.mark.parametrize(("path", "body"), CASES.values(), ids=CASES.keys())
async def test_every_way_gives_the_same_answer(ways, path, body):
    await alike(ways, path, content=body)


async def test_a_report_and_what_follows_it_look_the_same(client, ways):
    stories = []
    for way in ways:
        report = {"requestId": await client.decided(), "started": True}
        sent = (report, report, report | {"completed": True})
        stories.append([told(await way.post("/v1/outcome", json=body)) for body in sent])
    assert stories[0] == stories[1] == stories[2]
    assert [status for status, _, _ in stories[0]] == [200, 200, 409]


@pytest.mark.parametrize("path", ["/v1/context", "/v1/outcome"])
async def test_keys_are_judged_the_same(ways, caller, path):
    forbidden = (await caller("read")).headers["Authorization"]
    for authorization, status in {"": 401, "Bearer x": 401, forbidden: 403}.items():
        answer = await alike(ways, path, headers={"Authorization": authorization})
        assert answer[0] == status


@pytest.mark.usefixtures("_one_nonce")
async def test_a_store_that_is_away_looks_the_same(client, ways, outage):
    request_id = await client.decided()
    with outage():
        assert (await alike(ways, "/v1/context", content=CONTEXT))[0] == 200
        answer = await alike(ways, "/v1/outcome", json={"requestId": request_id, "started": True})
        assert answer[0] == 503
