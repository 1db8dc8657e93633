"""The first page: its numbers are the API's, and it says what to do while there are none."""

import re

import pytest
import pytest_asyncio
from msgspec.structs import replace
from site_of import ARTEFACTS

from amp.dashboard import words
from amp.ledger.reports import Reports

SHARE = 0.4


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site):
    return await open_site(control_share=SHARE)


@pytest_asyncio.fixture(loop_scope="session")
async def api(site):
    return await site.api()


@pytest_asyncio.fixture(loop_scope="session")
async def full(site, api):
    """A tenant with everything: outcomes, jobs, a policy of its own."""
    await site.lived(api)
    await site.worked(api)
    assert (await api.put("/v1/policy", json={"controlShare": 0.3})).status_code == 200
    await site.measured()
    return site


def plain(page):
    """The words of a page, without its markup; any space is a space."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


async def test_a_new_tenant_is_told_what_to_do_next(site):
    text = plain((await (await site.signed_in()).get("/")).text)
    assert "No outcomes yet" in text
    assert "context.report(started=True, completed=True)" in text
    assert "amp demo ledger" in text
    assert "No decisions counted yet" in text


async def test_outcomes_that_are_not_measured_yet_are_not_none(site):
    api = await site.api()
    await site.lived(api, users=12)
    assert (await api.put("/v1/policy", json={"controlShare": 0.25})).status_code == 200
    text = plain((await (await site.signed_in()).get("/")).text)
    assert "No outcomes yet" not in text
    assert "12 outcomes, not measured yet" in text
    assert "25 % of users are in the control group" in text


async def test_its_numbers_are_those_of_the_api(full, api):
    text = plain((await (await full.signed_in()).get("/")).text)
    lift = (await api.get("/v1/insights/lift")).json()
    assert words.sentence(lift["verdict"]) in text
    for each in lift["differences"]:
        tell = words.change if each["metric"] == "timeToStart" else words.points
        told = f"{tell(each['difference'])} ({tell(each['low'])} to {tell(each['high'])})"
        assert plain(told) in text
    assert f"{lift['learnedUsers']} learned and {lift['controlUsers']} control users" in text
    for each in lift["where"]:
        if each["difference"] is not None:
            assert words.points(each["difference"]) in text
    reporting = (await api.get("/v1/insights/reporting")).json()["all"]
    rate = plain(words.percent(reporting["rate"]))
    assert f"Reported {rate} {reporting['reported']} of {reporting['decided']} decisions" in text
    total = (await api.get("/v1/ledger/report")).json()["total"]
    assert plain(f"Value {words.money(total['totalValue'], 'USD')} ") in text
    assert plain(f"Cost {words.money(total['totalCost'], 'USD')} ") in text
    assert f"Value Ratio {words.ratio(total['valueRatio'])} {total['jobs']} jobs" in text
    assert f"Converted {total['outcomeTypes']['CONVERTED']} " in text
    assert f"Pending {total['pending']} " in text


async def test_what_changed_and_what_decides_are_those_of_the_api(full, api):
    text = plain((await (await full.signed_in()).get("/")).text)
    state = (await api.get("/v1/insights/state")).json()
    assert (state["learner"], state["mode"], state["workers"]) == ("hierarchical", "learning", 1)
    assert (state["policyVersion"], state["priorVersion"], state["workersBehind"]) == (2, 0, 0)
    assert [(each["kind"], each["version"], each["says"]) for each in state["changes"]] == [
        ("policy", 2, "controlShare: 0.4 → 0.3")
    ]
    assert "Policy 2 controlShare: 0.4 → 0.3" in text
    assert "Health Good 1 worker, prior 0" in text
    for check in (await api.get("/readyz")).json()["checks"]:
        assert f"{check['name']} {check['found']}" in text


async def test_another_tenant_sees_none_of_it(full):
    text = plain((await (await full.signed_in(tenant="other")).get("/")).text)
    assert "No outcomes yet" in text
    assert "No jobs yet" in text
    assert "Nothing yet" in text


async def test_a_name_that_a_user_chose_is_text_and_never_markup(site, api):
    evil = '"><img src=x onerror=alert(1)>'
    for user in range(40):
        asked = {"userId": f"user {user}", "task": "x", "taskType": evil}
        told = (await api.post("/v1/context", json=asked)).json()
        await api.post("/v1/outcome", json={"requestId": told["requestId"], "started": True})
    await site.measured()
    page = (await (await site.signed_in()).get("/")).text
    assert "&lt;img src=x" in page
    assert "<img" not in page


async def test_an_unsafe_store_is_seen_at_once(full):
    await full.store.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        text = plain((await (await full.signed_in()).get("/")).text)
    finally:
        await full.store.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert "Health Look here" in text
    assert "CONFIG SET maxmemory-policy noeviction" in text


class TestInTheBrowser:
    @pytest.mark.usefixtures("full")
    async def test_it_is_accessible_and_fits_every_width(self, visit, inspected):
        page = await visit("/")
        await inspected(page, "overview")
        for summary in await page.locator("summary").all():
            await summary.click()
        await inspected(page, "overview-in-numbers")

    async def test_with_nothing_in_it_too(self, visit, inspected):
        await inspected(await visit("/"), "overview-empty")

    @pytest.mark.usefixtures("full")
    async def test_without_javascript_charts_and_tables_are_there(self, visit):
        page = await visit("/", script=False)
        assert await page.locator("#chart-lift .dot").count() == 3
        await page.locator("#chart-lift-numbers summary").click()
        assert await page.locator("#chart-lift-numbers tbody tr").count() == 4

    async def test_it_follows_what_is_measured_without_a_reload(self, full, api, visit):
        page = await visit("/")
        await page.evaluate("window.stayed = true")
        before = await page.locator("#lift .lead").inner_text()
        assert "100 outcomes" in before
        await full.lived(api, users=5, times=1)
        await full.measured()
        await page.locator("#lift .lead", has_text="105 outcomes").wait_for()
        assert await page.evaluate("window.stayed")

    async def test_a_region_that_somebody_is_at_work_in_follows_once_they_have_left_it(
        self, full, api, visit
    ):
        page = await visit("/")
        lead = page.locator("#lift .lead")
        before = await lead.inner_text()
        await page.evaluate(
            "document.querySelector('#lift').insertAdjacentHTML('beforeend', '<form><input id=at></form>')"
        )
        await page.locator("#at").focus()
        await full.lived(api, users=5, times=1)
        await full.measured()
        await page.locator("#lift[data-behind]").wait_for()
        assert await lead.inner_text() == before
        await page.locator("a.brand").focus()
        await page.locator("#lift .lead", has_text="outcomes").filter(has_not_text=before).wait_for()
        assert await page.locator("#at, #lift[data-behind]").count() == 0

    @pytest.mark.usefixtures("full")
    async def test_a_chart_over_time_may_be_looked_at_closely(self, visit, monkeypatch):
        """Jobs are of the store's today: the report is told as if it were of twelve days."""
        report = Reports.report

        async def of_twelve_days(self, tenant, question, *budget):
            found = await report(self, tenant, question, *budget)
            if question.by != ("day",):
                return found
            (today,) = found.rows
            days = [replace(today, key={"day": f"2026-11-{day:02}"}) for day in range(1, 13)]
            return replace(found, rows=days)

        monkeypatch.setattr(Reports, "report", of_twelve_days)
        page = await visit("/")
        place = page.locator("#worth .zoomable")
        await place.get_by_role("button", name="Zoom").click()
        await place.locator("canvas").wait_for()
        assert not await place.locator("svg.chart").is_visible()
        await page.screenshot(path=ARTEFACTS / "overview-zoomed.png", full_page=True)
        await place.get_by_role("button", name="Back").click()
        assert await place.locator("svg.chart").is_visible()
        assert await place.locator("canvas").count() == 0

    async def test_who_is_signed_out_elsewhere_is_led_to_sign_in(self, full, visit):
        key = await full.key()
        page = await visit("/", key=key, refusals=(401,))
        await full.keyring.revoke(key.rsplit("_", 1)[1][:8])
        await full.house.keys.refresh()
        await page.wait_for_url("**/sign-in**")


async def test_signing_in_and_choosing_colours_by_keyboard_alone(site, visit, inspected):
    page = await visit("/", key=None)
    await inspected(page, "sign-in")
    await page.set_viewport_size({"width": 1280, "height": 900})
    await page.locator("#key").press_sequentially(await site.key())
    await page.keyboard.press("Enter")
    await page.wait_for_url(site.url + "/")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.get_by_role("button", name="Dark").press("Enter")
    await page.wait_for_load_state()
    assert await page.get_by_role("button", name="Dark").get_attribute("aria-pressed") == "true"
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 22)"
    await page.get_by_role("button", name="Sign out").press("Enter")
    await page.wait_for_url("**/sign-in")


@pytest.mark.parametrize("path", ["/nothing-here"])
async def test_trouble_is_accessible_too(visit, inspected, path):
    page = await visit(path, refusals=(404,))
    await inspected(page, "trouble")
