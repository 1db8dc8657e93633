"""A job's page: what came of it, what it cost, down to its hashes; reporting and correcting its outcome."""

import re

import pytest
import pytest_asyncio
from site_of import csrf_in
from test_roi import JOBS, outcome, plain, tool

from amp.dashboard import roi_job, words

PATH = "/roi/jobs/r1"


@pytest_asyncio.fixture(loop_scope="session")
async def api(site):
    return await site.api()


@pytest_asyncio.fixture(loop_scope="session")
async def job(site, api):
    """A job with a call, a tool, a person, and a record without a price; it followed a decision."""
    told = (await api.post("/v1/context", json={"userId": "ada", "task": "Sell"})).json()
    about = {"agenticJobType": "renewal", "agent": "ada", "environment": "prod", "squadId": "north"}
    await tool(api, "r1", 0.5, amp_request_id=told["requestId"], traceId="run-7", **about)
    await tool(api, "r1", 2.5, toolId="human_escalation")
    await tool(api, "r1", None, toolId="mystery", success=False)
    call = {"provider": "openai", "model": "gpt-4o", "inputTokenCount": 10, "outputTokenCount": 5}
    call |= {"agenticJobId": "r1", "totalCost": 0.25}
    assert (await api.post("/meter/v2/ai/completions", json=call)).status_code == 201
    return site


def sent(page, **fields):
    """A form as the page has it, with these fields."""
    return {"csrf": csrf_in(page), "executionStatus": "SUCCESS"} | fields


async def test_it_tells_what_the_api_tells(job, api):
    await outcome(api, "r1", "SUCCESS", "CONVERTED", 60, metadata='{"crm": "<42>"}')
    page = (await (await job.signed_in("read")).get(PATH)).text
    text = plain(page)
    roi = (await api.get(f"{JOBS}/r1/roi")).json()
    assert f"Value Ratio {words.ratio(roi['valueRatio'])}" in text
    assert plain(f"Cost {words.money(roi['totalCost'], 'USD')}") in text
    assert "1 record has no price. The cost is higher than shown; it is not 0." in text
    for kind, part in (("AI models", "tokenCost"), ("Tools", "externalToolCost"), ("People", "humanCost")):
        assert plain(f"{kind} {words.money(roi[part], 'USD')}") in text
    shown = (await api.get(f"{JOBS}/r1")).json()
    for name in ("type", "environment", "agent", "squad", "approach", "outcomeReportedBy"):
        assert shown[name] in text
    assert "Group Learned" in text or "Group Control" in text
    assert "&lt;42&gt;" in page
    for row in (await api.get("/v1/ledger/jobs/r1/timeline")).json()["timeline"]:
        assert row["name"] in text
    assert text.count("unpriced") == 1
    chain = (await api.get("/v1/ledger/jobs/r1/chain")).json()
    assert f"Links recomputed just now: all {chain['totalCount']} hold" in text
    assert chain["head"]["link"] in text
    for row in chain["links"]:
        assert {row["entry"], row["hash"], row["previousLink"], row["link"]} <= set(text.split())
    assert '<a href="/trust#chains">Trust</a>' in page


async def test_a_job_of_any_name_has_its_page_and_of_none_a_404(job, api):
    name = "a b/ä <b>?x=1"
    assert (await api.post(JOBS, json={"agenticJobId": name})).status_code == 201
    client = await job.signed_in("read")
    (link,) = re.findall(r'href="(/roi/jobs/a%20[^"]*)"', (await client.get("/roi/jobs")).text)
    answer = await client.get(link)
    assert answer.status_code == 200
    assert "a b/ä &lt;b&gt;?x=1" in answer.text
    for other in ("/roi/jobs/none", "/roi/jobs/%FF", f"{PATH}?records=9"):
        assert (await client.get(other)).status_code in {400, 404}
    stranger = await job.signed_in(tenant="other")
    assert (await stranger.get(PATH)).status_code == 404
    page = (await stranger.get("/roi/jobs")).text
    for form in ("outcome", "correction"):
        answer = await stranger.post(f"{PATH}/{form}", data=sent(page, reason="mine now"))
        assert answer.status_code == 404


async def test_a_job_of_many_records_is_told_page_by_page(job, monkeypatch):
    monkeypatch.setattr(roi_job, "SIZE", 3)
    client = await job.signed_in("read")
    first, second = [plain((await client.get(f"{PATH}?records={number}")).text) for number in (0, 1)]
    assert "1 of 2" in first
    assert "2 of 2" in second
    monkeypatch.setattr(roi_job, "RECORDS_MAX", 3)
    text = plain((await client.get(PATH)).text)
    assert "4 records are too many for a page" in text
    assert "Too many entries for a page" in text


