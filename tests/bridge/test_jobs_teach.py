"""A job that carries a requestId teaches the decision, through HTTP, once."""

import msgspec
import pytest
from bridging import DAY_MS, HOUR_MS, report_job, sealed, session_posterior

from amp.learning.reporting import Counted

pytestmark = pytest.mark.stores("fakeredis", "cluster")


@pytest.fixture
def store(any_store):
    """In memory, and on a cluster: bridge and rooms lie in slots of their own."""
    return any_store


API = "/profitstream/v2/api"


@pytest.fixture
def job(client):
    """Makes a job that follows a decision and says what came of it."""

    async def made(name, request_id=None, *, on=client, **outcome):
        return await report_job(on, name, request_id, **outcome)

    return made


async def profile(client, user="ada"):
    return (await client.get(f"/v1/profile/{user}")).json()


async def exported(client, user="ada"):
    return (await client.get(f"/v1/profile/{user}/export")).json()


async def test_a_conversion_moves_the_users_posterior(client, carry, job):
    request_id = await client.decided("ada")
    await job("job-1", request_id, outcomeType="CONVERTED")
    assert (await client.get("/v1/profile/ada")).status_code == 404
    assert await carry() == 1
    (row,) = (await exported(client))["interactions"]
    assert (row["started"], row["completed"], row["saidBy"]) == (True, True, ["bridge"])
    moved, before = await session_posterior(client, "ada"), await session_posterior(client, None)
    for dimension, option in row["approach"].items():
        assert moved[dimension][option] > before[dimension][option]


async def test_who_is_taught_by_a_job_alone_is_among_those_heard_of_last(client, carry, job):
    await job("job-1", await client.decided("ada"), outcomeType="CONVERTED")
    await job("job-2", "req_nonsense", outcomeType="CONVERTED")
    await carry()
    await carry.made._recent.flush()
    listed = (await client.get("/v1/insights/users")).json()["users"]
    assert [each["userId"] for each in listed] == ["ada"]


@pytest.mark.parametrize(
    ("outcome", "completed"),
    [
        ({"outcomeType": "DEFLECTED"}, True),
        ({"executionStatus": "FAILED", "outcomeType": "CONVERTED"}, True),
        ({"outcomeType": "ESCALATED"}, False),
        ({"outcomeType": "UNSUCCESSFUL"}, False),
        ({"executionStatus": "FAILED"}, False),
    ],
)
async def test_the_outcome_type_decides_and_the_status_where_there_is_none(
    client, carry, job, outcome, completed
):
    await job("job-1", await client.decided(), **outcome)
    await carry()
    (row,) = (await exported(client))["interactions"]
    assert (row["started"], row["completed"]) == (True, completed)


@pytest.mark.parametrize(
    "outcome",
    [{"executionStatus": "SUCCESS"}, {"executionStatus": "CANCELLED"}, {"outcomeType": "CUSTOM"}],
)
async def test_what_says_nothing_teaches_nothing(client, carry, job, outcome):
    await job("job-1", await client.decided(), **outcome)
    assert await carry() == 1
    assert (await client.get("/v1/profile/ada")).status_code == 404


async def test_two_jobs_and_the_agent_make_one_interaction(client, carry, job):
    request_id = await client.decided()
    await client.outcome(request_id, timeToStart=3)
    await job("job-1", request_id, outcomeType="CONVERTED")
    await job("job-2", request_id, outcomeType="DEFLECTED")
    assert await carry() == 2
    told = await profile(client)
    assert (told["totalInteractions"], told["completionRate"], told["averageTimeToStart"]) == (1, 1, 3)


async def test_a_contradiction_is_shown_and_does_not_count(client, carry, job):
    request_id = await client.decided()
    await client.outcome(request_id, completed=True)
    await job("job-1", request_id, outcomeType="UNSUCCESSFUL")
    await carry()
    told = await exported(client)
    assert (told["interactions"][0]["completed"], told["profile"]["completionRate"]) == (True, 1)
    (against,) = told["contradictions"]
    assert (against["completed"], against["saidBy"]) == (False, ["business"])


