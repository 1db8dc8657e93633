"""Trust: what can be lost, was verified, waits and was turned away is what the page says; never a secret."""

import asyncio
import html
import json
import re
import shlex
import time

import pytest
import pytest_asyncio
from site_of import csrf_in

from amp.bridge.carrying import Carrying
from amp.clock import iso, now_ms
from amp.dashboard import words
from amp.errors import StoreUnavailable
from amp.ledger import walking
from amp.ledger.audit import Finding, Walked
from amp.ledger.standing import Verifications
from amp.ledger.verified import verified
from amp.ledger.verify import Verifier
from amp.store.ledger_keys import bucket_of, ledger_tag
from amp.tenancy import tenant

ACME = tenant("acme", "live")


@pytest_asyncio.fixture(loop_scope="session")
async def api(site):
    return await site.api()


@pytest_asyncio.fixture(loop_scope="session")
async def full(site, api):
    """A tenant with everything: outcomes, jobs, refusals, a policy, keys of every kind."""
    await site.lived(api, users=60)
    await site.worked(api)
    assert (await api.put("/v1/policy", json={"controlShare": 0.3})).status_code == 200
    for _ in range(3):
        assert (await api.post("/v1/context", json={})).status_code == 400
    assert (await (await site.api("context")).get("/v1/policy")).status_code == 403
    await site.measured()
    await site.lived(api, users=7)
    await site.key("worker", expires_ms=now_ms() + 3_600_000)
    ended = await site.key("meter", "read")
    await site.keyring.revoke(ended.rsplit("_", 1)[1][:8])
    await site.house.keys.refresh()
    await site.house.trust._uses.flush()
    return site


def plain(page):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


async def walked(site, *findings, entries=20):
    told = Walked(entries, 9, 12, 0, 9, list(findings))
    await Verifications(site.store).keep(ACME, verified(told, [], at=iso(now_ms()), took_s=0.4))


async def test_its_numbers_are_those_of_the_api(full, api):
    told = (await api.get("/v1/insights/trust")).json()
    assert told["durability"]["mode"] == "always"
    assert (told["learning"]["outcomes"], told["learning"]["notMeasured"]) == (67, 7)
    assert told["learning"]["workers"] == [0]
    assert told["ledger"]["entries"] > 30
    assert told["ledger"]["verified"] is None
    today = told["turnedAway"][0]
    assert (today["refused"], today["limited"], today["failed"]) == (4, 0, 0)
    assert today["statuses"] == {"400": 3, "403": 1}
    text = plain((await (await full.signed_in()).get("/trust")).text)
    assert "Can be lost Nothing Each answer waits for the disk" in text
    assert told["durability"]["loses"] in text
    assert (
        f"{words.count(told['ledger']['entries'])} entries, and nobody has walked their chains yet." in text
    )
    assert "Outcomes 7 of 67, since lift was measured" in text
    assert "Refused 4 Failed 0 Degraded 0" in text
    assert "400: 3, 403: 1" in text
    assert "Worker 1 holds prior 0" in text
    assert "controlShare: 0.05 → 0.3" in text
    for check in told["checks"]:
        assert f"{check['name']} {check['found']}" in text


async def test_a_walk_is_remembered_with_what_it_found(full, api):
    await walked(full)
    text = plain((await (await full.signed_in()).get("/trust")).text)
    entries = (await api.get("/v1/insights/trust")).json()["ledger"]["entries"]
    assert f"Chains Whole 20 of {entries} entries verified" in text
    assert f"Written since {entries - 20} " in text
    await walked(full, Finding(ACME.tag, 3, 7, "job-1", "the entry was altered"))
    text = plain((await (await full.signed_in()).get("/trust")).text)
    assert "Not what was written: 1 finding." in text
    assert "Bucket 3, entry 7, job job-1" in text
    assert "The entry was altered." in text


