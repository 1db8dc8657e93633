"""GET /v1/insights/users: who is there, found honestly, and what was decided for one of them and why."""

import pytest
from envelopes import refused

from amp.learning import rows
from amp.learning import users as users_service
from amp.learning.past import explained, versions
from amp.learning.record import Record
from amp.learning.users import LIMIT_MAX
from amp.store.keys import recent_users
from amp.tenancy import Tenant

TENANT = Tenant("acme", "test")
LIST = "/v1/insights/users"


@pytest.fixture
async def client(caller):
    return await caller("context", "outcome", "profile", "read")


@pytest.fixture
def flush(app):
    """As if the worker's next write of whom it heard of had come."""
    profiles = app._app.dependencies["profiles"].dependency()
    return profiles._recent.flush


async def users(client, **asked):
    answer = await client.get(LIST, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def history(client, user, **asked):
    answer = await client.get(f"{LIST}/{user}/history", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


# The list


async def test_before_anybody_came(client):
    assert await users(client) == {
        "usersKnown": 0,
        "exact": None,
        "users": [],
        "usersFound": 0,
        "usersLookedAt": 0,
        "after": None,
    }


async def test_who_was_heard_of_last_comes_first(client, flush):
    for user in ("ada", "bob", "eve"):
        await client.interact(user)
        await flush()
    await client.interact("ada", times=5)
    await client.put("/v1/profile/zoe", json={"preferredFraming": "learning"})
    await client.context("nobody reported for this one")
    await flush()
    listed = await users(client)
    told = [(each["userId"], each["phase"], each["totalInteractions"]) for each in listed["users"]]
    assert sorted(told[:2]) == [("ada", "learning", 6), ("zoe", "cold_start", 0)]
    assert told[2:] == [("eve", "cold_start", 1), ("bob", "cold_start", 1)]
    assert listed["usersKnown"] == 4
    by_name = {each["userId"]: each for each in listed["users"]}
    assert by_name["zoe"]["lastReportedAt"] is None
    stated = by_name["zoe"]["preferences"]["preferredFraming"]
    assert (stated["option"], stated["locked"]) == ("learning", False)
    assert (await client.get(f"{LIST}/zoe")).json() == by_name["zoe"]
    assert by_name["ada"]["lastReportedAt"].startswith("20")
    assert [each["userId"] for each in (await users(client, limit=3))["users"]][2:] == ["eve"]


async def test_an_exact_id_is_found_first_and_those_that_begin_so_by_id(client):
    for user in ("ada", "ada b", "adam", "Ada", "bob", "ädä"):
        await client.interact(user)
    found = await users(client, search=" ada ")
    assert found["exact"]["userId"] == "ada"
    assert [each["userId"] for each in found["users"]] == ["ada b", "adam"]
    assert (found["usersFound"], found["usersLookedAt"], found["after"]) == (2, 6, None)
    assert (await users(client, search="äd"))["users"][0]["userId"] == "ädä"
    nobody = await users(client, search="nobody")
    assert (nobody["exact"], nobody["users"], nobody["usersLookedAt"]) == (None, [], 6)


async def test_a_search_is_bounded_says_so_and_goes_on(client, flush, monkeypatch):
    monkeypatch.setattr(users_service, "LOOK_BUDGET", 1)
    monkeypatch.setattr("amp.learning.user_store.PAGE", 4)
    names = [f"user {number}" for number in range(20)]
    for user in names:
        await client.interact(user)
    seen, looked, after = [], 0, ""
    while after is not None:
        found = await users(client, search="user", after=after)
        assert 0 < found["usersLookedAt"] <= 20 or found["after"] is None
        looked += found["usersLookedAt"]
        seen += [each["userId"] for each in found["users"]]
        after = found["after"]
    assert sorted(seen) == sorted(names)
    assert looked == found["usersKnown"] == 20


async def test_more_than_are_shown_are_counted(client):
    for number in range(5):
        await client.interact(f"user {number}")
    found = await users(client, search="user", limit=2)
    assert [each["userId"] for each in found["users"]] == ["user 0", "user 1"]
    assert found["usersFound"] == 5


async def test_who_is_erased_is_on_no_list(client, flush, store):
    for user in ("ada", "bob"):
        await client.interact(user)
    await flush()
    assert (await client.delete("/v1/profile/ada")).status_code == 204
    assert [each["userId"] for each in (await users(client))["users"]] == ["bob"]
    assert (await users(client, search="ada"))["exact"] is None


async def test_who_is_erased_before_the_list_is_written_does_not_come_back(client, flush, store):
    await client.interact("ada")
    assert (await client.delete("/v1/profile/ada")).status_code == 204
    await flush()
    assert (await users(client))["users"] == []
    lists = [await store.ask("ZCARD", recent_users(TENANT, number)) for number in range(256)]
    assert sum(lists) == 0


async def test_a_bucket_keeps_a_few_and_no_more(client, flush, store, monkeypatch):
    monkeypatch.setattr("amp.learning.user_store.RECENT_A_BUCKET", 2)
    monkeypatch.setattr("amp.store.keys.bucket", lambda _: 7)
    monkeypatch.setattr("amp.learning.user_store.bucket", lambda _: 7)
    for user in ("ada", "bob", "eve"):
        await client.interact(user)
        await flush()
    assert await store.ask("ZRANGE", recent_users(TENANT, 7), 0, -1) == [b"bob", b"eve"]


async def test_another_tenant_sees_none_of_them(client, caller, flush):
    await client.interact("ada")
    await flush()
    other = await caller("read", tenant="zoo")
    assert (await users(other))["users"] == []
    assert (await users(other, search="ada"))["exact"] is None
    refused(await other.get(f"{LIST}/ada/history"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"limit": 0}, "INVALID_PARAMETER"),
        ({"limit": LIMIT_MAX + 1}, "INVALID_PARAMETER"),
        ({"search": "a", "after": "x"}, "INVALID_PARAMETER"),
        ({"search": "a", "after": "256.0"}, "INVALID_PARAMETER"),
        ({"search": "a\x00"}, "INVALID_USER_ID"),
        ({"search": "a" * 257}, "INVALID_USER_ID"),
    ],
)
async def test_what_cannot_be_asked(client, asked, code):
    refused(await client.get(LIST, params=asked), 400, code)


