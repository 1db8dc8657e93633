"""The limit of a key: exact over workers, and told as the contract says."""

import asyncio
import re
import time

import pytest
from envelopes import refused

pytestmark = pytest.mark.cluster


@pytest.fixture
def store(real_store):
    return real_store


@pytest.fixture(autouse=True)
def _time_to_count(monkeypatch):
    """A busy machine may take longer than a context waits for its count, and then lets it in uncounted."""
    monkeypatch.setattr("amp.http.limits.COUNT_OR_PASS_WITHIN_S", 30.0)
    monkeypatch.setattr("amp.http.limits.COUNT_WITHIN_S", 30.0)


async def test_exactly_the_limit_passes_over_two_workers_at_once(serve, caller):
    first = await caller(on=await serve(rate_limit=10))
    second = type(first)(await serve(rate_limit=10), None)
    second.headers = first.headers
    answers = await asyncio.gather(*(way.context() for way in (first, second) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 30


async def test_a_refusal_says_when_to_come_again(serve, caller):
    client = await caller(on=await serve(rate_limit=1))
    await client.context()
    for answer in (await client.context(), await client.get("/v1/profile/ada"), await client.outcome("x")):
        details = refused(answer, 429, "RATE_LIMIT_EXCEEDED")
        assert set(details) == {"limit", "window", "retryAfter"}
        assert (details["limit"], details["window"]) == (1, 60)
        assert 1 <= details["retryAfter"] <= 60
        assert answer.headers["Retry-After"] == str(details["retryAfter"])


async def test_only_contexts_that_are_answered_count_as_decided(serve, caller, client):
    async def decided():
        text = (await client.get("/metrics")).text
        return sum(map(float, re.findall(r"^amp_contexts_total\{.*\} (.+)$", text, re.MULTILINE)))

    limited = await caller(on=await serve(rate_limit=3))
    before = await decided()
    answers = [await limited.context() for _ in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 5
    assert await decided() == before + 3
    await client.post("/v1/context/batch", json={"items": [{"userId": "ada", "task": "x"}] * 2})
    assert await decided() == before + 5


async def test_each_key_has_a_limit_of_its_own(serve, caller):
    app = await serve(rate_limit=1)
    for client in (await caller(on=app), await caller(on=app)):
        assert (await client.context()).status_code == 200
        assert (await client.context()).status_code == 429


async def test_who_is_refused_for_another_reason_is_not_counted(serve, caller):
    client = await caller("context", on=await serve(rate_limit=1))
    for _ in range(3):
        refused(await client.get("/v1/profile/ada"), 403, "FORBIDDEN")
    assert (await client.context()).status_code == 200


async def test_no_limit_is_the_default(client):
    answers = [await client.context() for _ in range(150)]
    assert {answer.status_code for answer in answers} == {200}


async def test_when_nobody_can_count_a_context_is_let_in_and_the_rest_must_wait(serve, caller, outage):
    client = await caller(on=await serve(rate_limit=1))
    assert (await client.context()).status_code == 200
    with outage():
        for _ in range(3):
            assert (await client.context()).status_code == 200
        refused(await client.get("/v1/profile/ada"), 503, "STORE_UNAVAILABLE")


@pytest.mark.parametrize("path", ["/profitstream/v2/api/teams", "/meter/v2/ai/completions"])
async def test_the_ledgers_answers_say_what_is_left(serve, caller, path):
    client = await caller("all", on=await serve(rate_limit=2))

    async def asked():
        if path.endswith("teams"):
            answer = await client.get(path)
        else:
            answer = await client.post(path, json={})  # refused, and counted
        told = [int(answer.headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset")]
        return answer, told

    began_s = time.time()
    found = [await asked() for _ in range(3)]
    assert [told[:2] for _, told in found] == [[2, 1], [2, 0], [2, 0]]
    assert {answer.status_code for answer, _ in found[:2]} <= {200, 400}
    refusal = found[2][0]
    assert (refusal.status_code, refusal.json()["status"]) == (429, 429)
    assert 1 <= int(refusal.headers["Retry-After"]) <= 60
    assert all(began_s + 58 <= told[2] <= time.time() + 62 for _, told in found)


async def test_without_a_limit_nothing_is_said_of_it(caller, client):
    client = await caller("all")
    answer = await client.get("/profitstream/v2/api/teams")
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