async def test_what_the_agent_contradicts_later_is_among_the_contradictions(client, carry, job):
    request_id = await client.decided()
    await job("job-1", request_id, outcomeType="CONVERTED")
    await carry()
    for _ in range(2):  # a report that is sent again counts nothing
        await client.outcome(request_id, completed=False, final=False, step=1)
    assert (await client.get("/v1/bridge/status")).json()["contradictions"] == 1
    (against,) = (await exported(client))["contradictions"]
    assert (against["completed"], against["saidBy"]) == (False, ["agent"])
    await client.outcome(request_id, completed=False)  # and now it is the job that contradicts
    told = (await client.get("/v1/bridge/status")).json()
    logged = (await exported(client))["contradictions"]
    assert [each["saidBy"] for each in logged] == [["agent"], ["business"]]
    assert (told["taught"], told["contradictions"]) == (1, 2)


async def test_the_agent_who_reports_after_the_business_keeps_the_metadata(client, carry, job):
    request_id = await client.decided()
    await job("job-1", request_id, outcomeType="CONVERTED")
    await carry()
    answer = await client.outcome(request_id, flowState=True, metadata={"note": "late"})
    assert answer.status_code == 200
    assert "Idempotent-Replay" not in answer.headers
    await job("job-2", request_id, outcomeType="DEFLECTED")
    await carry()
    (row,) = (await exported(client))["interactions"]
    assert (row["completed"], row["flowState"], row["metadata"]) == (True, True, {"note": "late"})
    assert row["saidBy"] == ["agent", "bridge"]


async def test_a_correction_replaces_what_the_job_taught(client, carry, job):
    await job("job-1", await client.decided(), outcomeType="CONVERTED")
    await carry()
    for kind, completed in (("ESCALATED", False), ("CUSTOM", None)):
        body = {"outcomeType": kind, "reason": "looked again"}
        assert (await client.patch(f"{API}/jobs/job-1/outcome", json=body)).status_code == 200
        await carry()
        (row,) = (await exported(client))["interactions"]
        assert (row["started"], row["completed"]) == (True, completed)


async def test_a_day_later_the_agent_is_late_and_the_business_is_not(client, store, carry, job):
    late = await sealed(store, ago_ms=25 * HOUR_MS)
    assert (await client.outcome(late)).status_code == 410
    await store.ask("HSET", b"{amp}:bridge:since", "window", 30 * DAY_MS, "since", 1, "earlier", 0)
    await job("job-1", late, outcomeType="CONVERTED")
    await carry()
    assert (await profile(client))["totalInteractions"] == 1
    await job("job-2", await sealed(store, ago_ms=31 * DAY_MS, user="bob"), outcomeType="CONVERTED")
    await carry()
    assert (await client.get("/v1/profile/bob")).status_code == 404


async def test_a_window_that_has_just_become_wider_lets_nothing_in_again(client, store, carry, job):
    await job("job-1", await sealed(store, ago_ms=25 * HOUR_MS), outcomeType="CONVERTED")
    await job("job-2", await sealed(store, ago_ms=23 * HOUR_MS, user="bob"), outcomeType="CONVERTED")
    assert await carry() == 2
    assert (await client.get("/v1/profile/ada")).status_code == 404
    assert (await client.get("/v1/profile/bob")).status_code == 200


async def test_another_tenants_decision_is_none(client, caller, carry, job):
    stranger = await caller("context", "ledger", tenant="other")
    theirs = await stranger.decided("ada")
    await job("job-1", theirs, outcomeType="CONVERTED")
    await job("job-2", theirs, on=stranger, outcomeType="CONVERTED")
    await carry()
    assert (await client.get("/v1/profile/ada")).status_code == 404


async def test_an_erased_user_does_not_come_back(client, carry, job):
    request_id = await client.decided()
    await client.outcome(request_id)
    await client.delete("/v1/profile/ada")
    await job("job-1", request_id, outcomeType="CONVERTED")
    assert await carry() == 1
    assert (await client.get("/v1/profile/ada")).status_code == 404


async def test_a_control_users_row_is_a_control_row_and_counts_as_reported(serve, caller, carry, store):
    on = await serve(control_share=1.0)
    client = await caller("context", "outcome", "profile", "ledger", "read", env="live", on=on)
    request_id = await client.decided()
    await report_job(client, "job-1", request_id, outcomeType="CONVERTED")
    await carry()
    (row,) = (await exported(client))["interactions"]
    assert (row["group"], row["completed"]) == ("control", True)
    await carry.made._counting.flush()
    days = await store.ask("KEYS", "{acme:live}:counts:*")
    (raw,) = (await store.ask("HGETALL", days[0]))[1::2]
    counted = msgspec.json.decode(raw, type=Counted)
    assert (counted.control.reported, counted.learned.reported) == (1, 0)
