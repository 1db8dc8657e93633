"""One atomic write a step: what is refused changes nothing, and nobody writes on what he has not read."""

import asyncio

import msgspec
import pytest
from session_clients import ACME

from amp.grading.store import Fenced, Gone, Stale
from amp.grading.types import Change, Definition, Outcome, State
from amp.tenancy import tenant

pytestmark = pytest.mark.cluster


async def step(sessions, pen, session, *kinds, token="t1", fence=None, **state):
    writing = pen(session)
    events = [writing.event(kind) for kind in kinds]
    changed = msgspec.structs.replace(session.state, at_us=writing.at_us, **state)
    return await sessions.commit(
        ACME, session.head.id, session.version, Change(changed, events), token, fence=fence
    )


async def logged(sessions, name="sesn_1"):
    return [(one.seq, one.event["type"]) for one in await sessions.events(ACME, name)]


async def test_a_session_is_read_as_it_was_made(sessions, made):
    session = await made("sesn_1", "user.message", "session.status_running", status="running")
    assert (session.version, session.seq, session.state.status) == (1, 2, "running")
    assert session.head.agent["name"] == "writer"
    assert await logged(sessions) == [(1, "user.message"), (2, "session.status_running")]
    assert await sessions.running(["other:test", "acme:test"]) == [("acme:test", "sesn_1")]
    assert await sessions.tenants() == ["acme:test"]


async def test_there_is_no_session_of_another_tenant(sessions, made):
    await made()
    for other in (tenant("acme", "live"), tenant("other", "test")):
        with pytest.raises(Gone):
            await sessions.load(other, "sesn_1")
        assert await sessions.events(other, "sesn_1") == []


async def test_times_of_a_session_strictly_increase_even_when_the_clock_stands(sessions, made, pen):
    session = await made("sesn_1", "a", "b")
    await step(sessions, pen, session, "c")
    times = [one.event["processed_at"] for one in await sessions.events(ACME, "sesn_1")]
    assert times == sorted(set(times))


async def test_a_step_that_was_thought_on_an_older_reading_writes_nothing(sessions, made, pen):
    session = await made()
    await step(sessions, pen, session, "first")
    with pytest.raises(Stale):
        await step(sessions, pen, session, "second", token="t2", status="running")
    assert await logged(sessions) == [(1, "first")]
    assert (await sessions.load(ACME, "sesn_1")).state.status == "idle"


async def test_the_same_step_may_be_sent_again(sessions, made, pen):
    session = await made()
    assert await step(sessions, pen, session, "once") == await step(sessions, pen, session, "once")
    assert await logged(sessions) == [(1, "once")]


async def test_of_many_at_once_each_is_written_once(sessions, made, pen):
    await made()

    async def until_written(number):
        while True:
            try:
                return await step(
                    sessions, pen, await sessions.load(ACME, "sesn_1"), f"e{number}", token=f"t{number}"
                )
            except Stale:
                await asyncio.sleep(0)

    await asyncio.gather(*map(until_written, range(20)))
    log = await logged(sessions)
    assert [seq for seq, _ in log] == list(range(1, 21))
    assert {kind for _, kind in log} == {f"e{number}" for number in range(20)}


async def test_a_lease_is_one_owner_s_and_fences_off_the_one_before(sessions, made, pen):
    await made()
    first = await sessions.lease(ACME, "sesn_1", "a", 60_000)
    assert await sessions.lease(ACME, "sesn_1", "b", 60_000) is None
    assert await sessions.renew([(ACME, "sesn_1", first.fence), (ACME, "sesn_2", 1)], 60_000) == [1, 0]
    await sessions.release(ACME, "sesn_1", first.fence)
    second = await sessions.lease(ACME, "sesn_1", "b", 60_000)
    assert second.fence > first.fence
    with pytest.raises(Fenced):
        await step(sessions, pen, first.session, "late", fence=first.fence)
    assert await sessions.renew([(ACME, "sesn_1", first.fence)], 60_000) == [0]
    await step(sessions, pen, second.session, "in time", fence=second.fence)
    assert await logged(sessions) == [(1, "in time")]