# One user's past


async def test_each_decision_of_the_past_with_its_reason_of_then(client):
    """The sentence is the one that the decision was given with, to the letter."""
    told = []
    for number in range(12):
        answer = (await client.context("ada", taskType="coding", complexity="low")).json()
        told.append(answer)
        await client.outcome(answer["requestId"], completed=number % 3 > 0, timeToStart=60)
    seen = await history(client, "ada", limit=100)
    assert (seen["userId"], seen["totalInteractions"], seen["kept"]) == ("ada", 12, 12)
    assert [each["why"] for each in seen["interactions"]] == [each["rationale"] for each in told[::-1]]
    assert len({each["why"] for each in seen["interactions"]}) > 6
    newest = seen["interactions"][0]
    assert newest["unexplained"] is None
    assert newest["interaction"]["taskType"] == "coding"
    assert newest["interaction"]["timeToStart"] == 60
    assert newest["interaction"]["approach"] == {
        name: told[-1][name]
        for name in ("suggestedFraming", "communicationStyle", "complexity", "encouragement")
    }
    assert newest["reward"] > 0.5 > seen["interactions"][2]["reward"]


async def test_reasons_of_the_control_group_and_of_a_shadow_are_theirs(serve, caller):
    service = await serve(control_share=1.0)
    client = await caller("context", "outcome", "read", "admin", env="live", on=service)
    given = []
    for _ in range(2):
        answer = (await client.context("ada")).json()
        given.append(answer["rationale"])
        await client.outcome(answer["requestId"], completed=True)
    own = {"suggestedFraming": "learning", "communicationStyle": "technical"}
    own |= {"complexity": "hints_only", "encouragement": "none"}
    changed = await client.put("/v1/policy", json={"mode": "shadow", "baseline": own})
    assert changed.status_code == 200, changed.text
    answer = (await client.context("ada")).json()
    await client.outcome(answer["requestId"], completed=True)
    seen = (await history(client, "ada"))["interactions"]
    assert [each["why"] for each in seen] == [answer["rationale"], *given[::-1]]
    assert seen[0]["why"].startswith("Shadow mode")
    assert seen[1]["why"].startswith("Control group")


async def test_where_a_preference_may_have_spoken_nothing_is_made_up(client):
    await client.interact("ada", times=2, completed=True)
    await client.put("/v1/profile/ada", json={"preferredFraming": "learning"})
    answer = (await client.context("ada")).json()
    await client.outcome(answer["requestId"], completed=True)
    newest, *before = (await history(client, "ada"))["interactions"]
    assert newest["why"] == answer["rationale"]
    assert "preference" in newest["why"]
    for each in before:
        assert (each["why"], each["unexplained"]) == (
            None,
            "a preference may have been stated or cleared since",
        )


async def test_a_report_that_was_added_to_since_explains_nothing_that_came_between(client):
    first = await client.decided("ada")
    await client.outcome(first, final=False, step=1)
    answer = (await client.context("ada")).json()
    await client.outcome(answer["requestId"], completed=True)
    assert (await history(client, "ada"))["interactions"][0]["why"] == answer["rationale"]
    await client.outcome(first, completed=True, step=2)
    newest, oldest = (await history(client, "ada"))["interactions"]
    assert newest["unexplained"] == "what was reported of an earlier decision was added to since"
    assert oldest["why"]


async def test_page_by_page_the_newest_first(client):
    for number in range(5):
        await client.outcome(await client.decided("ada"), timeToStart=number)
    pages = [await history(client, "ada", offset=offset, limit=2) for offset in (0, 2, 4, 6)]
    told = [[each["interaction"]["timeToStart"] for each in page["interactions"]] for page in pages]
    assert told == [[4, 3], [2, 1], [0], []]
    assert [page["offset"] for page in pages] == [0, 2, 4, 6]


async def test_what_is_no_longer_kept_is_said_to_be_gone(client, app):
    """A prior that is gone takes its reasons with it; rows that were trimmed too."""
    await client.interact("ada", times=3)
    users = app._app.dependencies["users"].dependency()
    record, _ = await users._facts.profile(TENANT, "ada")
    kept = rows.every(record.rows)
    pair = versions(kept[0])
    gone = explained(kept, [2], record, 0, {pair: "the prior that it rested on is no longer kept"})
    assert gone == [(None, "the prior that it rested on is no longer kept")]
    trimmed = Record(**record._asdict() | {"trimmed": 64})
    ((why, unexplained),) = explained(kept, [2], trimmed, 0, await users._rested(TENANT, kept[2:]))
    assert (why, unexplained) == (None, "rows that it saw are no longer kept")
    assert await users._then(TENANT, (pair[0], 9)) == "the prior that it rested on is no longer kept"
    assert await users._then(TENANT, (9, 0)) == "the policy that it followed is not known here"


async def test_an_id_of_any_letters_in_the_path(client):
    await client.interact("ada/löve ✓?#")
    seen = await history(client, "ada%2Fl%C3%B6ve%20%E2%9C%93%3F%23")
    assert seen["userId"] == "ada/löve ✓?#"
    for path in ("nobody", "nobody/history"):
        refused(await client.get(f"{LIST}/{path}"), 404, "NOT_FOUND")
