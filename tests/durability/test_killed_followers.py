"""kill -9 of the process that folds: it comes back, and the sums that it left are exact."""

import asyncio
import time
from dataclasses import replace

import httpx
import pytest
from service import serving

from amp.errors import StoreUnavailable
from amp.ledger.cells import Cell
from amp.ledger.rollup_store import RollupStore
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.functions import Functions
from amp.store.keeper import opened
from amp.tenancy import tenant

OWNER = tenant("default", "test")
ROUNDS, A_ROUND = 4, 60


@pytest.mark.slow
def test_sums_catch_up_by_themselves_after_kills_and_count_every_record_once(tmp_path):
    data = tmp_path / "data"
    with serving(data) as service, httpx.Client(trust_env=False, timeout=3) as client:
        for number in range(ROUNDS):
            for record in range(A_ROUND):
                meter(client, service, number * A_ROUND + record)
            deadline_s = time.monotonic() + 15
            while not service.kill_niced():  # the last ones may not be back yet
                assert time.monotonic() < deadline_s, "nobody is killed: the test proves nothing"
                time.sleep(0.05)
        meter(client, service, ROUNDS * A_ROUND)
        sent = ROUNDS * A_ROUND + 1
        deadline_s = time.monotonic() + 15
        while (found := folded(data)) != sent:
            assert found < sent
            assert time.monotonic() < deadline_s, f"{found} of {sent} are in the sums"
            time.sleep(0.05)
        key = {"Authorization": f"Bearer {service.key}"}
        report = client.get(f"{service.url}/v1/ledger/report", headers=key).raise_for_status().json()
        assert report["total"]["toolEvents"] == sent


def meter(client, service, number):
    """Until it is acknowledged."""
    record = {
        "toolId": "search",
        "transactionId": f"t{number}",
        "agenticJobId": f"j{number % 40}",
        "costUsd": 1,
    }
    key = {"Authorization": f"Bearer {service.key}"}
    deadline_s = time.monotonic() + 15
    while time.monotonic() < deadline_s:
        try:
            answer = client.post(f"{service.url}/meter/v2/tool/events", json=record, headers=key)
        except httpx.TransportError:
            continue
        if answer.status_code == 201:
            return
    pytest.fail("nobody took it in")


def folded(data):
    """The tool events in the stored sums, as they are; 0 while the store does not answer."""

    async def ask(url):
        store = connect(url)
        try:
            found = await RollupStore(store, Functions(store, [])).read(OWNER, 0)
        except StoreUnavailable:
            return 0
        finally:
            await store.close()
        return found.cells.get(Cell("all", None, None), {}).get("NT", 0)

    with opened(replace(Settings(), data=data)) as complete:
        return asyncio.run(ask(complete.redis))