async def test_chains_are_walked_from_the_page_and_what_was_found_is_kept(full, api):
    client = await full.signed_in()
    page = (await client.get("/trust")).text
    answer = await client.post("/trust/verify", data={"csrf": csrf_in(page)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/trust#chains")
    await settled(full)
    told = (await api.get("/v1/insights/trust")).json()["ledger"]
    assert told["verifying"] is None
    assert (told["verified"]["entries"], told["verified"]["whole"]) == (told["entries"], True)
    assert told["verified"]["jobs"] == 12
    assert "What was written is what is there" in plain((await client.get("/trust")).text)


async def test_a_changed_entry_is_found_from_the_page(full):
    client = await full.signed_in()
    bucket = bucket_of("job-3")
    key = ledger_tag(ACME, bucket) + b"entries"
    ((entry, _),) = await full.store.ask("XRANGE", key, "-", "+", "COUNT", 1)
    await full.store.ask("XDEL", key, entry)
    await client.post("/trust/verify", data={"csrf": csrf_in((await client.get("/trust")).text)})
    await settled(full)
    text = plain((await client.get("/trust")).text)
    assert "Not what was written: 1 finding." in text
    assert f"Bucket {bucket}, entry 1" in text


async def test_one_walk_at_a_time_and_how_far_it_is_is_told(full, api, monkeypatch):
    go = asyncio.Event()
    walk = Verifier.walk

    async def waiting(self):
        self._advance(7)
        await go.wait()
        return await walk(self)

    monkeypatch.setattr(Verifier, "walk", waiting)
    monkeypatch.setattr(walking, "TELL_EVERY_S", 0.01)
    client = await full.signed_in()
    csrf = csrf_in((await client.get("/trust")).text)
    before = await full.house.books.walking.version(ACME)
    for _ in range(2):
        assert (await client.post("/trust/verify", data={"csrf": csrf})).status_code == 303
    assert len(full.house.books.walking._tasks) == 1
    elsewhere = walking.Walking(full.house.store, folder=full.house.settings.data, key=b"")
    assert not await elsewhere.begin(ACME), "nor by another service on the store"
    text = ""
    for _ in range(500):
        text = plain((await client.get("/trust")).text)
        if "Being verified : 7 of" in text:
            break
        await asyncio.sleep(0.01)
    assert "Being verified : 7 of" in text
    assert "Verify now" not in text
    told = (await api.get("/v1/insights/trust")).json()["ledger"]
    assert told["verifying"]["entries"] == 7
    assert told["verifying"]["entriesInAll"] == told["entries"]
    assert await full.house.books.walking.version(ACME) != before
    go.set()
    await settled(full)
    text = plain((await client.get("/trust")).text)
    assert "Verify now" in text
    assert "Being verified" not in text


async def test_a_walk_that_the_store_ends_says_so_and_may_be_begun_again(full, monkeypatch):
    client = await full.signed_in()
    csrf = csrf_in((await client.get("/trust")).text)
    with monkeypatch.context() as patched:
        patched.setattr(Verifier, "walk", lambda _: _nothing(None))
        await client.post("/trust/verify", data={"csrf": csrf})
        await settled(full)
    text = plain((await client.get("/trust")).text)
    assert "The last walk came to no end: the store did not answer." in text
    await client.post("/trust/verify", data={"csrf": csrf})
    await settled(full)
    text = plain((await client.get("/trust")).text)
    assert "came to no end" not in text
    assert "What was written is what is there" in text


async def test_a_walk_that_came_to_no_end_is_forgotten_once_one_that_began_later_has(full, monkeypatch):
    await failed(full, monkeypatch, StoreUnavailable())
    elsewhere = walking.Walking(full.house.store, folder=full.house.settings.data, key=b"")
    assert await elsewhere.ended_early(ACME) == "the store did not answer", "every service tells it"
    before = await elsewhere.version(ACME)
    await walked(full)  # as in a terminal
    assert await elsewhere.version(ACME) != before
    assert await elsewhere.ended_early(ACME) == ""
    assert "came to no end" not in plain((await (await full.signed_in()).get("/trust")).text)


async def test_a_walk_that_ended_well_is_not_said_to_have_failed_by_one_that_began_before_it(full):
    began = iso(now_ms())
    assert await full.house.books.walking.begin(ACME)
    await settled(full)
    told = verified(Walked(20, 9, 12, 0, 9, []), [], at=began, took_s=60.0)
    await Verifications(full.store).keep(ACME, told)
    assert await full.house.books.walking.ended_early(ACME) == ""


async def test_a_walk_that_fails_in_a_way_nobody_thought_of_says_so_too(full, monkeypatch, caplog):
    await failed(full, monkeypatch, KeyError("what nobody thought of"))
    text = plain((await (await full.signed_in()).get("/trust")).text)
    assert "The last walk came to no end: it failed, and the log of the service says how." in text
    assert "what nobody thought of" not in text
    assert "what nobody thought of" in caplog.text


async def test_a_walk_whose_service_was_killed_is_said_to_have_come_to_no_end(full, monkeypatch):
    monkeypatch.setattr(walking, "HELD_MS", 300)
    monkeypatch.setattr(walking, "TELL_EVERY_S", 0.05)
    monkeypatch.setattr(Verifier, "walk", lambda _: asyncio.Event().wait())
    monkeypatch.setattr(Verifications, "end", lambda *_: _nothing(None))  # who is killed tells nothing
    books = full.house.books
    assert await books.walking.begin(ACME)
    assert await books.walking.ended_early(ACME) == ""
    (task,) = books.walking._tasks
    task.cancel()
    await asyncio.wait([task])
    for _ in range(500):
        if await books.walking.ended_early(ACME):
            break
        await asyncio.sleep(0.01)
    text = plain((await (await full.signed_in()).get("/trust")).text)
    assert "The last walk came to no end: its service ended, or lost the store." in text
    assert "Being verified" not in text


async def failed(site, monkeypatch, error):
    """A walk that ended with this error."""

    async def failing(_):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Verifier, "walk", failing)
        assert await site.house.books.walking.begin(ACME)
        await settled(site)


async def test_who_has_the_chains_walked_needs_the_scope_and_the_sessions_token(full, api):
    reader = await full.signed_in("read")
    page = (await reader.get("/trust")).text
    assert "Verify now" not in page
    assert (await reader.post("/trust/verify", data={"csrf": csrf_in(page)})).status_code == 403
    client = await full.signed_in()
    assert (await client.post("/trust/verify", data={"csrf": "another"})).status_code == 403
    assert (await client.get("/trust/verify")).status_code == 405
    stranger = full.stranger()
    assert (await stranger.post("/trust/verify", data={})).status_code in {303, 401}
    assert not full.house.books.walking._tasks
    assert (await api.get("/v1/insights/trust")).json()["ledger"]["verified"] is None


async def settled(site):
    """No walk is under way."""
    async with asyncio.timeout(20):
        await asyncio.gather(*site.house.books.walking._tasks)


async def test_the_button_tells_how_far_it_is_without_a_reload(full, visit):
    page = await visit("/trust")
    await page.get_by_role("button", name="Verify now").click()
    await page.locator("#chains .verdict-good").wait_for(timeout=15_000)
    await page.get_by_role("button", name="Verify now").wait_for(timeout=15_000)


async def test_keys_are_told_without_their_secrets_and_with_their_last_use(full, api):
    told = (await api.get("/v1/insights/keys")).json()
    by_scopes = {tuple(each["scopes"]): each for each in told["keys"]}
    assert by_scopes["context",]["lastUsedAt"] is not None
    assert by_scopes["worker",]["lastUsedAt"] is None
    assert by_scopes["worker",]["expiresAt"] is not None
    assert by_scopes["meter", "read"]["revokedAt"] is not None
    key = await full.key("read")
    await full.house.keys.refresh()
    client = await full.signed_in(key=key)
    page = (await client.get("/trust")).text
    text = plain(page)
    for each in told["keys"]:
        assert each["id"] in text
    assert "ends soon" in text
    assert "revoked" in text
    records = await full.store.ask("HGETALL", b"{amp}:keys")
    secrets = [digest.hex() for digest in records[::2]] + [key, key.rsplit("_", 1)[1]]
    for answer in (page, json.dumps(told), (await api.get("/v1/insights/keys")).text):
        assert not any(secret in answer for secret in secrets)


async def test_a_key_that_signed_in_is_used_by_every_page_that_is_looked_at(site):
    key = await site.key("read")
    client = await site.signed_in(key=key)
    assert (await client.get("/")).status_code == 200
    await site.house.trust._uses.flush()
    told = (await client.get("/trust")).text
    assert "not yet seen" not in told


async def test_another_tenant_and_environment_see_none_of_it(full):
    for owner in ({"tenant": "other"}, {"env": "test"}):
        api = await full.api("read", **owner)
        told = (await api.get("/v1/insights/trust")).json()
        assert told["ledger"]["entries"] == told["learning"]["outcomes"] == 0
        assert not any(each["statuses"] for each in told["turnedAway"])
        keys = (await api.get("/v1/insights/keys")).json()
        assert [each["scopes"] for each in keys["keys"]] == [["read"]]
        text = plain((await (await full.signed_in(**owner)).get("/trust")).text)
        assert "No entries yet" in text


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({"appendfsync": "everysec"}, "everysec"),
        ({"appendfsync": "no"}, "no"),
        ({"appendonly": "no", "save": "60 1"}, "snapshots"),
        ({"appendonly": "no"}, "memory"),
    ],
)
async def test_what_can_be_lost_is_what_the_store_is_set_to(site, api, settings, mode):
    before = {"appendonly": "yes", "appendfsync": "always", "save": ""}
    try:
        for name, value in settings.items():
            await site.store.ask("CONFIG", "SET", name, value)
        safe = (await api.get("/v1/insights/trust")).json()["durability"]
        text = plain((await (await site.signed_in()).get("/trust")).text)
    finally:
        for name in settings:
            await site.store.ask("CONFIG", "SET", name, before[name])
    assert safe["mode"] == mode
    assert "Can be lost Something" in text
    assert safe["loses"] in text
    assert safe["fix"] in text


