"""/v1/profile/{userId}, clause by clause. Contract: amp.md."""

from urllib.parse import quote

import pytest
from envelopes import refused

PREFERENCES = {
    "preferredFraming": ["achievement", "learning", "micro_task", "challenge"],
    "communicationStyle": ["brief_directive", "detailed_explanatory", "conversational", "technical"],
    "complexityPreference": ["full_solution", "break_into_steps", "hints_only", "high_level"],
    "encouragementLevel": ["high", "moderate", "minimal", "none"],
}
AWKWARD_IDS = [
    "a/b",
    "a%2Fexport",
    "export",
    "posterior",
    "ü",
    "a b",
    "a+b",
    "?",
    "#",
    "%",
    ".",
    "..",
    "a//b",
    ";",
]


async def change(client, user="ada", **fields):
    return await client.put(f"/v1/profile/{user}", json=fields)


async def test_a_profile_has_every_field_of_the_contract(client):
    await client.interact(completed=True, timeToStart=2, flowState=True)
    body = (await client.get("/v1/profile/ada")).json()
    assert set(body) >= {
        *PREFERENCES,
        "userId",
        "totalInteractions",
        "completionRate",
        "averageTimeToStart",
        "flowStateFrequency",
        "framingConfidence",
        "styleConfidence",
        "complexityConfidence",
        "encouragementConfidence",
        "taskTypeAffinities",
        "timeOfDayPatterns",
        "metadata",
        "createdAt",
        "lastUpdated",
        "profileVersion",
    }
    for preference, options in PREFERENCES.items():
        assert body[preference] in options
    assert body["createdAt"].endswith("Z")
    assert body["createdAt"] <= body["lastUpdated"]
    assert isinstance(body["profileVersion"], str)


async def test_rates_are_shares_of_all_interactions(client):
    for signals in (
        {"completed": True, "flowState": True, "timeToStart": 2},
        {"completed": False, "timeToStart": 4},
        {},
        {"started": False},
    ):
        await client.outcome(await client.decided(taskType="coding"), **signals)
    body = (await client.get("/v1/profile/ada")).json()
    assert body["totalInteractions"] == 4
    assert body["completionRate"] == body["flowStateFrequency"] == 0.25
    assert body["averageTimeToStart"] == 3
    assert body["taskTypeAffinities"] == {"coding": 0.25}
    assert sum(hour["interactions"] for hour in body["timeOfDayPatterns"]) == 4


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
async def test_any_user_id_works_percent_encoded_in_the_path(client, verb):
    for user in AWKWARD_IDS:
        await client.interact(user)
    for user in AWKWARD_IDS:
        body = {"preferredFraming": "learning"} if verb == "PUT" else None
        answer = await client.request(verb, f"/v1/profile/{encoded(user)}", json=body)
        if verb == "DELETE":
            assert answer.status_code == 204
            assert (await client.context(user)).json()["metadata"]["interactionCount"] == 0
        else:
            assert (answer.json()["userId"], answer.json()["totalInteractions"]) == (user, 1)


@pytest.mark.parametrize("page", ["export", "posterior"])
async def test_what_lies_below_a_user_works_for_any_id(client, page):
    for user in AWKWARD_IDS:
        await client.interact(user)
        body = (await client.get(f"/v1/profile/{encoded(user)}/{page}")).json()
        assert body.get("profile", body)["userId"] == user


def encoded(user):
    """Every byte percent-encoded but letters: a dot alone would be resolved away by the client."""
    return quote(user, safe="").replace(".", "%2E")


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
async def test_a_bad_id_in_the_path_is_refused(client, verb):
    for raw in ("%20", "a%00", "%0A", "%C3%28", "x" * 257, "%ED%A0%80"):
        answer = await client.request(verb, f"/v1/profile/{raw}", json={} if verb == "PUT" else None)
        refused(answer, 400, "INVALID_USER_ID", field="userId")


async def test_an_id_in_the_path_is_trimmed_as_in_a_body(client):
    await client.interact("ada")
    assert (await client.get("/v1/profile/%20ada%20")).json()["userId"] == "ada"


async def test_the_longest_id_works_in_a_path(client):
    user = "\U0001f600" * 256
    await client.interact(user)
    assert (await client.get(f"/v1/profile/{quote(user)}")).json()["userId"] == user


@pytest.mark.parametrize("page", ["", "/export", "/posterior"])
async def test_nobody_has_no_profile(client, page):
    refused(await client.get(f"/v1/profile/nobody{page}"), 404, "NOT_FOUND")


@pytest.mark.parametrize(("field", "options"), PREFERENCES.items())
async def test_every_option_can_be_preferred_and_is_shown(client, field, options):
    for option in options:
        answer = await change(client, **{field: option})
        assert answer.status_code == 200
        assert answer.json()[field] == (await client.get("/v1/profile/ada")).json()[field] == option


@pytest.mark.parametrize("field", PREFERENCES)
async def test_what_is_no_option_is_refused_and_changes_nothing(client, field):
    for value in ("", "sometimes", "ACHIEVEMENT", 7, True, [], {}):
        refused(await change(client, **{field: value}), 400, "INVALID_PREFERENCE", field=field)
    refused(await client.get("/v1/profile/ada"), 404, "NOT_FOUND")


