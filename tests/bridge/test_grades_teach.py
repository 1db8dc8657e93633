"""A graded outcome of a session that carries a requestId teaches the decision, through HTTP, once."""

import asyncio
import json

import pytest
from bridging import report_job

from amp.grading import loop
from amp.settings import Settings

pytestmark = pytest.mark.cluster


@pytest.fixture
def store(real_store):
    """Sessions need streams with consumer groups that block."""
    return real_store


@pytest.fixture
async def _looping(store, tmp_path):
    """A loop of graded outcomes beside the service."""
    settings = Settings(secret="x" * 32, data=tmp_path / "data", grading_scripts=1)
    async with loop.client(settings) as http:
        running = asyncio.create_task(loop.runner(settings, store, http).run())
        yield
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def graded(client, request_id, verdicts, iterations=3):
    """The outcome's record, once it is over."""
    agent = (await client.post("/v1/agents", json={"model": "script", "name": "writer"})).json()["id"]
    body = {"name": "here", "config": {"type": "self_hosted"}}
    environment = (await client.post("/v1/environments", json=body)).json()["id"]
    script = json.dumps([{"v": verdicts, "a": 0.0, "g": 0.0}])
    rubric = {"type": "text", "content": "- Has a title"}
    outcome = {"type": "user.define_outcome", "description": "Write", "rubric": rubric}
    metadata = {"outcome_script": script} | ({"amp_request_id": request_id} if request_id else {})
    made = await client.post(
        "/v1/sessions",
        json={
            "agent": agent,
            "environment_id": environment,
            "metadata": metadata,
            "initial_events": [{**outcome, "max_iterations": iterations}],
        },
    )
    assert made.status_code == 200, made.text
    for _ in range(500):
        session = (await client.get(f"/v1/sessions/{made.json()['id']}")).json()
        if session["outcome_evaluations"] and session["outcome_evaluations"][0]["completed_at"]:
            return session["outcome_evaluations"][0]
        await asyncio.sleep(0.02)
    raise AssertionError(session)


async def row_of(client, user="ada"):
    (row,) = (await client.get(f"/v1/profile/{user}/export")).json()["interactions"]
    return row["started"], row["completed"], row["satisfaction"]


@pytest.mark.usefixtures("_looping")
@pytest.mark.parametrize(
    ("verdicts", "satisfaction"),
    [(["satisfied"], 1.0), (["needs_revision", "satisfied"], 0.8)],
)
async def test_satisfied_is_completed_and_its_satisfaction_falls_with_iterations(
    client, carry, verdicts, satisfaction
):
    record = await graded(client, await client.decided(), verdicts)
    assert record["result"] == "satisfied"
    assert await carry() == 1
    assert await row_of(client) == (True, True, satisfaction)


@pytest.mark.usefixtures("_looping")
async def test_what_was_never_good_enough_is_not_completed(client, carry):
    record = await graded(client, await client.decided(), ["needs_revision"], iterations=2)
    assert record["result"] == "max_iterations_reached"
    assert await carry() == 1
    assert await row_of(client) == (True, False, None)


@pytest.mark.usefixtures("_looping")
async def test_a_grade_adds_its_satisfaction_to_what_the_agent_and_the_job_said(client, carry):
    request_id = await client.decided()
    await client.outcome(request_id, timeToStart=2)
    await report_job(client, "job-1", request_id, outcomeType="CONVERTED")
    await graded(client, request_id, ["needs_revision", "satisfied"])
    assert await carry() == 2
    assert await row_of(client) == (True, True, 0.8)
    assert (await client.get("/v1/profile/ada")).json()["totalInteractions"] == 1


@pytest.mark.usefixtures("_looping")
async def test_a_session_without_a_decision_tells_the_bridge_nothing(client, carry, store):
    await graded(client, None, ["satisfied"])
    assert await carry() == 0
    assert await store.ask("KEYS", "*:box") == []