async def test_what_the_store_and_the_limit_kept_from_callers_is_counted(site, open_site, monkeypatch):
    asked = {"userId": "ada", "task": "x"}
    api = await site.api()
    assert (await api.post("/v1/context", json=asked)).status_code == 200
    with monkeypatch.context() as patched:
        patched.setattr(site.house.store, "ask_each", _nothing)
        told = (await api.post("/v1/context", json=asked)).json()
        assert told["metadata"]["degraded"]
        answer = await api.post("/v1/outcome", json={"requestId": told["requestId"], "started": True})
        assert answer.status_code == 503
        assert (await api.get("/v1/profile/ada")).status_code == 503
    await site.house.trust._uses.flush()
    today = (await api.get("/v1/insights/trust")).json()["turnedAway"][0]
    assert (today["degraded"], today["failed"], today["statuses"]) == (1, 2, {"503": 2})
    monkeypatch.setattr("amp.http.limits.COUNT_OR_PASS_WITHIN_S", 30.0)  # on a busy machine too it counts
    limited = await open_site(rate_limit=2)
    api = await limited.api(tenant="many")
    statuses = [(await api.post("/v1/context", json=asked)).status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    await limited.house.trust._uses.flush()
    reader = await limited.api("read", tenant="many")
    today = (await reader.get("/v1/insights/trust")).json()["turnedAway"][0]
    assert (today["limited"], today["refused"]) == (2, 0)


async def test_refused_items_of_a_batch_are_turned_away_and_the_batch_is_not(site, api):
    asked = {"items": [{"userId": "ada", "task": "x"}, {"userId": "ada"}]}
    answer = await api.post("/v1/context/batch", json=asked)
    assert answer.status_code == 200
    known, told = answer.json()["items"][0]["requestId"], {"started": True}
    reports = [{"requestId": known, **told}, {"requestId": "ours it is not", **told}, {"requestId": known}]
    answer = await api.post("/v1/outcome/batch", json={"items": reports})
    assert answer.status_code == 200
    used = {"toolId": "zoominfo", "durationMs": 1, "success": True, "timestamp": "2026-01-31T12:00:02Z"}
    answer = await api.post("/v1/ledger/meter/batch", json={"items": [used, {"transactionId": 8}, 7]})
    assert answer.status_code == 200
    assert ["error" in each for each in answer.json()["items"]] == [False, True, True], answer.text
    await site.house.trust._uses.flush()
    today = (await api.get("/v1/insights/trust")).json()["turnedAway"][0]
    assert today["statuses"] == {"400": 4, "404": 1}
    assert today["refused"] == 5
    text = plain((await (await site.signed_in()).get("/trust")).text)
    assert "Refused 5 Failed 0" in text


async def _nothing(_):
    raise StoreUnavailable


async def test_a_page_takes_less_than_150_ms(full):
    client = await full.signed_in()
    took_s = []
    for _ in range(5):
        began = time.perf_counter()
        assert (await client.get("/trust")).status_code == 200
        took_s.append(time.perf_counter() - began)
    assert min(took_s) < 0.15, took_s


async def test_it_is_accessible_and_fits_every_width_with_nothing_in_it(visit, inspected):
    await inspected(await visit("/trust"), "trust-empty")


async def test_it_is_accessible_and_follows_what_happens(full, api, visit, inspected):
    await walked(full)
    page = await visit("/trust")
    await page.evaluate("window.stayed = true")
    for summary in await page.locator("summary").all():
        await summary.click()
    await inspected(page, "trust")
    entries = (await api.get("/v1/insights/trust")).json()["ledger"]["entries"]
    made = {"agenticJobId": "one more", "name": "One more", "type": "support"}
    assert (await api.post("/profitstream/v2/api/jobs", json=made)).status_code == 201
    assert (await api.get("/v1/ledger/report")).status_code == 200  # folds, as the follower would
    since = page.locator("#chains .facts div", has_text="Written since").locator("dd")
    await since.filter(has_text=str(entries + 1 - 20)).wait_for(timeout=10_000)
    assert await page.evaluate("window.stayed")
    await walked(full, Finding(ACME.tag, 3, 7, "job-1", "the entry was altered"))
    bare = await visit("/trust", script=False, width=375)
    assert await bare.get_by_text("Not what was written").count() == 1


async def test_what_the_bridge_taught_is_what_the_api_says(full, api):
    client = await full.signed_in()
    assert "Nothing was carried yet" in (await client.get("/trust")).text
    context = (await api.post("/v1/context", json={"userId": "ada", "task": "Sell"})).json()
    made = {"agenticJobId": "taught", "amp_request_id": context["requestId"]}
    assert (await api.post("/profitstream/v2/api/jobs", json=made)).status_code == 201
    said = {"executionStatus": "SUCCESS", "outcomeType": "CONVERTED"}
    answer = await api.post("/profitstream/v2/api/jobs/taught/outcome", json=said)
    assert answer.status_code == 200
    assert "On the bridge 1 " in plain((await client.get("/trust")).text)
    carrying = Carrying(full.house.settings, full.store)
    while await carrying.bridge.turn(0):
        pass
    told = (await api.get("/v1/bridge/status")).json()
    assert (told["taught"], told["waiting"]) == (1, 0)
    text = plain((await client.get("/trust")).text)
    assert "Taught 1 " in text
    assert "On the bridge 0 " in text


async def test_the_command_that_walks_the_chains_finds_this_services_data(full):
    text = html.unescape((await (await full.signed_in()).get("/trust")).text)
    data = shlex.quote(str(full.house.settings.data))
    assert f"amp ledger verify --tenant acme --env live --data {data}<" in text
