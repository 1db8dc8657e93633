"""A tenant's own dimensions over the wire: contexts, profiles, what is paused and what comes back."""

import asyncio

import pytest
from envelopes import refused

TONE = {"name": "tone", "preference": "likesTone", "options": ["warm", "dry"]}
PACE = {"name": "pace-of-work", "options": ["slow", "fast", "own"]}
CORE = ["requestId", "confidence", "rationale", "metadata"]


def paused(dimension, *names):
    """The dimension with some of its options paused."""
    return dimension | {
        "options": [
            {"name": name, "state": "paused" if name in names else "active"} for name in dimension["options"]
        ]
    }


@pytest.fixture
async def put(caller):
    """A client of the tenant, and its policy changed: `client = await put(dimensions=[...])`."""
    client = await caller("all")

    async def change(**body):
        answer = await client.put("/v1/policy", json=body)
        assert answer.status_code == 200, answer.text
        return client

    return change


async def test_a_context_has_the_tenants_dimensions_in_the_place_of_the_four(put):
    client = await put(dimensions=[TONE, PACE])
    told = (await client.context()).json()
    assert list(told) == [CORE[0], "tone", "pace-of-work", *CORE[1:]]
    assert told["tone"] in TONE["options"]
    assert told["pace-of-work"] in PACE["options"]
    assert list(told["metadata"]["dimensionConfidence"]) == ["toneConfidence", "pace-of-workConfidence"]
    assert told["metadata"]["policyVersion"] == 2
    assert (await client.outcome(told["requestId"], completed=True)).status_code == 200
    batch = await client.post("/v1/context/batch", json={"items": [{"userId": "ada", "task": "x"}] * 2})
    assert all("tone" in item for item in batch.json()["items"])


async def test_a_profile_has_them_too_and_its_preferences_can_be_set_locked_and_cleared(put):
    client = await put(dimensions=[TONE, PACE])
    changed = await client.put(
        "/v1/profile/ada", json={"likesTone": "dry", "lock": True, "metadata": {"a": 1}}
    )
    profile = changed.json()
    assert (profile["likesTone"], profile["locked"], profile["metadata"]) == ("dry", ["likesTone"], {"a": 1})
    assert {"preferredPace-of-work", "toneConfidence", "pace-of-workConfidence"} <= set(profile)
    assert not {"preferredFraming", "framingConfidence"} & set(profile)
    for _ in range(20):
        assert (await client.context()).json()["tone"] == "dry"
    assert (await client.put("/v1/profile/ada", json={"likesTone": None})).json()["locked"] == []
    posterior = (await client.get("/v1/profile/ada/posterior")).json()
    assert [each["dimension"] for each in posterior["dimensions"]] == ["tone", "pace-of-work"]


@pytest.mark.parametrize("value", ["wry", "own", 5, ["dry"]])
async def test_a_preference_that_is_no_option_is_refused_by_its_field(put, value):
    """A paused option too: nothing would come of it."""
    client = await put(dimensions=[paused(PACE, "own"), TONE])
    for field in ("likesTone", "preferredPace-of-work"):
        answer = await client.put("/v1/profile/ada", json={field: value})
        assert refused(answer, 400, "INVALID_PREFERENCE")["field"] == field
    ignored = await client.put("/v1/profile/ada", json={"preferredFraming": "no option of anything"})
    assert ignored.status_code == 200
    assert refused(await client.put("/v1/profile/ada", json={"lock": "x"}), 400, "INVALID_PARAMETER")