async def test_an_owner_that_asks_again_gets_a_new_fence(sessions, made):
    await made()
    first = await sessions.lease(ACME, "sesn_1", "a", 60_000)
    again = await sessions.lease(ACME, "sesn_1", "a", 60_000)
    assert again.fence == first.fence + 1


async def test_an_input_that_waits_is_marked_until_it_is_processed(sessions, made, pen):
    session = await made(status="running")
    writing = pen(session)
    event, waiting = writing.waiting("user.message", content=[{"type": "text", "text": "hurry"}])
    await sessions.commit(ACME, "sesn_1", 1, Change(State("running", waiting=[waiting]), [event]), "t1")
    session = await sessions.load(ACME, "sesn_1")
    (found,) = await sessions.at(ACME, "sesn_1", [each.seq for each in session.state.waiting])
    assert (found.waits, found.event) == (True, event)
    writing = pen(session)
    done = writing.processed(found.event)
    await sessions.commit(ACME, "sesn_1", 2, Change(State("running", at_us=writing.at_us), [done]), "t2")
    log = await sessions.events(ACME, "sesn_1")
    assert [(one.waits, one.event["id"]) for one in log] == [(True, event["id"]), (False, event["id"])]
    assert log[1].event["processed_at"]


async def test_a_definition_is_kept_beside_the_state(sessions, made):
    await made()
    asked = Definition("outc_1", "Write it", "- it is written")
    state = State("running", outcomes=[Outcome("outc_1")])
    await sessions.commit(ACME, "sesn_1", 1, Change(state, definitions=[asked]), "t1")
    assert await sessions.definition(ACME, "sesn_1", "outc_1") == asked
    assert await sessions.descriptions(ACME, [("sesn_1", "outc_1")]) == ["Write it"]
    assert (await sessions.load(ACME, "sesn_1")).state.active().outcome_id == "outc_1"
    with pytest.raises(Gone):
        await sessions.definition(ACME, "sesn_1", "outc_2")


async def test_what_is_deleted_is_gone_but_for_its_last_event(sessions, made, pen):
    session = await made(status="running")
    await sessions.delete(ACME, "sesn_1", session.version, pen(session).event("session.deleted"))
    with pytest.raises(Gone):
        await sessions.load(ACME, "sesn_1")
    with pytest.raises(Gone):
        await step(sessions, pen, session, "late")
    with pytest.raises(Gone):
        await sessions.lease(ACME, "sesn_1", "a", 1000)
    assert await logged(sessions) == [(1, "session.deleted")]
    assert await sessions.running(["acme:test"]) == []
    assert await sessions.made(ACME, low_us=0, high_us=10**16, newest_first=True, count=9) == []


async def test_sessions_are_found_by_the_time_they_were_made(sessions, made):
    for number in range(1, 6):
        await made(f"sesn_{number}", at_us=number)
    found = await sessions.made(ACME, low_us=2, high_us=4, newest_first=True, count=9)
    assert [name for _, name in found] == ["sesn_4", "sesn_3", "sesn_2"]
    found = await sessions.made(ACME, low_us=2, high_us=9, newest_first=False, count=9)
    assert [at_us for at_us, _ in found] == [2, 3, 4, 5]


async def test_pages_of_events_from_both_ends(sessions, made):
    await made("sesn_1", *"abcde")
    assert [one.seq for one in await sessions.events(ACME, "sesn_1", after=3)] == [4, 5]
    assert [one.seq for one in await sessions.events_before(ACME, "sesn_1", count=2)] == [5, 4]
    assert [one.seq for one in await sessions.events_before(ACME, "sesn_1", before=3)] == [2, 1]
    assert await sessions.events_before(ACME, "sesn_1", before=1) == []


async def test_a_wake_up_is_one_consumer_s_until_it_stops_keeping_it(lanes):
    await lanes.open()
    await lanes.open()
    await lanes.wake("acme:test", "sesn_1")
    (wake,) = await lanes.take("a", 10)
    assert (wake.tag, wake.session) == ("acme:test", "sesn_1")
    assert await lanes.take("b", 10) == []
    await lanes.keep("a", [wake])
    assert await lanes.take_over("b", 60_000, 10) == []
    assert await lanes.take_over("b", 0, 10) == [wake]
    await lanes.done([wake])
    assert await lanes.take_over("b", 0, 10) == []
