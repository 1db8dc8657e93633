"""The door of the dashboard: who gets in, as what, for how long, and from where."""

import re

import pytest
from site_of import csrf_in

from amp.dashboard.sign_in import FAILURES_A_MINUTE


async def test_without_a_session_one_is_led_to_sign_in_and_comes_back(site):
    client = site.stranger()
    answer = await client.get("/?by=day")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/%3Fby%3Dday")
    page = await client.get(answer.headers["location"])
    assert 'name="next" value="/?by=day"' in page.text
    answer = await client.post("/sign-in", data={"key": await site.key(), "next": "/?by=day"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?by=day")
    assert (await client.get("/")).status_code == 200
    assert (await client.get("/sign-in?next=//evil.test")).headers["location"] == "/"


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(site):
    client = site.stranger()
    answer = await client.post("/sign-in", data={"key": await site.key()})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("amp_session=")
    for part in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert part in cookie
    assert "secure" not in cookie
    behind = await client.post(
        "/sign-in", data={"key": await site.key()}, headers={"X-Forwarded-Proto": "https"}
    )
    # who is signed in already needs the token of that session
    assert behind.status_code == 403
    client.cookies.clear()
    behind = await client.post(
        "/sign-in", data={"key": await site.key()}, headers={"X-Forwarded-Proto": "https"}
    )
    assert "secure" in behind.headers["set-cookie"].lower()


@pytest.mark.parametrize("key", ["", "amp_sk_live_nobodys", "é"])
async def test_a_bad_key_is_refused_on_a_page(site, key):
    client = site.stranger()
    answer = await client.post("/sign-in", data={"key": key})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_key_that_may_not_read_is_told_so(site):
    answer = await site.stranger().post("/sign-in", data={"key": await site.key("context", "outcome")})
    assert answer.status_code == 403
    assert "lacks the permission &#39;read&#39;" in answer.text


async def test_a_session_goes_with_its_key(site):
    key = await site.key()
    client = await site.signed_in(key=key)
    assert (await client.get("/")).status_code == 200
    await site.keyring.revoke(key.rsplit("_", 1)[1][:8])
    await site.house.keys.refresh()
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert (await client.get("/", headers={"Amp-Region": "lift"})).status_code == 401


async def test_signing_out_ends_the_session_wherever_its_cookie_is(site):
    client = await site.signed_in()
    copied = dict(client.cookies)
    token = csrf_in((await client.get("/")).text)
    answer = await client.post("/sign-out", data={"csrf": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert (await client.get("/")).status_code == 303
    client.cookies.update(copied)
    assert (await client.get("/")).status_code == 303
    assert (await (await site.signed_in()).get("/")).status_code == 200


async def test_a_form_without_the_sessions_token_does_nothing(site):
    client, other = await site.signed_in(), await site.signed_in()
    foreign = csrf_in((await other.get("/")).text)
    for token in ({}, {"csrf": ""}, {"csrf": foreign}):
        answer = await client.post("/sign-out", data=token)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_form_from_elsewhere_is_refused_though_its_token_is_right(site, headers):
    client = await site.signed_in()
    token = csrf_in((await client.get("/")).text)
    answer = await client.post("/sign-out", data={"csrf": token}, headers=headers)
    assert answer.status_code == 403
    assert (await site.stranger().post("/sign-in", data={"key": "x"}, headers=headers)).status_code == 403


async def test_failures_are_counted_and_a_good_key_costs_nothing(site):
    client = site.stranger()
    for _ in range(3):
        client.cookies.clear()
        assert (await client.post("/sign-in", data={"key": await site.key()})).status_code == 303
    client.cookies.clear()
    for _ in range(FAILURES_A_MINUTE):
        assert (await client.post("/sign-in", data={"key": "wrong"})).status_code == 401
    answer = await client.post("/sign-in", data={"key": await site.key()})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert "Wait a minute" in answer.text


class TestLink:
    async def test_who_opened_it_is_in_and_nobody_after(self, site):
        token = await site.links.make(site.keyring.digest((await site.key()).encode()))
        client = site.stranger()
        answer = await client.get(f"/sign-in/link/{token}", headers={"Sec-Fetch-Site": "none"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert (await client.get("/")).status_code == 200
        again = await site.stranger().get(f"/sign-in/link/{token}", headers={"Sec-Fetch-Site": "none"})
        assert again.status_code == 401
        assert "was used before" in again.text

    @pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "none", "Sec-Purpose": "prefetch"}])
    async def test_a_preview_does_not_use_it_up(self, site, headers):
        token = await site.links.make(site.keyring.digest((await site.key()).encode()))
        client = site.stranger()
        page = await client.get(f"/sign-in/link/{token}", headers=headers)
        assert (page.status_code, "set-cookie" in page.headers) == (200, False)
        answer = await client.post(re.search(r'action="(/sign-in/link[^"]+)"', page.text)[1])
        assert answer.status_code == 303
        assert (await client.get("/")).status_code == 200

    async def test_of_a_key_that_has_ended_it_opens_nothing(self, site):
        key = await site.key()
        token = await site.links.make(site.keyring.digest(key.encode()))
        await site.keyring.revoke(key.rsplit("_", 1)[1][:8])
        await site.house.keys.refresh()
        answer = await site.stranger().post(f"/sign-in/link/{token}")
        assert answer.status_code == 401


async def test_light_or_dark_is_a_choice_that_stays(site):
    client = site.stranger()
    answer = await client.post("/theme", data={"theme": "dark", "back": "/sign-in"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert 'data-theme="dark"' in (await client.get("/sign-in")).text
    await client.post("/theme", data={"theme": "<script>", "back": "//evil.test"})
    assert 'data-theme="dark"' in (await client.get("/sign-in")).text