async def test_an_outcome_is_reported_once_and_a_second_report_shows_the_first(job, api):
    client = await job.signed_in()
    page = (await client.get(PATH)).text
    answer = await client.post(f"{PATH}/outcome", data=sent(page, outcomeValue="12,5"))
    assert answer.status_code == 400
    assert "Value must be a number in plain digits" in plain(answer.text)
    assert 'value="12,5"' in answer.text
    form = sent(
        page, outcomeType="CONVERTED", outcomeValue="12.50", outcomeCurrency="EUR", metadata='{"a": 1}'
    )
    answer = await client.post(f"{PATH}/outcome", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}#outcome")
    again = await client.post(f"{PATH}/outcome", data=form | {"outcomeValue": "99"})
    assert again.status_code == 409
    assert "this report changed nothing" in again.text
    stands = (await api.get(f"{JOBS}/r1")).json()
    assert (stands["outcomeValue"], stands["outcomeCurrency"]) == (12.5, "EUR")
    assert (stands["outcomeMetadata"], stands["outcomeUpdateCount"]) == ('{"a": 1}', 0)
    assert plain(words.money(12.5, "EUR")) in plain(again.text)


async def test_a_correction_needs_a_reason_and_the_first_report_stays_readable(job, api):
    await outcome(api, "r1", "SUCCESS", "CONVERTED", 30, metadata="line\r\nline ", outcomeReason="Signed")
    key = await job.key()
    client = await job.signed_in(key=key)
    page = (await client.get(PATH)).text
    version = re.search(r'name="version" value="(\d+)"', page)[1]
    form = sent(page, version=version, outcomeValue="3", metadata="line\nline", outcomeReason="Signed")
    for reason in ("", "   "):
        answer = await client.post(f"{PATH}/correction", data=form | {"reason": reason})
        assert answer.status_code == 400
        assert "Why it is corrected is needed" in plain(answer.text)
        assert 'value="3"' in answer.text
    assert (await api.get(f"{JOBS}/r1")).json()["outcomeUpdateCount"] == 0
    form |= {"reason": "The invoice says 3 <b>"}
    for _ in range(2):  # the second is a double click
        answer = await client.post(f"{PATH}/correction", data=form)
        assert answer.status_code == 303
    first, second = (await api.get(f"{JOBS}/r1/outcome/history")).json()
    assert (first["outcomeValue"], second["outcomeValue"], second["reason"]) == (30, 3, form["reason"])
    assert second["outcomeMetadata"] == "line\r\nline "
    text = plain((await client.get(PATH)).text)
    shown = key.rsplit("_", 1)[1][:8]
    for told in (
        "First report",
        "Correction 1 in force",
        f"key:{shown}",
        "Because: The invoice says 3 &lt;b&gt;",
    ):
        assert told in text
    late = await client.post(f"{PATH}/correction", data=form | {"outcomeValue": "7", "reason": "late"})
    assert late.status_code == 409
    assert "your correction changed nothing" in plain(late.text)
    emptied = form | {"version": "2", "metadata": "", "outcomeReason": "", "reason": "too much"}
    assert (await client.post(f"{PATH}/correction", data=emptied)).status_code == 303
    stands = (await api.get(f"{JOBS}/r1")).json()
    assert (stands["outcomeMetadata"], stands["outcomeReason"], stands["outcomeValue"]) == (None, None, 3)


async def test_forms_need_the_scope_of_their_routes_and_the_sessions_token(job):
    client = await job.signed_in("read")
    page = (await client.get(PATH)).text
    assert "this takes a key with the scope" in page
    for form in ("outcome", "correction"):
        answer = await client.post(f"{PATH}/{form}", data=sent(page, reason="x"))
        assert answer.status_code == 403
        answer = await (await job.signed_in()).post(f"{PATH}/{form}", data=sent(page, reason="x"))
        assert answer.status_code == 403
    client = await job.signed_in()
    page = (await client.get(PATH)).text
    answer = await client.post(f"{PATH}/correction", data=sent(page, reason="x"))
    assert answer.status_code == 422
    assert "no outcome to correct yet" in answer.text


@pytest.mark.usefixtures("job")
async def test_reporting_and_correcting_in_the_browser(visit, inspected):
    """By keyboard and without a script; how it looks in all widths and colours, with everything open."""
    page = await visit(PATH, script=False, refusals=(400,))
    await page.locator("#report summary").press("Enter")
    await page.get_by_label("Status").select_option("SUCCESS")
    await page.get_by_label("Type", exact=True).select_option("CONVERTED")
    await page.get_by_label("Value", exact=True).fill("120")
    await page.get_by_role("button", name="Report Outcome").press("Enter")
    await page.wait_for_url(f"**{PATH}#outcome")
    await page.locator("#correct summary").click()
    await page.get_by_label("Value", exact=True).fill("90")
    await page.get_by_role("button", name="Correct Outcome").click()
    assert await page.locator(".history li").count() == 1  # the browser asks for the reason first
    await page.get_by_label("Why it is corrected").fill("The discount was forgotten")
    await page.get_by_role("button", name="Correct Outcome").click()
    await page.locator(".history li", has_text="Correction 1").wait_for()
    page = await visit(PATH)
    for summary in await page.locator("summary").all():
        await summary.click()
    await inspected(page, "roi-job")
