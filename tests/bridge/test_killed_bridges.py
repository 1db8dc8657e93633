"""kill -9 of the bridge at every write: nothing is lost, and nothing has an effect twice."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from bridging import ACME, API, SECRET, report_job

import amp
from amp.store.connection import connect
from amp.store.keys import bridge_box, user_keys

POINTS = [f"{when}:{number}" for number in range(1, 9) for when in ("before", "after")]


@contextmanager
def bridging(url, data, *point):
    environ = os.environ | {"PYTHONPATH": str(Path(amp.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    script = str(Path(__file__).with_name("mortal_bridge.py"))
    process = subprocess.Popen([sys.executable, script, url, str(data), SECRET, *point], env=environ)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
async def store(own_server):
    store = connect(own_server[0])
    yield store
    await store.close()


async def played(client, name):
    """A decision of which the agent, two jobs and a correction speak; the second job contradicts."""
    request_id = await client.decided(name)
    assert (await client.outcome(request_id, timeToStart=2)).status_code == 200
    await report_job(client, f"{name}-1", request_id, outcomeType="CONVERTED")
    await report_job(client, f"{name}-2", request_id, outcomeType="DEFLECTED")
    body = {"outcomeType": "UNSUCCESSFUL", "reason": "came back"}
    assert (await client.patch(f"{API}/jobs/{name}-2/outcome", json=body)).status_code == 200


async def waiting(store):
    lengths = await store.ask_all([("XLEN", bridge_box(ACME, number)) for number in range(256)])
    return sum(lengths)


async def logged(store, name):
    """The user's events, oldest first, each with its signals: `r` a row that counts, `k` a contradiction."""
    record = await store.ask("GET", user_keys(ACME, name).record)
    events = await store.ask("XRANGE", user_keys(ACME, name).events, "-", "+")
    fields = [dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in events]
    own = [each for each in fields if each[b"a"] == record[:8]]
    return [(kind, each[kind.encode()][38:46]) for each in own for kind in "rk" if kind.encode() in each]


@pytest.mark.slow
async def test_killed_at_every_write_each_decision_is_taught_once(client, store, own_server, tmp_path):
    url = own_server[0]
    for point in POINTS:
        await played(client, f"user-{point.replace(':', '-')}")
        with bridging(url, tmp_path, point) as process:
            assert await asyncio.to_thread(process.wait, 30) == -signal.SIGKILL, point
    with bridging(url, tmp_path):
        for _ in range(500):
            if not await waiting(store):
                break
            await asyncio.sleep(0.02)
        assert await waiting(store) == 0
    for point in POINTS:
        name = f"user-{point.replace(':', '-')}"
        told = (await client.get(f"/v1/profile/{name}/export")).json()
        (row,) = told["interactions"]
        assert (row["completed"], row["timeToStart"]) == (True, 2), point
        assert [each["completed"] for each in told["contradictions"]] == [False], point
        # the agent's row and what the jobs made of it, in the order in which their boxes were emptied: the
        # second job's corrected word stands until the first, which was heard earlier, is carried
        events = await logged(store, name)
        assert [kind for kind, _ in events] in (["r", "r", "k"], ["r", "r", "r", "r", "k"]), point
        assert all(one != other for one, other in pairwise(events)), point


@pytest.mark.slow
async def test_another_bridge_takes_over_and_finds_what_no_hint_tells_of(client, store, own_server, tmp_path):
    url = own_server[0]
    with bridging(url, tmp_path) as first, bridging(url, tmp_path):
        await played(client, "ada")
        await _until(lambda: _completed(client, "ada"))
        first.kill()
        await played(client, "bob")
        await store.ask("DEL", b"{amp}:bridge:news")  # as when the worker that put it is killed too
        await _until(lambda: _completed(client, "bob"), within_s=15)


async def _completed(client, name):
    answer = await client.get(f"/v1/profile/{name}/export")
    return answer.status_code == 200 and answer.json()["interactions"][0]["completed"]


async def _until(sees, within_s=10.0):
    while not await sees():
        await asyncio.sleep(0.02)
        within_s -= 0.02
        assert within_s > 0
