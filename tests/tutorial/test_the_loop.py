"""Ask, help, report: what the service does for a user, one idea a test."""

import pytest

from amp.client import AsyncAMP, prompt

pytestmark = pytest.mark.cluster

PHASES = {0: "cold_start", 4: "cold_start", 5: "learning", 19: "learning", 20: "optimised"}


async def test_an_approach_is_suggested_and_its_outcome_is_taken(client):
    """The loop: ask which approach to take, help the user that way, report what came of it."""
    context = (await client.context("ada", taskType="coding", complexity="high")).json()

    assert context["suggestedFraming"] in {"achievement", "learning", "micro_task", "challenge"}
    assert context["requestId"].startswith("req_")

    report = {"completed": True, "timeToStart": 12.5, "flowState": True, "satisfaction": 0.9}
    answer = await client.outcome(context["requestId"], **report)
    assert answer.json() == {"success": True, "message": "Outcome reported successfully"}


async def test_the_very_next_context_reads_the_outcome(client):
    """Nothing is cached: each report is in the answer that follows it."""
    for reported in range(4):
        context = (await client.context("ada")).json()
        assert context["metadata"]["interactionCount"] == reported
        await client.outcome(context["requestId"], completed=True)


async def test_a_newcomer_gets_what_the_population_likes(client):
    """Without a history the answer is the population's alone, and it says so."""
    metadata = (await client.context("a newcomer")).json()["metadata"]
    assert metadata["profilePhase"] == "cold_start"
    assert metadata["userWeight"] == 0


async def test_the_answer_becomes_the_users_own_with_every_outcome(client):
    """`userWeight` says how much of an answer is the user's own history: it rises with it."""
    weights = []
    for _ in range(4):
        weights.append((await client.context("ada")).json()["metadata"]["userWeight"])
        await client.interact("ada", completed=True)
    assert weights == sorted(set(weights))
    assert weights[-1] < 1


async def test_phases_follow_the_number_of_interactions(client):
    """A profile is in cold start below 5 interactions, learning below 20, then optimised."""
    for reported in range(21):
        answer = await client.context("ada")
        if reported in PHASES:
            assert answer.json()["metadata"]["profilePhase"] == PHASES[reported]
        await client.outcome(answer.json()["requestId"], completed=True)


async def test_what_works_for_a_user_is_learned(client):
    """A user who only ever follows challenges teaches the service that challenges are best."""
    for _ in range(40):
        context = (await client.context("ada")).json()
        follows = context["suggestedFraming"] == "challenge"
        await client.outcome(context["requestId"], started=follows, completed=follows)

    dimensions = (await client.get("/v1/profile/ada/posterior")).json()["dimensions"]
    framing = next(each for each in dimensions if each["dimension"] == "suggestedFraming")["options"]
    best = max(framing, key=lambda option: option["mean"])
    assert best["option"] == "challenge"
    assert best["mean"] > best["populationMean"]


async def test_asking_alone_keeps_nothing(client):
    """A context leaves no trace of the user; the first outcome creates the profile."""
    request_id = await client.decided("ada")
    assert (await client.get("/v1/profile/ada")).status_code == 404

    await client.outcome(request_id)
    assert (await client.get("/v1/profile/ada")).json()["totalInteractions"] == 1


async def test_a_batch_answers_each_item_as_if_it_came_alone(client):
    """A batch keeps the order, and one bad item spoils nothing but itself."""
    asked = [{"userId": user, "task": "Plan the week"} for user in ("ada", "", "bob")]
    items = (await client.post("/v1/context/batch", json={"items": asked})).json()["items"]
    assert items[1]["error"]["code"] == "INVALID_USER_ID"

    reports = [{"requestId": items[index]["requestId"], "started": True} for index in (0, 2, 0)]
    answer = await client.post("/v1/outcome/batch", json={"items": reports})
    assert [item["success"] for item in answer.json()["items"]] == [True, True, True]
    assert (await client.get("/v1/profile/ada")).json()["totalInteractions"] == 1


async def test_the_client_carries_the_request_id_for_you(client, app, key):
    """With `amp.client` a context knows how to report on itself, and renders as a system prompt."""
    async with AsyncAMP(await key(), "http://amp.test", transport=client._transport) as amp:
        context = await amp.get_context("ada", "Write a parser", task_type="coding")
        assert prompt(context)
        receipt = await context.report(started=True, completed=True)
        assert not receipt.replayed
        assert (await amp.get_profile("ada")).total_interactions == 1
