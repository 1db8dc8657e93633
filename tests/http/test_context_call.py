"""POST /v1/context, clause by clause. Contract: amp.md."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from envelopes import refused

OPTIONS = {
    "suggestedFraming": {"achievement", "learning", "micro_task", "challenge"},
    "communicationStyle": {"brief_directive", "detailed_explanatory", "conversational", "technical"},
    "complexity": {"full_solution", "break_into_steps", "hints_only", "high_level"},
    "encouragement": {"high", "moderate", "minimal", "none"},
}


async def test_the_answer_has_every_field_of_the_contract_and_no_other(client):
    answer = await client.context()
    body = answer.json()
    assert set(body) == {*OPTIONS, "requestId", "confidence", "rationale", "metadata"}
    for dimension, options in OPTIONS.items():
        assert body[dimension] in options
    assert 0 <= body["confidence"] <= 1
    assert body["rationale"].endswith(".")
    metadata = body["metadata"]
    assert set(metadata) == {
        "profilePhase",
        "interactionCount",
        "explorationMode",
        "dimensionConfidence",
        "userWeight",
        "group",
        "policyVersion",
    }
    assert len(metadata["dimensionConfidence"]) == 4
    assert answer.headers["X-Request-Id"]


async def test_the_rationale_speaks_for_the_approach_of_the_answer(client):
    body = (await client.context()).json()
    assert any(body[dimension] in body["rationale"] for dimension in OPTIONS)


async def test_a_request_id_is_url_safe_and_hides_the_user(client):
    request_id = await client.decided("somebody-everybody-knows", taskType="coding")
    assert re.fullmatch(r"req_[A-Za-z0-9_-]+", request_id)
    assert len(request_id) <= 140
    assert "somebody" not in request_id


@pytest.mark.parametrize("user", ["x" * 256, "\U0001f600" * 256, "ü" * 256])
async def test_the_longest_user_gets_a_request_id_of_at_most_2048_characters(client, user):
    request_id = await client.decided(user, taskType="\U0001f600" * 64)
    assert len(request_id) <= 2048
    assert (await client.outcome(request_id)).status_code == 200


async def test_two_requests_never_share_an_id(client):
    assert len({await client.decided() for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "user", ["", "   ", "\t\n", "x" * 257, "a\x00b", "a\x1fb", "a\x7fb", "a\x85b", "a\nb"]
)
async def test_a_bad_user_id_is_refused(client, user):
    refused(await client.context(user), 400, "INVALID_USER_ID", field="userId")


async def test_the_trimmed_form_is_the_user(client):
    await client.interact("  ada ")
    answer = await client.context("ada")
    assert answer.json()["metadata"]["interactionCount"] == 1
    assert (await client.context(" " * 300 + "ada")).status_code == 200


@pytest.mark.parametrize("task", ["", "x" * 8193])
async def test_a_bad_task_is_refused(client, task):
    refused(await client.context(task=task), 400, "INVALID_TASK", field="task")


@pytest.mark.parametrize("task", ["x", " ", "x" * 8192, "\U0001f600" * 8192])
async def test_a_task_has_1_to_8192_characters(client, task):
    assert (await client.context(task=task)).status_code == 200


@pytest.mark.parametrize("complexity", ["low", "medium", "high", None])
async def test_a_known_complexity_is_taken(client, complexity):
    assert (await client.context(complexity=complexity)).status_code == 200


async def test_task_types_are_compared_trimmed_and_lower_case(client):
    for spelling in ("Coding", " coding ", "CODING"):
        await client.outcome(await client.decided(taskType=spelling), completed=True)
    profile = (await client.get("/v1/profile/ada")).json()
    assert profile["taskTypeAffinities"] == {"coding": 1.0}


@pytest.mark.parametrize(("task_type", "status"), [("x" * 64, 200), ("x" * 65, 400), ("", 200)])
async def test_a_task_type_has_at_most_64_characters(client, task_type, status):
    answer = await client.context(taskType=task_type)
    assert answer.status_code == status
    if status == 400:
        refused(answer, 400, "INVALID_PARAMETER", field="taskType")


@pytest.mark.parametrize(("size", "status"), [(4096, 200), (4097, 400)])
async def test_metadata_has_at_most_4_kib(client, size, status):
    metadata = {"note": "x" * (size - len('{"note":""}'))}
    answer = await client.context(metadata=metadata)
    assert answer.status_code == status
    if status == 400:
        refused(answer, 400, "INVALID_PARAMETER", field="metadata")


@pytest.mark.parametrize(
    "zone", ["no/where", "", 7, None, ["UTC"], "../etc/passwd", "/etc/localtime", "x" * 999]
)
async def test_a_timezone_that_is_none_is_utc(client, zone):
    before = datetime.now(UTC).hour
    await client.outcome(await client.decided(metadata={"timezone": zone}))
    (pattern,) = (await client.get("/v1/profile/ada")).json()["timeOfDayPatterns"]
    assert pattern["hour"] in {before, datetime.now(UTC).hour}


async def test_the_timezone_sets_the_users_clock(client):
    zone = ZoneInfo("Pacific/Kiritimati")
    before = datetime.now(zone).hour
    await client.outcome(await client.decided(metadata={"timezone": zone.key}))
    (pattern,) = (await client.get("/v1/profile/ada")).json()["timeOfDayPatterns"]
    assert pattern["hour"] in {before, datetime.now(zone).hour}


async def test_context_metadata_is_not_stored(client):
    await client.outcome(await client.decided(metadata={"secret": "not for the log"}))
    assert "not for the log" not in (await client.get("/v1/profile/ada/export")).text


async def test_a_batch_takes_100_items_and_no_more(client):
    item = {"userId": "ada", "task": "x"}
    answer = await client.post("/v1/context/batch", json={"items": [item] * 100})
    assert len({each["requestId"] for each in answer.json()["items"]}) == 100
    answer = await client.post("/v1/context/batch", json={"items": [item] * 101})
    refused(answer, 400, "INVALID_PARAMETER", field="items")


async def test_an_empty_batch_is_answered_with_nothing(client):
    assert (await client.post("/v1/context/batch", json={"items": []})).json() == {"items": []}
