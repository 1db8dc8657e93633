"""A store that is down or slow: contexts go on, the rest is asked to come again, nothing is restarted."""

import asyncio
import signal
from contextlib import contextmanager
from time import perf_counter

import pytest
from envelopes import refused

from amp.store.connection import connect

OTHERS = [
    ("GET", "/v1/profile/ada"),
    ("PUT", "/v1/profile/ada"),
    ("DELETE", "/v1/profile/ada"),
    ("GET", "/v1/profile/ada/export"),
    ("GET", "/v1/profile/ada/posterior"),
]


async def timed(call):
    """The answer and the seconds it took."""
    began = perf_counter()
    answer = await call
    return answer, perf_counter() - began


def unavailable(answer):
    refused(answer, 503, "STORE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_every_other_call_is_asked_to_come_again(client, outage):
    with outage():
        for verb, path in OTHERS:
            unavailable(await client.request(verb, path, json={} if verb == "PUT" else None))


async def test_a_batch_says_it_item_by_item(client, outage):
    request_id = await client.decided()
    with outage():
        body = {"items": [{"userId": "ada", "task": "x"}]}
        (item,) = (await client.post("/v1/context/batch", json=body)).json()["items"]
        assert item["metadata"]["degraded"] is True
        body = {"items": [{"requestId": request_id, "started": True}]}
        (item,) = (await client.post("/v1/outcome/batch", json=body)).json()["items"]
        assert item["error"]["code"] == "STORE_UNAVAILABLE"


async def test_a_degraded_answer_is_whole(client, outage):
    await client.interact("ada", times=6, completed=True)
    with outage():
        body = (await client.context("ada")).json()
    assert body["requestId"].startswith("req_")
    assert body["rationale"]
    assert body["metadata"]["profilePhase"] == "cold_start"
    assert body["metadata"]["userWeight"] == 0
    assert "degraded" not in (await client.context("ada")).json()["metadata"]


async def test_what_is_bad_is_refused_with_or_without_a_store(client, outage):
    with outage():
        refused(await client.context(""), 400, "INVALID_USER_ID", field="userId")
        refused(await client.outcome("req_x"), 404, "INVALID_REQUEST_ID")


async def test_a_key_that_is_known_stays_good_and_no_other_can_be_judged(client, caller, outage):
    await client.context()
    unknown = await caller()
    with outage():
        assert (await client.context()).status_code == 200
        unavailable(await unknown.context())
    assert (await unknown.context()).status_code == 200


async def test_a_service_that_starts_without_a_store_says_so_and_lives(serve, client):
    client = type(client)(await serve(on=connect("unix:///nowhere/store.sock")), "amp_sk_test_x")
    for answer in (
        await client.context(),
        await client.outcome("req_x"),
        await client.get("/v1/profile/ada"),
    ):
        unavailable(answer)
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).status_code == 503


async def test_functions_that_the_store_has_lost_are_loaded_again(client, store):
    await store.ask_all([("FUNCTION", "FLUSH")])
    await client.interact()
    assert (await client.put("/v1/profile/ada", json={})).json()["totalInteractions"] == 1


class TestAStoreThatHangs:
    """Connected, and silent: a process that is stopped."""

    @pytest.fixture
    def store(self, own_server):
        return connect(own_server[0])

    @pytest.fixture
    def silence(self, own_server):
        @contextmanager
        def stopped():
            own_server[1].send_signal(signal.SIGSTOP)
            try:
                yield
            finally:
                own_server[1].send_signal(signal.SIGCONT)

        return stopped

    @pytest.mark.parametrize("rate_limit", [0, 1000])
    async def test_a_context_takes_less_than_100_ms(self, serve, caller, silence, own_server, rate_limit):
        client = await caller(on=await serve(rate_limit=rate_limit, redis=own_server[0]))
        await client.context()
        with silence():
            tries = [await timed(client.context()) for _ in range(5)]
        assert all(answer.json()["metadata"]["degraded"] for answer, _ in tries)
        seconds = sorted(taken for _, taken in tries)
        assert seconds[0] < 0.1
        assert seconds[-1] < 0.25  # the rest is room for a busy machine

    async def test_calls_that_must_dial_first_are_refused_together(self, client, caller, silence):
        """With keys the worker has not met too: each of those asks the store twice."""
        request_ids = [await client.decided() for _ in range(10)]
        strangers = [await caller() for _ in range(10)]
        with silence():
            await client.get("/v1/profile/ada")  # the line is lost
            calls = [client.get("/v1/profile/ada") for _ in range(10)]
            calls += [way.outcome(name) for way, name in zip(strangers, request_ids, strict=True)]
            answers = await asyncio.gather(*map(timed, calls))
        for answer, seconds in answers:
            unavailable(answer)
            assert seconds < 1.4  # 1.0; the rest is room for a busy machine
        assert (await strangers[0].outcome(request_ids[0])).status_code == 200

    async def test_an_outcome_is_refused_within_1500_ms_and_taken_when_the_store_is_back(
        self, client, silence
    ):
        request_id = await client.decided()
        await client.interact()
        with silence():
            (answer, seconds), *rest = await asyncio.gather(
                timed(client.outcome(request_id)),
                *(timed(client.request(verb, path)) for verb, path in OTHERS if verb == "GET"),
            )
        unavailable(answer)
        assert seconds < 1.5
        for other, _ in rest:
            unavailable(other)

        assert (await client.outcome(request_id)).status_code == 200
        assert (await client.get("/v1/profile/ada")).json()["totalInteractions"] == 2
        assert "degraded" not in (await client.context()).json()["metadata"]