async def test_a_lock_waits_while_its_option_is_paused_and_a_dimension_takes_its_preferences_with_it(put):
    client = await put(dimensions=[TONE, PACE])
    await client.put("/v1/profile/ada", json={"preferredPace-of-work": "own", "lock": True})
    courses = [
        ([TONE, paused(PACE, "own")], {"slow", "fast"}, False),
        ([TONE], {None}, False),
        ([PACE, TONE], {"own"}, True),
        ([TONE, {"name": "size", "options": ["small", "large"]}, PACE], {"own"}, True),
    ]
    for dimensions, expected, locked in courses:
        await put(dimensions=dimensions)
        seen = {(await client.context()).json().get("pace-of-work") for _ in range(30)}
        assert seen <= expected, dimensions
        profile = (await client.get("/v1/profile/ada")).json()
        assert profile["locked"] == (["preferredPace-of-work"] if locked else [])


async def test_what_was_learned_outlives_every_change_and_the_export_says_what_was_shown(put):
    client = await put(dimensions=[TONE, PACE])
    await client.put("/v1/profile/ada", json={"likesTone": "dry", "lock": True})
    await client.interact(times=6, completed=True)
    await put(dimensions=[PACE])
    await client.interact(times=1)
    await put(dimensions=[PACE, TONE | {"options": ["warm", "dry", "wry"]}])
    posterior = (await client.get("/v1/profile/ada/posterior")).json()
    assert posterior["totalInteractions"] == 7
    _, tone = posterior["dimensions"]
    means = {each["option"]: each["mean"] for each in tone["options"]}
    assert means["dry"] > means["warm"]
    assert means["dry"] > means["wry"]
    interactions = (await client.get("/v1/profile/ada/export")).json()["interactions"]
    assert [set(each["approach"]) for each in interactions] == [{"tone", "pace-of-work"}] * 6 + [
        {"pace-of-work"}
    ]
    assert {each["approach"].get("tone") for each in interactions} == {"dry", None}


async def test_other_weights_move_every_posterior_from_the_rows_as_they_are(put):
    client = await put(dimensions=[TONE])
    await client.put("/v1/profile/ada", json={"likesTone": "dry", "lock": True})
    await client.interact(times=4, completed=True, flowState=True)

    async def dry():
        posterior = (await client.get("/v1/profile/ada/posterior")).json()
        return posterior["dimensions"][0]["options"][1]["mean"]

    before = await dry()
    await put(weights={"flow": -2.0})
    assert await dry() < before - 0.1
    await put(weights={"flow": 0.15})
    assert await dry() == before


async def test_an_answer_of_the_contracts_dimensions_stays_as_it_was(put):
    """An option that is paused changes no name."""
    client = await put(exploreFloor=0.02)
    four = ["suggestedFraming", "communicationStyle", "complexity", "encouragement"]
    assert list((await client.context()).json()) == [CORE[0], *four, *CORE[1:]]
    policy = (await client.get("/v1/policy")).json()
    await put(dimensions=[paused_first(each) for each in policy["dimensions"]])
    for _ in range(20):
        told = (await client.context()).json()
        assert list(told) == [CORE[0], *four, *CORE[1:]]
        assert told["suggestedFraming"] != "achievement"
        assert told["encouragement"] != "high"


def paused_first(dimension):
    first, *others = dimension["options"]
    return dimension | {"options": [first | {"state": "paused"}, *others]}


async def test_a_worker_that_meets_a_row_of_a_policy_it_does_not_know_looks_at_once(put, serve, caller):
    """The row's combination is none of its own, which would be an error of ours to the user."""
    other = await caller("all", on=await serve())
    client = await put()
    framing, *others = (await client.get("/v1/policy")).json()["dimensions"]
    wider = {**framing, "options": [each | {"state": "paused"} for each in framing["options"]] + ["story"]}
    await put(dimensions=[wider, *others])
    await client.interact(times=2)
    told = await other.context()
    assert (told.status_code, told.json()["suggestedFraming"]) == (200, "story")


async def test_another_worker_follows_within_its_next_look(put, serve, caller):
    other = await caller("all", on=await serve())
    await put(dimensions=[TONE])
    for _ in range(300):  # its followers look twice a second
        if "tone" in (await other.context()).json():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not follow")
