"""A job of very many records is read in parts: no reply of the store, no step of a worker is as long."""

import asyncio
import threading

import pytest
from calls import TENANT, completion, job, tool_event

from amp.ledger import grouping, traces
from amp.store.ledger_keys import job_keys

RECORDS, TOOLS, IN_A_REPLY = 4000, 400, 3000
"""HGETALL of so many would have twice as many elements, and a reply may have so few."""


@pytest.fixture
def store(real_store):
    return real_store


def record(number):
    kind, time = (tool_event, "timestamp") if number < TOOLS else (completion, "requestTime")
    own = {
        "transactionId": f"r-{number}",
        "traceId": f"trace-{number % 3}",
        "traceType": f"type-{number % 3}",
    }
    return kind(agenticJobId="large", **own, **{time: f"{4500 - number // 2}-01-01T00:00:00Z"})


@pytest.fixture
async def large(client):
    """A job whose later records tell of earlier times, the first tenth of them tools; and a small one."""
    items = [record(number) for number in range(RECORDS)]
    items += [completion(agenticJobId="small", transactionId="s", traceId="s", traceType="type-1")]
    for start in range(0, len(items), 100):
        answer = await client.post("/v1/ledger/meter/batch", json={"items": items[start : start + 100]})
        assert all("id" in each for each in answer.json()["items"])


@pytest.fixture
def longest(store, monkeypatch):
    """The most elements that a reply about the large job's table of records had."""
    name, ask_each, found = job_keys(TENANT, "large").seen, store.ask_each, [0]

    async def watched(commands):
        assert len(commands) <= 1100
        replies = await ask_each(commands)
        for command, reply in zip(commands, replies, strict=True):
            if command[0] in {"HGETALL", "HSCAN"} and command[1] == name:
                found.append(len(reply[1]) if command[0] == "HSCAN" else len(reply))
        return replies

    monkeypatch.setattr(store, "ask_each", watched)
    return lambda: max(found)


async def test_a_page_of_its_transactions_comes_in_their_order(client, large, longest):
    for page, first in ((0, TOOLS), (3, TOOLS + 3000)):
        answer = await client.get(job("large", "transactions"), params={"page": page, "size": 1000})
        told = answer.json()
        assert told["totalCount"] == RECORDS - TOOLS
        last = min(first + 1000, RECORDS)
        assert [row["transactionId"] for row in told["transactions"]] == [
            f"r-{n}" for n in range(first, last)
        ]
    assert 0 < longest() < IN_A_REPLY


async def test_a_page_of_its_timeline_comes_by_time(client, large, longest):
    async def page(number):
        answer = await client.get("/v1/ledger/jobs/large/timeline", params={"page": number, "size": 600})
        assert answer.json()["totalCount"] == RECORDS
        return [(row["timestamp"], row["transactionId"]) for row in answer.json()["timeline"]]

    rows = [row for number in range(7) for row in await page(number)]
    # of two of one time the one that came first is first
    assert [name for _, name in rows] == [f"r-{n + d}" for n in range(RECORDS - 2, -1, -2) for d in (0, 1)]
    assert [at for at, _ in rows] == sorted(at for at, _ in rows)
    assert await page(7) == []
    assert 0 < longest() < IN_A_REPLY


async def test_a_report_by_trace_works_on_it_beside_the_loop(client, large, longest, monkeypatch):
    threads = {"gather": [], "has": []}
    gather, has = grouping.gather_runs, traces.has

    def gathered(into, met, question):
        threads["gather"].append((sum(len(some) for _, some in met), threading.current_thread()))
        gather(into, met, question)

    def had(metered, trace, kind):
        threads["has"].append((len(metered), threading.current_thread()))
        return has(metered, trace, kind)

    monkeypatch.setattr(grouping, "gather_runs", gathered)
    monkeypatch.setattr(traces, "has", had)
    answer = await client.get("/v1/ledger/report", params={"by": "trace", "traceType": "type-1"})
    rows = {row["key"]["trace"]: row["transactions"] for row in answer.json()["rows"]}
    assert rows == {"trace-1": 1200, "s": 1}
    for met in threads.values():
        apart = {count: thread is not threading.main_thread() for count, thread in met}
        assert apart == {RECORDS: True, 1: False}
    assert 0 < longest() < IN_A_REPLY


async def test_records_that_come_while_it_is_read_take_nothing_away(client, large):
    async def more():
        for number in range(40):
            await client.post(
                "/v1/ledger/meter/batch",
                json={
                    "items": [
                        completion(agenticJobId="large", transactionId=f"m-{number}-{n}") for n in range(100)
                    ]
                },
            )

    writing = asyncio.create_task(more())
    while not writing.done():
        answer = await client.get(job("large", "transactions"), params={"page": 3, "size": 1000})
        assert answer.json()["totalCount"] >= RECORDS - TOOLS
        assert answer.json()["transactions"][0]["transactionId"] == "r-3400"
    await writing
