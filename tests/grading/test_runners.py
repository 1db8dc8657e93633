"""A loop beside others: what it hears, what it leaves alone, and how often it asks the store."""

import asyncio

import pytest
from loops import ACME, INTERRUPT, Room, outcome, plan, shorts

from amp.grading import runner
from amp.grading import store as session_store
from amp.grading.course import Course
from amp.grading.lanes import Lanes
from amp.grading.runner import Runner
from amp.grading.store import SessionStore
from amp.store.functions import Functions

QUICK = {"a": 0.0, "g": 0.0, "v": ["satisfied"]}
HANGS = QUICK | {"g": 30}


@pytest.fixture
async def room(real_store):
    functions = Functions(real_store, [session_store.LIBRARY])
    await functions.load()
    room = Room(SessionStore(real_store, functions))
    yield room
    await room.client.aclose()


@pytest.fixture
async def lanes(real_store):
    lanes = Lanes(real_store)
    await lanes.open()
    return lanes


@pytest.fixture
async def looping(room, lanes):
    """Starts a loop; `one` runs that session and no other."""
    begun = []

    def start(one=None):
        loop = Runner(room.place._replace(owner=f"loop {len(begun)}"), lanes)
        begun.append(asyncio.create_task(loop.run_one(ACME, one) if one else loop.run()))

    yield start
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)


def at(end):
    return lambda events: shorts(events)[-1] == end


async def next_outcome_runs(room, lanes):
    """Interrupts a grader that hangs, and asks for something else."""
    name = await room.made(outcome(), metadata=plan(HANGS, QUICK))
    await lanes.wake(ACME.tag, name)
    await room.until(name, at("start#0"))
    await asyncio.sleep(0.1)  # the grader hangs, and nobody writes
    await room.send(name, INTERRUPT, outcome("Something else"))
    await lanes.wake(ACME.tag, name)
    await room.until(name, at("idle:end_turn"), 3)
    return [each.result for each in (await room.state(name)).outcomes]


async def test_what_others_write_is_heard_without_asking(room, lanes, looping, monkeypatch):
    monkeypatch.setattr(runner, "BEAT_S", 3600)
    monkeypatch.setattr(runner, "LOOK_S", 3600)
    looping()
    assert await next_outcome_runs(room, lanes) == ["interrupted", "satisfied"]


async def test_news_that_were_lost_are_found_out_by_the_beat(room, lanes, looping, monkeypatch):
    async def deaf(self):
        yield None
        await asyncio.sleep(3600)

    monkeypatch.setattr(SessionStore, "news", deaf)
    monkeypatch.setattr(runner, "BEAT_S", 0.05)
    looping()
    assert await next_outcome_runs(room, lanes) == ["interrupted", "satisfied"]


async def test_a_call_that_was_lost_is_made_up_for(room, lanes, looping, monkeypatch):
    async def deaf(self):
        yield None
        await asyncio.sleep(3600)

    monkeypatch.setattr(Lanes, "calls", deaf)
    monkeypatch.setattr(runner, "LOOK_S", 0.05)
    looping()
    assert await next_outcome_runs(room, lanes) == ["interrupted", "satisfied"]


async def test_a_loop_for_one_session_leaves_the_others_alone(room, lanes, looping):
    other = await room.made(outcome(), metadata=plan(QUICK))
    await lanes.wake(ACME.tag, other)
    mine = await room.made(outcome(), metadata=plan(QUICK))
    looping(one=mine)
    await room.until(mine, at("idle:end_turn"))
    await asyncio.sleep(0.2)
    assert shorts(await room.events(other)) == ["user.define_outcome", "running"]
    looping()
    await room.until(other, at("idle:end_turn"))


async def test_two_loops_share_many_sessions_and_each_is_run_once(room, lanes, looping):
    looping()
    looping()
    names = [await room.made(outcome(), metadata=plan(QUICK)) for _ in range(40)]
    await asyncio.gather(*(lanes.wake(ACME.tag, name) for name in names for _ in range(2)))
    for name in names:
        events = await room.until(name, at("idle:end_turn"))
        assert shorts(events).count("end#0=satisfied") == 1


@pytest.mark.stores("valkey")  # a cluster's share of a call is not counted here
async def test_an_iteration_asks_the_store_twice_however_long_the_log_is(room, real_store, monkeypatch):
    """One write a step, nothing read back: the same in the twentieth iteration as in the second."""
    trips = 0
    ask = type(real_store).ask_each

    async def counted(self, commands):
        nonlocal trips
        trips += 1
        return await ask(self, commands)

    found = {}
    for iterations in (2, 10, 20):
        script = QUICK | {"v": ["needs_revision"] * (iterations - 1) + ["satisfied"]}
        name = await room.made(outcome(iterations=iterations), metadata=plan(script))
        trips = 0
        with monkeypatch.context() as patch:
            patch.setattr(type(real_store), "ask_each", counted)
            assert await Course(room.place, ACME, name).run() == "rest"
        found[iterations] = trips
    assert found[10] - found[2] == 2 * 8
    assert found[20] - found[10] == 2 * 10
