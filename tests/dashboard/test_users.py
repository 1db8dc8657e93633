"""Users: found, looked at row by row, preferred for, taken home and erased."""

import re
from collections import Counter
from urllib.parse import urlencode

import crowd_of
import pytest
import pytest_asyncio
from site_of import csrf_in

from amp.dashboard import words
from amp.dashboard.user import PAST_A_PAGE

WEIRD = '<b>"Ünal" & \u200fعلي\u200e 名前 %2F ?#+;' + "x" * 180
FIELD = "preferredFraming"


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site):
    return await open_site(control_share=0.3)


@pytest_asyncio.fixture(loop_scope="session")
async def api(site):
    return await site.api()


async def interact(api, user, times=1, **outcome):
    for _ in range(times):
        told = (
            await api.post("/v1/context", json={"userId": user, "task": "x", "taskType": "coding"})
        ).json()
        answer = await api.post(
            "/v1/outcome", json={"requestId": told["requestId"], "started": True, "completed": True} | outcome
        )
        assert answer.status_code == 200, answer.text


@pytest_asyncio.fixture(loop_scope="session")
async def crowded(site, api):
    await crowd_of.lived(site, api, users=40, times=2)
    await interact(api, WEIRD, times=3, timeToStart=90, satisfaction=0.75, flowState=True)
    await interact(api, "ada", times=25)
    await site.house.room.recent.flush()
    return site