async def test_one_bad_preference_refuses_the_whole_update(client):
    await change(client, preferredFraming="learning")
    await change(client, preferredFraming="challenge", encouragementLevel="loud")
    assert (await client.get("/v1/profile/ada")).json()["preferredFraming"] == "learning"


async def test_an_empty_update_creates_the_profile(client):
    answer = await change(client)
    assert (answer.status_code, answer.json()["totalInteractions"]) == (200, 0)
    assert answer.json()["averageTimeToStart"] is None


async def test_a_preference_that_is_cleared_is_learned_again(client):
    before = (await change(client)).json()
    await change(client, preferredFraming="challenge")
    after = (await change(client, preferredFraming=None)).json()
    for field in (*PREFERENCES, "framingConfidence"):
        assert after[field] == before[field]


class TestLocks:
    async def test_a_lock_pins_what_is_sent_with_it_and_nothing_else(self, client):
        await change(client, encouragementLevel="none")
        body = (await change(client, preferredFraming="learning", lock=True)).json()
        assert body["locked"] == ["preferredFraming"]

    @pytest.mark.parametrize(
        ("update", "locked"),
        [
            ({"encouragementLevel": "none"}, True),
            ({"encouragementLevel": "none", "lock": False}, True),
            ({"preferredFraming": "challenge"}, True),
            ({"lock": False}, True),
            ({"metadata": {"a": 1}}, True),
            ({"preferredFraming": "learning", "lock": False}, False),
            ({"preferredFraming": None}, False),
        ],
    )
    async def test_only_null_or_sending_it_unlocked_unlocks(self, client, update, locked):
        await change(client, preferredFraming="learning", lock=True)
        body = (await change(client, **update)).json()
        assert ("preferredFraming" in body["locked"]) is locked


class TestMetadata:
    async def test_keys_are_merged_and_null_deletes_one(self, client):
        await change(client, metadata={"a": 1, "b": [True, None], "c": {"d": "ü"}})
        body = (await change(client, metadata={"a": None, "b": 2})).json()
        assert body["metadata"] == {"b": 2, "c": {"d": "ü"}}

    async def test_at_most_4_kib_in_one_update_and_in_all(self, client):
        too_much = {"x": "y" * 4096}
        refused(await change(client, metadata=too_much), 400, "INVALID_PARAMETER", field="metadata")
        assert (await change(client, metadata={"a": "y" * 3000})).status_code == 200
        answer = await change(client, metadata={"b": "y" * 3000}, preferredFraming="learning")
        refused(answer, 400, "INVALID_PARAMETER", field="metadata")
        assert list((await client.get("/v1/profile/ada")).json()["metadata"]) == ["a"]


class TestVersions:
    async def test_the_version_changes_exactly_when_the_profile_does(self, client):
        first = (await change(client, preferredFraming="learning")).json()
        assert (await client.get("/v1/profile/ada")).json() == first
        await client.context("ada")
        assert (await client.get("/v1/profile/ada")).json()["profileVersion"] == first["profileVersion"]
        await client.interact("ada")
        assert (await client.get("/v1/profile/ada")).json()["profileVersion"] != first["profileVersion"]


class TestErasure:
    async def test_it_is_safe_to_repeat_and_has_no_body(self, client):
        for _ in range(2):
            answer = await client.delete("/v1/profile/ada")
            assert (answer.status_code, answer.content) == (204, b"")

    @pytest.mark.parametrize("was_known", [True, False])
    async def test_what_was_decided_before_is_expired(self, client, was_known):
        if was_known:
            await client.interact()
        request_id = await client.decided()
        await client.delete("/v1/profile/ada")
        refused(await client.outcome(request_id), 410, "REQUEST_EXPIRED")
        refused(await client.get("/v1/profile/ada"), 404, "NOT_FOUND")

    async def test_preferences_locks_and_metadata_go_too(self, client):
        await change(client, preferredFraming="learning", lock=True, metadata={"a": 1})
        await client.delete("/v1/profile/ada")
        body = (await change(client)).json()
        assert (body["locked"], body["metadata"]) == ([], {})

    async def test_the_log_no_longer_tells_who_it_was(self, client):
        await client.interact("ada", metadata={"ticket": 7})
        await client.delete("/v1/profile/ada")
        await change(client, "ada")
        export = (await client.get("/v1/profile/ada/export")).json()
        assert export["interactions"] == []

    async def test_a_user_may_come_back(self, client, store):
        await client.interact("ada")
        await client.delete("/v1/profile/ada")
        erased_ms = await milliseconds(store)
        while await milliseconds(store) == erased_ms:
            pass
        await client.interact("ada")
        assert (await client.get("/v1/profile/ada")).json()["totalInteractions"] == 1


async def milliseconds(store):
    seconds, micros = await store.ask("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def test_a_posterior_has_the_numbers_of_every_option(client):
    await client.interact("ada", completed=True)
    body = (await client.get("/v1/profile/ada/posterior")).json()
    assert 0 < body["userWeight"] < 1
    for dimension in body["dimensions"]:
        for option in dimension["options"]:
            assert set(option) == {
                "option",
                "mean",
                "sd",
                "probabilityBest",
                "populationMean",
                "populationSd",
            }
            assert option["sd"] > 0
        shares = sum(option["probabilityBest"] for option in dimension["options"])
        assert shares == pytest.approx(1)
    assert len(body["dimensions"]) == 4
