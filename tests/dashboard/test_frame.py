"""What every page keeps: its headers, errors, assets, live regions; and that the API is as it was."""

import hashlib
import json
import re

import pytest

from amp.app import create
from amp.dashboard import assets
from amp.dashboard.mount import PAGES
from amp.settings import Settings

VENDORED = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""uPlot 1.6.32, MIT, as `npm pack` gives it."""


async def test_no_page_runs_a_script_of_others_nor_lets_itself_be_framed(site):
    client = await site.signed_in()
    for path in ("/", "/nothing-here", "/sign-in/link/x"):
        answer = await client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script>" not in answer.text
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [("/nothing-here", 404, "nothing here"), ("/users/a/b/c/d", 404, "nothing here")],
)
async def test_what_goes_wrong_in_a_browser_is_a_page(site, path, status, says):
    answer = await (await site.signed_in()).get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert says in answer.text


async def test_programs_still_get_their_errors_as_json(site):
    client = await site.api()
    for path in ("/v1/nothing", "/nothing"):
        assert (await client.get(path)).headers["content-type"] == "application/json"
    answer = await client.get("/v1/nothing", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/json"


async def test_without_its_store_a_page_says_so(site):
    client = await site.signed_in()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(site.house.store, "ask_each", _nothing)
        answer = await client.get("/")
        assert answer.status_code == 503
        assert "does not answer" in answer.text
        assert answer.headers["retry-after"] == "1"
    assert (await client.get("/")).status_code == 200


async def _nothing(_):
    from amp.errors import StoreUnavailable

    raise StoreUnavailable


async def test_without_a_session_nothing_is_shown_but_the_door(site):
    """A page that is added is behind the door, unless it is named here."""
    bare = create(Settings(secret="only to compare"), site.store)
    api = {route.path for route in bare._app.routes}
    own = {route.path: route for route in site.app._app.routes if route.path not in api}
    door = {"/sign-in", "/sign-in/link/{token:str}", "/sign-out", "/theme", "/static/{name:str}"}
    assert door < set(own)
    client = site.stranger()
    for path in set(own) - door:
        for method in own[path].methods - {"OPTIONS"}:
            answer = await client.request(method, re.sub(r"{\w+:\w+}", "x", path))
            assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in"), path


async def test_regions_are_served_together_and_without_the_rest(site):
    client = await site.signed_in()
    part = await client.get("/", headers={"Amp-Region": "lift health"})
    assert part.status_code == 200
    assert "<html" not in part.text
    assert list(part.json()) == ["lift", "health"]
    assert "What learning is worth" in part.json()["lift"]
    for none in ("none such", "lift none", ""):
        assert (await client.get("/", headers={"Amp-Region": none})).status_code == 404, none


async def test_many_open_pages_take_turns_and_few_hear_at_once(monkeypatch):
    from amp.dashboard import pulse as beating
    from amp.tenancy import tenant

    async def still():
        pass

    async def watch(_):
        return "1"

    pauses = []

    async def pause(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(beating, "_pause", pause)
    at_s = [0.0]
    pulse = beating.Pulse({"topic": watch}, elapsed_s=lambda: at_s[0])
    for pages, expected_s in ((1, 1.0), (4, 1.0), (20, 5.0), (400, 15.0)):
        streams = [pulse.frames(tenant("acme", "live"), still) for _ in range(pages)]
        for stream in streams:
            assert b'"topic":"1"' in await anext(stream)
        pauses.clear()
        at_s[0] += beating.PING_S
        assert await anext(streams[-1]) == beating.PING  # it has waited once meanwhile
        assert pauses == [expected_s]
        for stream in streams:
            await stream.aclose()


async def test_every_page_is_in_the_navigation_and_says_which_it_is(site):
    client = await site.signed_in()
    for page in PAGES:
        answer = await client.get(page.tab.path)
        assert answer.status_code == 200
        assert f'<a href="{page.tab.path}" aria-current="page">{page.tab.name}</a>' in answer.text


async def test_a_page_tells_whose_data_it_shows_and_no_other_tenants(site):
    client = await site.signed_in(tenant="other", env="test")
    text = (await client.get("/")).text
    assert "<strong>other</strong>" in text
    assert "acme" not in text


async def test_assets_are_named_by_their_content_and_kept_for_ever(site):
    client = site.stranger()
    for name, asset in assets.ASSETS.items():
        answer = await client.get(assets.url(name))
        assert (answer.status_code, answer.content) == (200, asset.content)
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].startswith(asset.media_type)
    assert (await client.get("/static/..%2fpages.py")).status_code == 404


@pytest.mark.parametrize("name", VENDORED)
def test_what_is_vendored_is_what_its_makers_published(name):
    assert hashlib.sha256(assets.ASSETS[name].content).hexdigest() == VENDORED[name]


async def test_live_tells_versions_at_once_and_again_when_they_change(site):
    client = await site.signed_in()
    async with client.stream("GET", "/live", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = _told(answer)
        first = await anext(told)
        assert set(first) == {"learning", "deciding", "ledger", "grading", "verifying"}
        api = await site.api()
        assert (await api.put("/v1/policy", json={"controlShare": 0.3})).status_code == 200
        second = await anext(told)
        assert second["deciding"] != first["deciding"]
        assert second["ledger"] == first["ledger"]


async def _told(answer):
    async for line in answer.aiter_lines():
        if line.startswith("data: {") and "ping" not in line:
            yield json.loads(line[6:])


async def test_live_ends_with_its_key_and_needs_one(site):
    key = await site.key()
    client = await site.signed_in(key=key)
    assert (await site.stranger().get("/live", headers={"Accept": "text/event-stream"})).status_code == 401
    async with client.stream("GET", "/live") as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        await site.keyring.revoke(key.rsplit("_", 1)[1][:8])
        await site.house.keys.refresh()
        async for _ in lines:
            pass  # until it ends


async def test_however_many_pages_are_open_versions_are_asked_for_once_a_second(site):
    from amp.dashboard.pulse import Pulse
    from amp.tenancy import tenant

    asked, at_s = [], [0.0]

    async def watch(_):
        asked.append(1)
        return "1"

    pulse = Pulse({"topic": watch}, elapsed_s=lambda: at_s[0])
    for _ in range(100):
        assert await pulse.now(tenant("acme", "live")) == {"topic": "1"}
    assert len(asked) == 1
    at_s[0] = 1.0
    await pulse.now(tenant("acme", "live"))
    assert len(asked) == 2