def plain(page):
    """The words of a page, without its markup; any space is a space."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def path(user, where="/users/user", **more):
    return f"{where}?{urlencode({'id': user, **more})}"


async def test_a_new_tenant_is_told_how_users_come(site):
    text = plain((await (await site.signed_in()).get("/users")).text)
    assert "No users yet" in text
    assert "A user is known from the first report on" in text


async def test_who_was_heard_of_last_and_a_search_say_what_the_api_says(crowded, api):
    client = await crowded.signed_in()
    listed = (await api.get("/v1/insights/users", params={"limit": 50})).json()
    text = plain((await client.get("/users")).text)
    assert "42 users are known" in text
    for each in listed["users"]:
        if each["userId"] != WEIRD:
            phase, number = words.plain(each["phase"]), each["totalInteractions"]
            assert f"{each['userId']} {phase} {number} – " in text
    assert [each["userId"] for each in listed["users"]][:2] == ["ada", WEIRD]
    text = plain((await client.get("/users?search=user+1")).text)
    assert "Looked at 42 of 42 ids, and 10 others begin so." in text
    assert "user 19 " in text
    assert "Look at the next" not in text
    exact, _, begin = text.partition("Ids that begin so")
    assert "user 1 " in exact
    assert "user 10 " in begin
    assert "No user has exactly this id." in plain((await client.get("/users?search=use")).text)
    assert "must not contain control" in (await client.get("/users?search=a%00")).text


async def test_a_bounded_search_goes_on_where_it_stopped(crowded, monkeypatch):
    monkeypatch.setattr("amp.learning.users.LOOK_BUDGET", 1)
    monkeypatch.setattr("amp.learning.user_store.PAGE", 8)
    client, looks, seen, on = await crowded.signed_in(), 0, set(), "/users?search=user"
    while on:
        page = (await client.get(on)).text
        seen |= set(re.findall(r"<bdi>(user \d+)</bdi>", page))
        further = re.search(r'href="(/users\?search=user&amp;after=[\d.]+)"', page)
        on, looks = further and further[1].replace("&amp;", "&"), looks + 1
        assert looks < 60
    assert len(seen) == 40
    assert looks > 4


async def test_a_users_page_says_what_the_api_says(crowded, api):
    client = await crowded.signed_in()
    text = plain((await client.get(path("ada"))).text)
    profile = (await api.get("/v1/profile/ada")).json()
    posterior = (await api.get("/v1/profile/ada/posterior")).json()
    past = (await api.get("/v1/insights/users/ada/history")).json()
    assert f"Phase Optimised known since {words.day(profile['createdAt'])}" in text
    assert f"Interactions {profile['totalInteractions']} " in text
    assert plain(f"Own weight {words.percent(posterior['userWeight'], 0)}") in text
    for dimension in posterior["dimensions"]:
        for option in dimension["options"]:
            half, mean = 1.645 * option["sd"], option["mean"]
            told = f"{words.reward(mean)} ({words.reward(mean - half)} to {words.reward(mean + half)})"
            assert f"{option['option']} {told}" in text
    assert "1 to 20 of 25, the newest first." in text
    for each in past["interactions"]:
        assert plain(each["why"].replace('"', "&#34;")) in text
        assert f"reward {words.reward(each['reward'])}" in text
    older = plain((await client.get(path("ada", before=20))).text)
    assert "21 to 25 of 25" in older
    assert "Newer" in older
    assert "Older" not in older
    assert "There is nothing on this page" in plain((await client.get(path("ada", before=90))).text)


async def test_what_was_reported_is_told_in_words(crowded):
    text = plain((await (await crowded.signed_in()).get(path(WEIRD))).text)
    assert "started, completed, 90 s to start, in flow, satisfaction 75 %" in text
    assert "coding" in text


async def test_any_id_is_text_and_finds_its_way(crowded, api):
    client = await crowded.signed_in()
    page = (await client.get("/users")).text
    assert "<b>" not in page
    (there,) = set(re.findall(r'href="(/users/user\?id=%3Cb%3E[^"]+)"', page))
    page = (await client.get(there)).text
    assert "<b>" not in page
    kept = await client.get(path(WEIRD, "/users/export"))
    assert kept.json()["profile"]["userId"] == WEIRD
    assert kept.headers["content-disposition"] == 'attachment; filename="user.json"'
    assert "no-store" in kept.headers["cache-control"]


@pytest.mark.parametrize("where", ["/users/user", "/users/export", "/users/erase"])
async def test_another_tenants_user_is_not_there(crowded, where):
    client = await crowded.signed_in(tenant="other")
    theirs, nobodys = [await client.get(path(user, where)) for user in ("ada", "nobody")]
    assert theirs.status_code == nobodys.status_code == 404
    for user in ("", "a\x00"):
        assert (await client.get(path(user, where))).status_code == 400


async def test_another_tenants_user_cannot_be_changed_or_erased(crowded, api):
    client = await crowded.signed_in(tenant="other")
    csrf = csrf_in((await client.get("/users")).text)
    for where, said in (
        ("/users/preference", {"preference": FIELD, "option": "learning"}),
        ("/users/erase", {"confirm": "ada"}),
    ):
        assert (await client.post(where, data={"csrf": csrf, "id": "ada"} | said)).status_code == 404
    assert (await api.get("/v1/profile/ada")).json()["totalInteractions"] == 25


async def test_a_preference_is_set_locked_and_cleared(crowded, api):
    client = await crowded.signed_in()
    csrf = csrf_in((await client.get(path("ada"))).text)

    async def set_to(option, **more):
        said = {"csrf": csrf, "id": "ada", "preference": FIELD, "option": option} | more
        return await client.post("/users/preference", data=said)

    answer = await set_to("challenge", lock="on")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/users/user?id=ada&changed={FIELD}#preferences",
    )
    profile = (await api.get("/v1/profile/ada")).json()
    assert (profile[FIELD], profile["locked"]) == ("challenge", [FIELD])
    assert f"{FIELD} is saved." in (await client.get(answer.headers["location"])).text
    await set_to("challenge")
    assert (await api.get("/v1/profile/ada")).json()["locked"] == []
    nothing = await set_to("", lock="on")
    told = (await client.get(nothing.headers["location"])).text
    assert f"{FIELD} is saved: none is stated, so nothing is locked." in told
    assert (await api.get("/v1/insights/users/ada")).json()["preferences"] == {}
    assert (await set_to("nonsense")).status_code == 400
    assert (await set_to("challenge", preference="lock")).status_code == 400
    assert (await set_to("challenge", csrf="")).status_code == 403


async def test_why_nobody_knows_any_more_is_said_once_for_many(crowded, api):
    client = await crowded.signed_in()
    before = (await client.get(path("ada"))).text
    assert "not known any more" not in before
    await api.put("/v1/profile/ada", json={FIELD: "challenge"})
    after = (await client.get(path("ada"))).text
    asked = {"limit": PAST_A_PAGE}
    told = (await api.get("/v1/insights/users/ada/history", params=asked)).json()["interactions"]
    reasons = Counter(each["unexplained"] for each in told if each["unexplained"])
    assert max(reasons.values()) > 1
    for reason in reasons:
        assert after.count(f"not known any more: {reason}.") == 1
    assert after.count('<p class="past-why">') == len(told) - sum(n for n in reasons.values() if n > 1)


async def test_who_may_only_read_changes_nothing(crowded):
    client = await crowded.signed_in("read")
    page = (await client.get(path("ada"))).text
    csrf = csrf_in(page)
    assert 'action="/users/preference"' not in page
    assert "takes a key with the permission" in plain(page)
    assert (await client.get(path("ada", "/users/export"))).status_code == 200
    assert (await client.get(path("ada", "/users/erase"))).status_code == 403
    for where in ("/users/preference", "/users/erase"):
        said = {"csrf": csrf, "id": "ada", "confirm": "ada", "preference": FIELD, "option": ""}
        assert (await client.post(where, data=said)).status_code == 403
    operator = await crowded.signed_in("admin")
    assert (await operator.get("/users")).status_code == 200
    for where in ("/users/user", "/users/export", "/users/erase"):
        assert (await operator.get(path("ada", where))).status_code == 403


async def test_an_erasure_takes_the_id_typed_once_more(crowded, api):
    client = await crowded.signed_in()
    csrf = csrf_in((await client.get(path(WEIRD, "/users/erase"))).text)
    said = {"csrf": csrf, "id": WEIRD}
    refused = await client.post("/users/erase", data=said | {"confirm": "ada"})
    assert refused.status_code == 400
    assert "Nothing was erased" in refused.text
    done = await client.post("/users/erase", data=said | {"confirm": f" {WEIRD} "})
    assert (done.status_code, done.headers["location"]) == (303, "/users/erased")
    assert "The user is erased" in (await client.get("/users/erased")).text
    assert (await client.get(path(WEIRD))).status_code == 404
    assert (await client.post("/users/erase", data=said | {"confirm": WEIRD})).status_code == 404
    assert "xxx" not in (await client.get("/users")).text


@pytest.mark.usefixtures("crowded")
async def test_from_the_list_to_a_user_a_preference_and_an_erasure(visit, inspected):
    page = await visit("/users")
    await inspected(page, "users")
    await page.get_by_label("User id, or how it begins").fill("ada")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/users?search=ada")
    await page.get_by_role("link", name="ada").click()
    await page.get_by_label("communicationStyle", exact=True).select_option("technical")
    await page.get_by_role("button", name="Save communicationStyle").click()
    assert await page.get_by_role("status").inner_text() == "communicationStyle is saved."
    await inspected(page, "user")
    await page.set_viewport_size({"width": 1280, "height": 900})
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export as JSON").click()
    assert (await download.value).suggested_filename == "user.json"
    await page.get_by_role("link", name="Erase…").click()
    await inspected(page, "user-erase")
    await page.get_by_label("Type the id once more").fill("ada")
    await page.get_by_role("button", name="Erase for good").click()
    await page.get_by_role("heading", name="The user is erased").wait_for()


@pytest.mark.usefixtures("crowded")
async def test_without_javascript_and_with_any_id_it_fits_a_phone(visit):
    page = await visit(path(WEIRD), script=False, width=375)
    assert await page.locator("#beliefs svg.chart").count() == 4
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    await page.get_by_label("encouragement", exact=True).select_option("none")
    await page.get_by_role("button", name="Save encouragement").click()
    assert await page.get_by_role("status").inner_text() == "encouragementLevel is saved."
