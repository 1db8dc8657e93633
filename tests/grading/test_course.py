"""A session from its outcome to its rest, on each kind of store there is."""

import asyncio

import pytest
from loops import INTERRUPT, Room, message, outcome, plan, shorts

FAST = {"a": 0, "g": 0}


@pytest.fixture
async def room(sessions):
    room = Room(sessions)
    yield room
    await room.client.aclose()


async def test_a_session_is_revised_until_its_grader_is_satisfied(room):
    name = await room.made(outcome(), metadata=plan({"v": ["needs_revision", "satisfied"], **FAST}))
    assert await room.course(name).run() == "rest"
    events = await room.events(name)
    assert shorts(events) == [
        "user.define_outcome",
        "running",
        "model_request_start",
        "agent.message",
        "model_request_end",
        "start#0",
        "end#0=needs_revision",
        "model_request_start",
        "agent.message",
        "model_request_end",
        "start#1",
        "end#1=satisfied",
        "idle:end_turn",
    ]
    state = await room.state(name)
    assert (state.status, state.outcomes[0].result, state.outcomes[0].iteration) == ("idle", "satisfied", 1)
    assert state.outcomes[0].completed_at == events[-2]["processed_at"]
    assert "criterion 2 not met" in events[8]["content"][0]["text"], "the gaps go back to the agent"


async def test_the_last_iteration_is_followed_by_one_word_that_nobody_grades(room):
    name = await room.made(outcome(iterations=1), metadata=plan({"v": ["needs_revision"], **FAST}))
    await room.course(name).run()
    assert shorts(await room.events(name))[5:] == [
        "start#0",
        "end#0=max_iterations_reached",
        "model_request_start",
        "agent.message",
        "model_request_end",
        "idle:end_turn",
    ]


async def test_a_grader_that_breaks_never_satisfies(room):
    name = await room.made(outcome(), metadata=plan({"v": ["error"], **FAST}))
    await room.course(name).run()
    events = await room.events(name)
    assert shorts(events)[5:] == [
        "start#0",
        "session.error:exhausted",
        "end#0=failed",
        "idle:retries_exhausted",
    ]
    assert "nothing is known of the work" in events[-2]["explanation"]
    assert events[-2]["error"]


async def test_an_interrupt_ends_what_is_under_way_and_a_late_verdict_counts_for_nothing(room):
    name = await room.made(outcome(), metadata=plan({"a": 0, "g": 60}))
    course = room.course(name)
    running = asyncio.create_task(course.run())
    await room.until(name, lambda events: shorts(events)[-1] == "start#0")
    await room.send(name, INTERRUPT)
    course.seen(await room.sessions.load(course.tenant, name))
    assert await asyncio.wait_for(running, 5) == "rest"
    events = await room.events(name)
    assert shorts(events)[5:] == [
        "start#0",
        "user.interrupt?",
        "user.interrupt",
        "end#0=interrupted",
        "idle:end_turn",
    ]
    assert events[-2]["outcome_evaluation_start_id"] == events[5]["id"]


async def test_a_message_steers_the_next_turn(room):
    name = await room.made(
        outcome(), message(), metadata=plan({"v": ["needs_revision", "satisfied"], **FAST})
    )
    await room.course(name).run()
    told = shorts(await room.events(name))
    assert told[:5] == [
        "user.define_outcome",
        "running",
        "user.message?",
        "user.message",
        "model_request_start",
    ]


async def test_outcomes_chain_and_a_message_alone_is_answered(room):
    name = await room.made(outcome(), metadata=plan({"v": ["failed"], **FAST}, FAST))
    await room.course(name).run()
    await room.send(name, outcome("Write another"))
    await room.course(name).run()
    await room.send(name, message("Thank you"))
    await room.course(name).run()
    assert [each.result for each in (await room.state(name)).outcomes] == ["failed", "satisfied"]
    assert (
        shorts(await room.events(name))[-6:]
        == [
            "user.message?",
            "running",
            "user.message",
            "model_request_start",
            "agent.message",
            "model_request_end",
            "idle:end_turn",
        ][-6:]
    )


async def test_a_grader_at_work_is_heard_of(room):
    name = await room.made(outcome(), metadata=plan({"a": 0, "g": 0.2, "h": 0.03}))
    await room.course(name).run()
    assert shorts(await room.events(name)).count("ongoing#0") >= 2


async def test_deliverables_decide_the_checks(room):
    rubric = "- There is a report `check: file_exists report.md`\n- `check: min_words report.md 3`"
    name = await room.made(outcome(rubric=rubric), metadata=plan({"files": {"report.md": "one two"}, **FAST}))
    await room.course(name).run()
    ends = [each for each in await room.events(name) if each["type"] == "span.outcome_evaluation_end"]
    assert [each["result"] for each in ends] == ["needs_revision", "needs_revision", "max_iterations_reached"]
    assert [mark["passed"] for mark in ends[0]["criteria"]] == [True, False]
    assert ends[0]["criteria"][1]["gap"] == "report.md has 2 words, at least 3 are asked for."
