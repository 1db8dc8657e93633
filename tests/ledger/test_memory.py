"""What a metered record takes in the store, all in: entry, chain, dedupe, and its share of the job."""

import asyncio
import uuid

import pytest
from calls import COMPLETIONS, TOOL_EVENTS, completion, tool_event

BYTES_A_RECORD_MAX = 450
JOBS = 1200


@pytest.fixture
def store(real_store):
    return real_store


def records(number):
    """A job of the sales example: three completions and three tools, with all the names that one may send."""
    common = {
        "agenticJobId": f"sales-{number:08d}",
        "agenticJobName": "Sales outreach",
        "agenticJobType": "sales_outreach",
        "agenticJobVersion": "1.0",
        "environment": "production",
        "agent": "sdr-agent",
        "traceId": str(uuid.UUID(int=number)),
        "traceType": "sales-run",
        "squadId": "sales-squad",
    }
    for step, (tool, cost) in enumerate((("zoominfo", 1.0), ("apollo", 0.5), ("human_escalation", 2.0))):
        own = {"transactionId": str(uuid.UUID(int=number << 8 | step)), "toolId": tool, "costUsd": cost}
        yield (
            TOOL_EVENTS,
            tool_event(**common, operation="lookup", usageMetadata={"records": 1}, **own) | common,
        )
        own = {"transactionId": str(uuid.UUID(int=number << 8 | 16 | step)), "totalCost": 0.0014}
        yield COMPLETIONS, completion(**own) | common | {"operationType": "CHAT", "taskType": "qualify"}


async def test_a_metered_record_takes_no_more_than_it_may(client, store):
    async def work(number):
        for path, body in records(number):
            key = {"Idempotency-Key": body["transactionId"]}
            assert (await client.post(path, json=body, headers=key)).status_code == 201

    for start in range(0, JOBS, 60):
        await asyncio.gather(*map(work, range(start, start + 60)))
    keys = await store.ask("KEYS", "*:l:*")
    sizes = await store.ask_all([("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys])
    assert sum(sizes) / (6 * JOBS) <= BYTES_A_RECORD_MAX
