"""The whole loop through the vendor's client, unmodified and strict: what a user of it sees."""

import asyncio
import json

import anthropic
import pytest
from loops import shorts
from model_service import judged, said, serving
from session_clients import opened

from amp.grading import loop
from amp.settings import Settings

OUTCOME = {
    "type": "user.define_outcome",
    "description": "Compare the costs",
    "rubric": {"type": "text", "content": "- names the total\n- has a table `check: file_exists costs.csv`"},
}


@pytest.fixture
async def model():
    async with serving() as model:
        yield model


@pytest.fixture
async def looping(store, model, tmp_path):
    """A loop of the settings' own beside the service."""
    settings = Settings(
        secret="x" * 32,
        data=tmp_path,
        grading_scripts=1,
        llm_base_url=model.url,
        grader_heartbeat_seconds=0.05,
    )
    async with loop.client(settings) as http:
        running = asyncio.create_task(loop.runner(settings, store, http).run())
        yield
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def watched(client, session, *events):
    """What the stream shows from sending these events to the rest."""
    seen = []
    async with await client.beta.sessions.events.stream(session) as stream:
        await client.beta.sessions.events.send(session, events=list(events))
        async for event in stream:
            seen.append(event.to_dict())
            if event.type == "session.status_idle" and event.stop_reason.type != "requires_action":
                return seen
    return seen


def script(**part):
    return {"outcome_script": json.dumps([{"a": 0.02, "g": 0.12, "h": 0.04, **part}])}


async def test_revised_until_satisfied_and_the_deliverables_are_there(looping, client, session):
    files = {"costs.csv": "item,price\na,1\n"}
    made = await session(metadata=script(v=["needs_revision", "satisfied"], files=files))
    seen = await watched(client, made.id, OUTCOME)
    told = [each for each in shorts(seen) if not each.startswith("ongoing")]
    turn = ["model_request_start", "agent.message", "model_request_end"]
    assert told == [
        *("user.define_outcome", "running", *turn, "start#0", "end#0=needs_revision"),
        *(*turn, "start#1", "end#1=satisfied", "idle:end_turn"),
    ]
    assert any(each.startswith("ongoing") for each in shorts(seen))
    listed = [event.to_dict() async for event in client.beta.sessions.events.list(made.id)]
    assert [each["id"] for each in listed] == [each["id"] for each in seen]
    now = await client.beta.sessions.retrieve(made.id)
    (record,) = now.outcome_evaluations
    assert (now.status, record.result, record.iteration) == ("idle", "satisfied", 1)
    assert record.completed_at
    assert [mark["passed"] for mark in record.criteria] == [True, True]
    (file,) = [each async for each in client.beta.files.list(scope_id=made.id)]
    assert file.filename == "costs.csv"
    content = await client.beta.files.download(file.id)
    assert (await content.read()).decode() == files["costs.csv"]


async def test_a_model_behind_an_openai_compatible_endpoint_runs_the_documented_quickstart(
    looping, client, environment, model
):
    rows = [["item", "price"], ["paper", 3]]
    model.agent = [
        said("A first idea."),
        said(None, calls=[("write_table", {"path": "costs.csv", "rows": rows})]),
        said("The total is 3."),
    ]
    model.grader = [said(judged(False, gap="No total.")), said(judged(True))]
    agent = await client.beta.agents.create(name="Analyst", model="claude-opus-4-6", system="Be exact.")
    made = await client.beta.sessions.create(agent=agent.id, environment_id=environment.id)
    seen = await watched(client, made.id, OUTCOME)
    ends = [each for each in seen if each["type"] == "span.outcome_evaluation_end"]
    assert [each["result"] for each in ends] == ["needs_revision", "satisfied"]
    assert [mark["passed"] for mark in ends[0]["criteria"]] == [False, False]
    assert "Be exact." in json.dumps(model.asked["agent"])
    now = await client.beta.sessions.retrieve(made.id)
    assert now.usage.input_tokens == 50


async def test_an_interrupt_and_the_next_outcome(looping, client, session):
    made = await session(metadata=script(g=30), initial_events=[OUTCOME])
    while (await client.beta.sessions.retrieve(made.id)).outcome_evaluations[0].result != "evaluating":  # noqa: ASYNC110  as a client polls
        await asyncio.sleep(0.02)
    with pytest.raises(anthropic.BadRequestError):
        await client.beta.sessions.events.send(made.id, events=[OUTCOME])
    seen = await watched(client, made.id, {"type": "user.interrupt"})
    assert shorts(seen)[-2:] == ["end#0=interrupted", "idle:end_turn"]
    await asyncio.sleep(0.3)  # a verdict that comes late would be here by now
    now = await client.beta.sessions.retrieve(made.id)
    assert [each.result for each in now.outcome_evaluations] == ["interrupted"]
    await client.beta.sessions.archive(made.id)


async def test_a_worker_of_the_environment_plays_both_roles(looping, client, environment, wire, key):
    agent = await client.beta.agents.create(name="remote", model="worker")
    made = await client.beta.sessions.create(
        agent=agent.id, environment_id=environment.id, initial_events=[OUTCOME]
    )
    async with opened(wire, await key("worker", environment=environment.id)) as worker:

        async def job():
            while True:
                work = await worker.beta.environments.work.poll(environment.id, block_ms=500)
                if work:
                    await worker.beta.environments.work.ack(work.id, environment_id=environment.id)
                    return work

        async def post(*events):
            path = f"/v1/sessions/{made.id}/events"
            return await worker.post(path, body={"events": list(events)}, cast_to=object)

        turn = await job()
        assert (turn.data.id, turn.metadata["step"]) == (made.id, "turn")
        asks = {"type": "agent.tool_use", "name": "pay", "input": {}, "evaluated_permission": "ask"}
        use = (await post(asks))["data"][0]["id"]
        allow = {"type": "user.tool_confirmation", "tool_use_id": use, "result": "allow"}
        (echo,) = (await client.beta.sessions.events.send(made.id, events=[allow])).data
        assert (echo.tool_use_id, echo.result) == (use, "allow")
        said_ = {"type": "agent.message", "content": [{"type": "text", "text": "By a worker."}]}
        end = {"type": "span.model_request_end", "model_usage": {"input_tokens": 9}}
        await post(said_, {**end, "model_request_start_id": turn.metadata["answers"]})
        grading = await job()
        assert grading.metadata["step"] == "grading"
        verdict = {"type": "span.outcome_evaluation_end", "result": "failed", "explanation": "No fit."}
        with pytest.raises(anthropic.ConflictError):
            await post({**verdict, "iteration": 1})
        await post({**verdict, "outcome_evaluation_start_id": grading.metadata["answers"]})
        while (now := await client.beta.sessions.retrieve(made.id)).status != "idle":  # noqa: ASYNC110  as a client polls
            await asyncio.sleep(0.02)
        with pytest.raises(anthropic.ConflictError):
            await post(verdict)
    assert (now.outcome_evaluations[0].result, now.outcome_evaluations[0].explanation) == (
        "failed",
        "No fit.",
    )
    assert now.usage.input_tokens == 9
