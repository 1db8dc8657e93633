"""The reads of the vendor's own client, unmodified, against the service on loopback."""

import asyncio
from functools import partial

import pytest
from revenium_middleware import job_history as history
from uvicorn import Config
from uvicorn.server import ServerState

from amp.http.protocol import HotProtocol


@pytest.fixture
async def url(app):
    """The service behind the protocol that `amp serve` uses, on a port of its own."""
    config = Config(app, http=HotProtocol, lifespan="off", proxy_headers=False, log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: HotProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    host, port = server.sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.close()
    for connection in list(state.connections):
        connection.shutdown()
    await asyncio.gather(*state.tasks)
    await server.wait_closed()


@pytest.fixture
async def ask(url, keyring):
    """Calls one of the client's reads in a thread of its own."""
    key, _ = await keyring.create(
        tenant="acme", env="test", scopes=("ledger",), expires_ms=None, spelled="rev"
    )

    async def call(read, *arguments, **named):
        named |= {"api_key": key, "profitstream_base_url": url}
        return await asyncio.to_thread(partial(read, *arguments, **named))

    return call


@pytest.fixture
async def reported(url, caller):
    """Three jobs, by plain HTTP: two sales, one converted, and one that waits."""
    client = await caller("all")
    for job, cost in (("a b/c", 2.5), ("s1", 2.5), ("p1", 1)):
        made = {"agenticJobId": job, "name": job, "type": "Sales", "environment": "prod"}
        assert (await client.post("/profitstream/v2/api/jobs", json=made)).status_code == 201
        if job != "a b/c":  # metering takes plain ids only
            body = {"provider": "o", "model": "m", "inputTokenCount": 3, "outputTokenCount": 4}
            body |= {"totalCost": cost, "agenticJobId": job}
            assert (await client.post("/meter/v2/ai/completions", json=body)).status_code == 201
    outcome = {"executionStatus": "SUCCESS", "outcomeType": "CONVERTED", "outcomeValue": 500}
    for job in ("s1", "a%20b%2Fc"):
        answer = await client.post(f"/profitstream/v2/api/jobs/{job}/outcome", json=outcome)
        assert answer.status_code == 200, answer.text
    return client


async def test_the_client_lists_filters_and_pages(ask, reported):
    everything = await ask(history.list_jobs)
    assert (everything["page"]["totalElements"], len(everything["content"])) == (3, 3)
    page = await ask(history.list_jobs, page=1, size=2)
    assert (page["page"]["number"], page["page"]["totalPages"], len(page["content"])) == (1, 2, 1)
    waiting = await ask(history.list_jobs, job_type="sales", outcome_type="PENDING", environment="prod")
    assert [each["agenticJobId"] for each in waiting["content"]] == ["p1"]
    empty = await ask(history.list_jobs, end_date="2001-01-01T00:00:00+00:00")
    assert (empty["content"], empty["page"]["totalElements"]) == ([], 0)


async def test_the_client_reads_roi_transactions_and_types(ask, reported):
    roi = await ask(history.get_job_roi, "s1")
    assert (roi["roi"], roi["totalCost"], roi["outcomeValue"], roi["totalTokens"]) == (19_900, 2.5, 500, 7)
    odd = await ask(history.get_job_roi, "a b/c")
    assert (odd["agenticJobId"], odd["roi"], odd["totalCost"]) == ("a b/c", None, 0)
    told = await ask(history.get_job_transactions, "s1")
    assert (told["totalCount"], told["transactions"][0]["cost"]) == (1, 2.5)
    assert await ask(history.get_job_types) == ["sales"]


async def test_the_client_reads_the_funnel(ask, reported):
    funnel = await ask(history.get_conversion_funnel, job_type="SALES")
    assert funnel == {
        "totalJobs": 3,
        "successfulJobs": 2,
        "convertedJobs": 2,
        "successRate": 2 / 3,
        "conversionRate": 1.0,
    }
    none = await ask(history.get_conversion_funnel, start_date="2999-01-01")
    assert (none["totalJobs"], none["successRate"]) == (0, None)
