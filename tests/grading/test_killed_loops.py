"""kill -9 of the loop at every step: no event is lost or doubled, no iteration has two results."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from loops import ACME, Room, message, outcome, plan, shorts

import amp
from amp.grading import shelf_store
from amp.grading import store as session_store
from amp.grading.blobs import Blobs
from amp.grading.files import Files
from amp.grading.lanes import Lanes
from amp.grading.shelf_store import ShelfStore
from amp.grading.store import SessionStore
from amp.store.connection import connect
from amp.store.functions import Functions

SCRIPT = {
    "v": ["needs_revision"],
    "a": 0.01,
    "g": 0.01,
    "h": 30,
    "files": {"report.md": "done", "a/b.csv": "x,y"},
}
WHOLE = [
    "user.define_outcome",
    "running",
    "user.message?",
    "user.message",
    *("model_request_start", "agent.message", "model_request_end", "start#0", "end#0=needs_revision"),
    *("model_request_start", "agent.message", "model_request_end", "start#1", "end#1=max_iterations_reached"),
    *("model_request_start", "agent.message", "model_request_end"),
    "idle:end_turn",
]
WRITES = 6
"""Of the loop, in such a session."""
POINTS = [
    *(f"{when}:{number}" for number in range(1, WRITES + 1) for when in ("before", "after")),
    *(f"{role}:{number}" for number in (1, 2) for role in ("act", "grade")),
    "act:3",
]
TAKEN_OVER_WITHIN_S = 15


@contextmanager
def looping(url, data, *point):
    environ = os.environ | {"PYTHONPATH": str(Path(amp.__file__).parents[1])}
    command = [sys.executable, str(Path(__file__).with_name("mortal.py")), url, str(data), *point]
    process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
async def url(own_server):
    return own_server[0]


@pytest.fixture
async def room(url):
    store = connect(url)
    functions = Functions(store, [session_store.LIBRARY, shelf_store.LIBRARY])
    await functions.load()
    room = Room(SessionStore(store, functions))
    room.lanes = Lanes(store)
    room.shelf = ShelfStore(store, functions)
    yield room
    await room.client.aclose()
    await store.close()


async def begun(room, script=SCRIPT):
    name = await room.made(outcome(iterations=2), message(), metadata=plan(script))
    await room.lanes.open()
    await room.lanes.wake(ACME.tag, name)
    return name


def whole(events, expected=WHOLE):
    """What is wrong with a log: nothing, when every event is there once and in its order."""
    told = [each for each in shorts(events) if not each.startswith("ongoing")]
    processed = [each["id"] for each in events if each.get("processed_at")]
    times = [each["processed_at"] for each in events if each.get("processed_at")]
    wrong = [] if told == expected else [f"the order is {told}"]
    if len(set(processed)) != len(processed):
        wrong.append("an event is there twice")
    if times != sorted(set(times)):
        wrong.append("times do not increase")
    return wrong


@pytest.mark.slow
async def test_killed_at_every_step_each_session_is_what_it_would_have_been(room, url, tmp_path):
    names = {}
    with looping(url, tmp_path, "many") as mortals:
        for point in POINTS:
            name = names[point] = await begun(room)
            print(point, name, file=mortals.stdin, flush=True)
            assert await asyncio.to_thread(mortals.stdout.readline) == f"{-signal.SIGKILL}\n", point
    with looping(url, tmp_path):
        for point, name in names.items():
            events = await room.until(name, lambda events: shorts(events)[-1] == "idle:end_turn", 20)
            assert whole(events) == [], point
            state = await room.state(name)
            assert state.outcomes[0].completed_at == events[-5]["processed_at"], point
            files = await Files(room.shelf, Blobs(tmp_path / "files")).delivered(ACME, name)
            assert sorted(each["filename"] for each in files) == ["a/b.csv", "report.md"], point


@pytest.mark.slow
async def test_a_session_whose_wake_up_was_lost_is_found(room, url, tmp_path):
    name = await room.made(outcome(iterations=2), message(), metadata=plan(SCRIPT))
    with looping(url, tmp_path):
        events = await room.until(name, lambda events: shorts(events)[-1] == "idle:end_turn", 20)
    assert whole(events) == []


@pytest.mark.slow
async def test_another_loop_goes_on_within_its_time(room, url, tmp_path):
    script = SCRIPT | {"v": ["satisfied"], "g": 2.0}
    with looping(url, tmp_path, "slow") as first, looping(url, tmp_path, "slow") as second:
        names = [await begun(room, script) for _ in range(20)]
        for name in names:
            await room.until(name, lambda events: shorts(events)[-1] == "start#0")
        first.kill()
        killed_s = time.monotonic()
        for name in names:
            events = await room.until(name, lambda events: shorts(events)[-1] == "idle:end_turn", 20)
            assert whole(events, [*WHOLE[:8], "end#0=satisfied", "idle:end_turn"]) == []
        assert time.monotonic() - killed_s < TAKEN_OVER_WITHIN_S
        assert second.poll() is None


@pytest.mark.slow
async def test_a_loop_that_is_asked_to_end_gives_its_sessions_to_the_others_at_once(room, url, tmp_path):
    script = SCRIPT | {"v": ["satisfied"], "g": 1.0}
    with looping(url, tmp_path, "slow") as first:
        name = await begun(room, script)
        await room.until(name, lambda events: shorts(events)[-1] == "start#0")
        with looping(url, tmp_path, "slow"):
            first.terminate()
            first.wait(5)
            ended_s = time.monotonic()
            events = await room.until(name, lambda events: shorts(events)[-1] == "idle:end_turn", 20)
    assert whole(events, [*WHOLE[:8], "end#0=satisfied", "idle:end_turn"]) == []
    assert time.monotonic() - ended_s < 6
