"""GET and PUT /v1/policy: a tenant's own dimensions, weights and shares, version by version."""

import asyncio

import pytest
from envelopes import refused

from amp.learning.approaches import PUBLISHED
from amp.store.keys import POLICY_VERSIONS

TONE = {"name": "tone", "options": ["warm", "dry"]}
PACE = {"name": "pace", "options": ["slow", "fast", "own"]}


@pytest.fixture
async def admin(caller):
    """A client that may do everything, for the tenant "acme" in the test environment."""
    return await caller("all")


@pytest.fixture
def put(admin):
    """PUT /v1/policy; the policy that it made."""

    async def change(**body):
        answer = await admin.put("/v1/policy", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return change


async def shown(client, path="/v1/policy"):
    return (await client.get(path)).json()


async def test_until_it_is_changed_the_policy_is_what_the_settings_say(admin):
    policy = await shown(admin)
    assert (policy["version"], policy["since"], policy["combinations"]) == (1, None, 256)
    assert [each["name"] for each in policy["dimensions"]] == [each.name for each in PUBLISHED.dimensions]
    assert (policy["controlShare"], policy["exploreFloor"], policy["outcomeWindow"]) == (0.05, 0.01, 86_400)
    assert policy["weights"]["speedHalfLife"] == 900
    assert await shown(admin, "/v1/policy/versions/1") == policy


async def test_only_what_is_sent_changes_and_every_version_stays(admin, put):
    first = await shown(admin)
    second = await put(weights={"flow": 0.4}, exploreFloor=0.05)
    assert second["version"] == 2
    assert second["weights"] == first["weights"] | {"flow": 0.4}
    third = await put(outcomeWindow="12h")
    assert (third["version"], third["exploreFloor"], third["outcomeWindow"]) == (3, 0.05, 43_200)
    for policy in (first, second, third):
        assert await shown(admin, f"/v1/policy/versions/{policy['version']}") == policy
    assert await shown(admin) == third
    refused(await admin.get("/v1/policy/versions/4"), 404, "NOT_FOUND")
    refused(await admin.get("/v1/policy/versions/x"), 404, "NOT_FOUND")


async def test_what_changes_nothing_makes_no_version_and_a_policy_may_be_sent_back_as_it_came(admin, put):
    second = await put(dimensions=[TONE, PACE], weights={"flow": 0.4})
    assert await put(**second) == second
    assert await put(dimensions=[TONE, PACE]) == second
    assert await put() == second


async def test_a_change_meant_for_another_version_is_refused(admin, put):
    second = await put(decay=0.9)
    tag = (await admin.get("/v1/policy")).headers["etag"]
    stale = await admin.put("/v1/policy", json={"decay": 0.8}, headers={"If-Match": '"1"'})
    assert refused(stale, 409, "VERSION_CONFLICT") == {"version": 2}
    refused(await admin.put("/v1/policy", json={"decay": 0.8, "version": 1}), 409, "VERSION_CONFLICT")
    assert await shown(admin) == second
    told = await admin.put("/v1/policy", json={"decay": 0.8}, headers={"If-Match": tag})
    assert (told.json()["version"], told.headers["etag"]) == (3, '"3"')
    odd = await admin.put("/v1/policy", json={}, headers={"If-Match": "soon"})
    assert refused(odd, 400, "INVALID_PARAMETER")["field"] == "If-Match"


BAD = [
    ({"dimensions": []}, "dimensions"),
    ({"dimensions": [{"name": f"d{number}", "options": ["a", "b"]} for number in range(13)]}, "dimensions"),
    ({"dimensions": [TONE, {"name": "pace", "options": ["slow"]}]}, "dimensions[1].options"),
    ({"dimensions": [TONE, TONE]}, "dimensions[1].name"),
    ({"dimensions": [{"name": "a b", "options": ["x", "y"]}]}, "dimensions[0].name"),
    ({"dimensions": [{"name": "confidence", "options": ["x", "y"]}]}, "dimensions[0].name"),
    ({"dimensions": [{"name": "error", "options": ["x", "y"]}]}, "dimensions[0].name"),
    ({"dimensions": [TONE | {"preference": "lock"}]}, "dimensions[0].preference"),
    ({"dimensions": [TONE | {"confidence": "preferredTone"}]}, "dimensions[0].confidence"),
    ({"dimensions": [{"name": "tone", "options": ["x", "x"]}]}, "dimensions[0].options"),
    ({"dimensions": [{"name": "tone", "options": ["x", ""]}]}, "dimensions[0].options[1].name"),
    ({"dimensions": [{"name": "tone", "options": [str(n) for n in range(65)]}]}, "dimensions[0].options"),
    (
        {"dimensions": [{"name": "tone", "options": [{"name": n, "state": "paused"} for n in "ab"]}]},
        "dimensions[0].options",
    ),
    (
        {"dimensions": [{"name": "tone", "options": ["a", {"name": "b", "state": "gone"}]}]},
        "dimensions[0].options[1].state",
    ),
    ({"dimensions": [{"name": f"d{n}", "options": [*"abcdefgh"]} for n in range(5)]}, "dimensions"),
    ({"dimensions": [TONE], "baseline": {"tone": "blue"}}, "baseline.tone"),
    ({"dimensions": [TONE], "baseline": {}}, "baseline.tone"),
    ({"baseline": {"tone": "warm"}}, "baseline.tone"),
    ({"weights": {"flow": 11}}, "weights.flow"),
    ({"weights": {"speedHalfLife": 0}}, "weights.speedHalfLife"),
    ({"weights": {"neverStarted": "x"}}, "weights.neverStarted"),
    ({"outcomeWindow": 0}, "outcomeWindow"),
    ({"outcomeWindow": 1e300}, "outcomeWindow"),
    ({"outcomeWindow": "soon"}, "outcomeWindow"),
    ({"controlShare": 1.1}, "controlShare"),
    ({"exploreFloor": -0.1}, "exploreFloor"),
    ({"decay": 0.1}, "decay"),
    ({"temperature": 3}, "temperature"),
    ({"populationTemperature": -0.1}, "populationTemperature"),
    ({"populationTemperature": 2.1}, "populationTemperature"),
    ({"learner": "oracle"}, "learner"),
    ({"mode": "asleep"}, "mode"),
]


@pytest.mark.parametrize(("body", "field"), BAD)
async def test_a_bad_value_is_refused_by_the_name_of_its_field_and_changes_nothing(admin, body, field):
    for path in ("/v1/policy", "/v1/policy?dryRun=true"):
        answer = await admin.put(path, json=body)
        assert refused(answer, 400, "INVALID_PARAMETER")["field"] == field, answer.text
    assert (await shown(admin))["version"] == 1


async def test_how_much_of_the_doubt_about_everybody_is_drawn_can_be_said_and_left_to_the_learner(admin, put):
    default = (await shown(admin))["populationTemperature"]
    answer = await admin.put("/v1/policy?dryRun=true", json={"populationTemperature": 1})
    said = {"field": "populationTemperature", "from": default, "to": 1.0}
    assert answer.json()["changes"] == [said]
    second = await put(populationTemperature=1)
    assert (second["version"], second["populationTemperature"]) == (2, 1.0)
    assert (await put(decay=0.9))["populationTemperature"] == 1.0
    assert (await put(populationTemperature=None))["populationTemperature"] == default
    assert (await put(populationTemperature=0))["populationTemperature"] == 0.0


async def test_an_option_cannot_vanish_and_keeps_its_number(admin, put):
    await put(dimensions=[TONE, PACE])
    lost = {"name": "pace", "options": ["slow", "own"]}
    answer = await admin.put("/v1/policy", json={"dimensions": [TONE, lost]})
    assert refused(answer, 400, "INVALID_PARAMETER")["field"] == "dimensions[1].options"
    more = {"name": "pace", "options": ["new", "own", {"name": "fast", "state": "retired"}, "slow"]}
    policy = await put(dimensions=[TONE, more])
    assert [(each["name"], each["state"]) for each in policy["dimensions"][1]["options"]] == [
        ("slow", "active"),
        ("fast", "retired"),
        ("own", "active"),
        ("new", "active"),
    ]
    assert policy["combinations"] == 6


async def test_a_dimension_that_comes_back_has_its_options_where_they_were(put):
    await put(dimensions=[TONE, PACE])
    await put(dimensions=[TONE])
    policy = await put(dimensions=[{"name": "pace", "options": ["own", "new"]}, TONE])
    assert [(each["name"], each["state"]) for each in policy["dimensions"][0]["options"]] == [
        ("slow", "retired"),
        ("fast", "retired"),
        ("own", "active"),
        ("new", "active"),
    ]


async def test_a_dry_run_says_what_would_change_and_changes_nothing(admin, put):
    before = await put(dimensions=[TONE, PACE])
    paused = {"name": "pace", "options": ["slow", "own", {"name": "fast", "state": "paused"}]}
    answer = await admin.put("/v1/policy?dryRun=true", json={"dimensions": [TONE, paused], "decay": 0.9})
    told = answer.json()
    assert told["changes"] == [
        {"field": "dimensions.pace.fast", "from": "active", "to": "paused"},
        {"field": "combinations", "from": 6, "to": 4},
        {"field": "decay", "from": 0.98, "to": 0.9},
    ]
    assert told["noLongerShown"] == ["pace.fast"]
    assert (told["combinationsBefore"], told["combinationsAfter"], told["rewards"]) == (6, 4, None)
    assert (told["policy"]["version"], await shown(admin)) == (3, before)
    assert refused(await admin.put("/v1/policy?dryRun=yes", json={}), 400, "INVALID_PARAMETER")["field"] == (
        "dryRun"
    )


async def test_a_dry_run_of_weights_says_how_stored_outcomes_would_be_judged(admin):
    for user in ("ada", "ben"):
        await admin.interact(user, times=3, completed=True)
    answer = await admin.put("/v1/policy?dryRun=true", json={"weights": {"completed": 1.0}})
    rewards = answer.json()["rewards"]
    assert (rewards["users"], rewards["outcomes"], rewards["from"], rewards["to"]) == (2, 6, 0.8, 1.0)
    assert len(rewards["options"]) == 16
    assert all(each["to"] > each["from"] for each in rewards["options"])
    nothing = (await admin.put("/v1/policy?dryRun=true", json={"weights": {}})).json()
    assert (nothing["rewards"], nothing["changes"]) == (None, [])


async def test_a_policy_is_one_tenants_and_one_environments(admin, put, caller):
    await put(dimensions=[TONE])
    for other in (await caller("all", tenant="other"), await caller("all", env="live")):
        assert (await shown(other))["version"] == 1
        assert "suggestedFraming" in (await other.context()).json()
    assert "tone" in (await admin.context()).json()


async def test_the_server_dates_the_freeze(admin, put):
    assert (await put(mode="frozen"))["frozenAt"] is not None
    frozen = await put(decay=0.9)
    assert frozen["frozenAt"] == (await put(decay=0.95))["frozenAt"]
    assert (await put(mode="learning"))["frozenAt"] is None


async def test_the_window_of_the_policy_holds_and_widening_lets_nothing_in_again(put, admin):
    request = await admin.decided()
    await put(outcomeWindow=0.001)
    refused(await admin.outcome(await late(admin)), 410, "REQUEST_EXPIRED")
    await put(outcomeWindow=3600)
    refused(await admin.outcome(request), 410, "REQUEST_EXPIRED")
    assert (await admin.outcome(await admin.decided())).status_code == 200


async def late(client):
    """A request whose window of a millisecond has passed on the store's clock."""
    request = await client.decided()
    for _ in range(20):
        await client.decided("somebody")
    return request


async def test_the_store_down_is_a_503_that_may_be_tried_again(admin, outage):
    with outage():
        refused(await admin.get("/v1/policy"), 503, "STORE_UNAVAILABLE")
        refused(await admin.put("/v1/policy", json={"decay": 0.9}), 503, "STORE_UNAVAILABLE")


async def test_a_change_whose_announcement_was_lost_is_made_known_by_sending_it_again(
    admin, store, serve, caller
):
    """The first call published and died before it told the other workers."""
    lost = (await admin.put("/v1/policy", json={"dimensions": [TONE]})).json()
    await store.ask("HDEL", POLICY_VERSIONS, "acme:test")
    beside = await caller("all", on=await serve())
    assert "suggestedFraming" in (await beside.context()).json()
    assert (await admin.put("/v1/policy", json={"dimensions": [TONE]})).json() == lost
    later = await caller("all", on=await serve())
    assert "tone" in (await later.context()).json()


async def test_of_two_changes_at_once_none_is_lost(admin):
    answers = await asyncio.gather(
        *(admin.put("/v1/policy", json={"weights": {name: 0.5}}) for name in ("flow", "speed", "completed"))
    )
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4]
    weights = (await shown(admin))["weights"]
    assert (weights["flow"], weights["speed"], weights["completed"]) == (0.5, 0.5, 0.5)
