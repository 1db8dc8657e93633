"""ROI: its numbers are the API's, its lists are the ledger's, and both can be taken along as CSV."""

import csv
import io
import re

import pytest
import pytest_asyncio
from msgspec.structs import replace
from site_of import ARTEFACTS

from amp.dashboard import roi_charts, roi_jobs, roi_report, words
from amp.ledger.looking import Budget
from amp.ledger.report import Between, row
from amp.ledger.reports import Reports

JOBS = "/profitstream/v2/api/jobs"


def plain(page):
    """The words of a page, without its markup; any space is a space."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def ids(page):
    """The jobs that a list has, in its order."""
    return re.findall(r'<th scope="row" class="id"><a href="/roi/jobs/[^"]*">([^<]*)</a>', page)


async def tool(api, job, cost, **said):
    body = {"toolId": "crm", "agenticJobId": job, "durationMs": 900} | said
    answer = await api.post("/meter/v2/tool/events", json=body | ({} if cost is None else {"costUsd": cost}))
    assert answer.status_code == 201, answer.text


async def outcome(api, job, status, kind=None, value=None, **said):
    body = {"executionStatus": status, "outcomeType": kind, "outcomeValue": value} | said
    answer = await api.post(f"{JOBS}/{job}/outcome", json=body)
    assert answer.status_code == 200, answer.text


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site):
    return await open_site(control_share=0.4)


@pytest_asyncio.fixture(loop_scope="session")
async def api(site):
    return await site.api()


@pytest_asyncio.fixture(loop_scope="session")
async def full(site, api):
    """Jobs of three types, most of which followed a decision; one unpriced, one that nobody metered."""
    await site.worked(api)
    asked = [{"userId": f"user {each}", "task": "Sell", "taskType": "sales"} for each in range(40)]
    told = (await api.post("/v1/context/batch", json={"items": asked})).json()["items"]
    for number, each in enumerate(told):
        about = {"agenticJobType": "renewal", "agent": "ada", "environment": "prod"}
        await tool(api, f"r{number}", 1 + number % 3, amp_request_id=each["requestId"], **about)
        await outcome(api, f"r{number}", "SUCCESS", "CONVERTED", 20 + number)
    await tool(api, "u0", None, agenticJobType="triage", toolId="mystery")
    await outcome(api, "u0", "FAILED", "ESCALATED", 2, outcomeReason="A person took over")
    return site


async def test_a_new_tenant_is_told_what_to_do_next(site):
    client = await site.signed_in("read")
    for path in ("/roi", "/roi/jobs"):
        assert "amp demo ledger" in (await client.get(path)).text


async def test_its_numbers_are_those_of_the_api(full, api):
    text = plain((await (await full.signed_in()).get("/roi")).text)

    async def report(by=""):
        return (await api.get("/v1/ledger/report", params={"by": by})).json()

    total = (await report())["total"]
    assert f"Value Ratio {words.ratio(total['valueRatio'])}" in text
    assert plain(f"ROI {words.percent(total['roi'] / 100, 0)}") in text
    assert f"Net value {words.money(total['netValue'])} USD" in text
    assert f"Jobs {total['jobs']} {total['pending']} pending" in text
    funnel, avoidance = total["conversionFunnel"], total["costAvoidanceFunnel"]
    assert f"{funnel['successfulJobs'] - funnel['convertedJobs']} successful, not converted" in text
    assert f"{avoidance['successfulJobs'] - avoidance['deflectedJobs']} successful, not deflected" in text
    assert plain(f"A conversion costs {words.money(total['costPerConversion'], 'USD')}") in text
    for each in (await report("type"))["rows"]:
        told = f"{each['key']['type']} {each['jobs']} {words.money(each['totalValue'], 'USD')}"
        assert plain(told) in text
    of = {each["key"]["group"]: each for each in (await report("group"))["rows"] if each["key"]["group"]}
    assert set(of) == {"learned", "control"}
    for each in of.values():
        between = each["valueRatioInterval"]
        ends = f"{words.ratio(between['low'])} to {words.ratio(between['high'])}"
        assert f"{words.ratio(each['valueRatio'])} ({ends})" in text
    assert "1 record has no price." in text
    assert "1 escalated without human cost." in text


async def test_a_single_day_is_drawn_as_its_jobs_add_up(full, api, monkeypatch):
    client = await full.signed_in()
    total = (await api.get("/v1/ledger/report")).json()["total"]
    said = re.search(r'<desc id="chart-amounts-said">([^<]+)<', (await client.get("/roi")).text)[1]
    value, cost = (words.amount(total[name]) for name in ("totalValue", "totalCost"))
    assert re.fullmatch(rf"Value: [\d.]+ on \S+, {value} on \S+\. Cost: [\d.]+ on \S+, {cost} on \S+\.", said)
    monkeypatch.setattr(roi_report, "ONE_DAY_MAX", total["jobs"] - 1)
    text = (await client.get("/roi")).text
    assert "chart-amounts" not in text
    assert "a line takes two" in text


@pytest.mark.parametrize(
    ("learned", "control", "told"),
    [
        ((3, 4), (1, 2), "Learned users' jobs are worth more"),
        ((1, 2), (3, 4), "Control users' jobs are worth more"),
        ((1, 3), (2, 4), "The intervals overlap"),
        ((1, 3), None, "too few jobs"),
    ],
)
def test_whether_groups_can_be_told_apart_is_said(learned, control, told):
    rows = [
        replace(row({"group": group}, {}), value_ratio_interval=ends and Between(*ends))
        for group, ends in (("learned", learned), ("control", control))
    ]
    assert told in roi_charts.of_approaches([], rows)["group_words"]
    assert roi_charts.of_approaches([], rows[:1])["group_words"] == ""


async def test_the_gap_is_a_list_to_click(full, api):
    client = await full.signed_in("read")
    page = (await client.get("/roi?only=type:sales")).text
    assert '<option value="type:sales" selected>sales</option>' in page
    assert '<option value="agent:ada">ada</option>' in page
    link = re.search(r'href="([^"]+)">(\d+) successful, not converted', page)
    listed = (await client.get(link[1].replace("&amp;", "&"))).text
    asked = {"type": "sales", "executionStatus": "SUCCESS", "outcomeTypeNot": "CONVERTED"}
    jobs = (await api.get("/v1/ledger/jobs", params=asked)).json()["jobs"]
    assert ids(listed) == [each["agenticJobId"] for each in jobs]
    assert len(jobs) == int(link[2]) > 0
    assert "Successful, not converted" in plain(listed)


async def test_currencies_are_never_added_but_converted_when_asked(full, api):
    await tool(api, "e0", 1.0, agenticJobType="europe")
    await outcome(api, "e0", "SUCCESS", "CONVERTED", 50, outcomeCurrency="EUR")
    client = await full.signed_in()
    text = plain((await client.get("/roi")).text)
    assert "several currencies, which are never added" in text
    assert "Value Ratio –" in text
    for each in (await api.get("/v1/ledger/report")).json()["total"]["byCurrency"]:
        assert (
            f"{each['currency']} {words.money(each['totalValue'])} {words.money(each['totalCost'])}" in text
        )
    assert "No rate for EUR." in plain((await client.get("/roi?currency=USD")).text)
    rates = [{"from": "EUR", "to": "USD", "rate": 1.2}]
    assert (await api.put("/v1/ledger/rates", json={"entries": rates})).status_code == 200
    await full.house.books.lists.catch_up()
    text = plain((await client.get("/roi?currency=USD")).text)
    total = (await api.get("/v1/ledger/report", params={"currency": "USD"})).json()["total"]
    assert f"Value Ratio {words.ratio(total['valueRatio'])}" in text
    job = plain((await client.get("/roi/jobs/e0")).text)
    assert "In several currencies, which are never added" in job


async def test_jobs_are_found_by_filters_by_id_and_by_words(full):
    client = await full.signed_in("read")

    async def listed(**query):
        answer = await client.get("/roi/jobs", params=query)
        assert answer.status_code == 200
        return ids(answer.text)

    assert set(await listed(outcomeType="ESCALATED")) == {"u0"}
    assert set(await listed(type="support", executionStatus="PENDING")) == {"job-2", "job-8"}
    assert await listed(search="r7") == ["r7"]
    assert set(await listed(search="triage")) == {"u0"}
    assert await listed(startDate="2020-01-01", endDate="2020-01-02") == []
    assert set(await listed(agent="ada", environment="prod", search="r3")) == {
        "r3",
        *(f"r{n}" for n in range(30, 40)),
    }
    for wrong in ({"startDate": "soon"}, {"before": "x"}, {"before": 1, "after": 1}, {"outcomeType": "NOT_"}):
        answer = await client.get("/roi/jobs", params=wrong)
        assert answer.status_code == (200 if wrong == {"outcomeType": "NOT_"} else 400), wrong
    assert (await client.get("/roi?only=sales")).status_code == 400


async def test_leaves_follow_each_other_and_go_on_where_a_look_ended(full, monkeypatch):
    client = await full.signed_in("read")
    found, path = [], "/roi/jobs"
    while path:
        page = (await client.get(path)).text
        found += ids(page)
        path = (re.search(r'rel="next" href="([^"]+)"', page) or [None, None])[1]
    assert len(found) == len(set(found)) == 53
    back = re.search(r'rel="prev" href="([^"]+)"', page)[1]
    before = ids((await client.get(back)).text)
    end = len(found) - len(ids(page))
    assert len(before) >= 25
    assert before == found[end - len(before) : end]
    monkeypatch.setattr(roi_jobs, "BUDGET", Budget(5, 60.0))
    found, path = [], "/roi/jobs?type=triage"
    while path:
        page = (await client.get(path)).text
        found += ids(page)
        path = (re.search(r'href="([^"]+)">Look further back', page) or [None, ""])[1].replace("&amp;", "&")
    assert found == ["u0"]


async def test_both_can_be_taken_along_as_csv(full, api):
    client = await full.signed_in("read")
    answer = await client.get("/roi/report.csv?by=type")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="amp-report-acme-live.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    report = (await api.get("/v1/ledger/report", params={"by": "type"})).json()["rows"]
    assert [(row["type"], int(row["jobs"])) for row in rows] == [
        (row["key"]["type"], row["jobs"]) for row in report
    ]
    made = {"agenticJobId": "x0", "name": "=1+1", "type": "support"}
    assert (await api.post(JOBS, json=made)).status_code == 201
    answer = await client.get("/roi/jobs.csv?type=support")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == (await api.get("/v1/ledger/jobs", params={"type": "support"})).json()["total"] == 7
    assert {row["name"] for row in rows} >= {"'=1+1", "Job 0"}


async def test_each_region_is_served_alone_and_says_what_the_page_says(full):
    client = await full.signed_in("read")
    for path in ("/roi", "/roi/jobs/r1"):
        page = plain((await client.get(path)).text)
        names = re.findall(r'data-region="([^"]+)"', (await client.get(path)).text)
        assert len(names) >= 4
        for name in names:
            part = await client.get(path, headers={"Amp-Region": name})
            assert part.status_code == 200, name
            assert plain(part.json()[name]).strip() in page


async def test_another_tenant_sees_none_of_it(full):
    client = await full.signed_in("read", tenant="other")
    assert "No jobs yet" in (await client.get("/roi")).text
    assert ids((await client.get("/roi/jobs")).text) == []
    assert (await client.get("/roi/jobs/r1")).status_code == 404
    assert (await client.get("/roi/jobs?search=r1")).text.count("r1<") == 0


class TestInTheBrowser:
    @pytest.mark.usefixtures("full")
    async def test_the_report_and_the_list_are_accessible_and_fit_every_width(self, visit, inspected):
        page = await visit("/roi")
        for summary in await page.locator("summary").all():
            await summary.click()
        await inspected(page, "roi")
        await page.get_by_role("link", name=re.compile("successful, not converted")).click()
        await inspected(page, "roi-jobs")
        await page.get_by_label("Search").fill("r7")
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="r7").click()
        await page.wait_for_url("**/roi/jobs/r7")

    async def test_with_nothing_in_it_too(self, visit, inspected):
        await inspected(await visit("/roi"), "roi-empty")

    @pytest.mark.usefixtures("full")
    async def test_over_time_it_can_be_zoomed_and_without_javascript_it_is_drawn(self, visit, monkeypatch):
        """Jobs are of the store's today: the report is told as if it were of twelve days."""
        reports = Reports.reports

        async def of_twelve_days(self, tenant, questions, *budget):
            return [
                each if each.by != ["day"] else replace(each, rows=days(each.rows[0]))
                for each in await reports(self, tenant, questions, *budget)
            ]

        def days(today):
            return [replace(today, key={"day": f"2026-11-{day:02}"}) for day in range(1, 13)]

        monkeypatch.setattr(Reports, "reports", of_twelve_days)
        page = await visit("/roi", script=False)
        assert await page.locator("#chart-ratio .line").count() == 1
        assert await page.locator("#chart-approaches .dot").count() > 0
        page = await visit("/roi")
        place = page.locator(".zoomable", has=page.locator("#chart-ratio"))
        await place.get_by_role("button", name="Zoom").click()
        await place.locator("canvas").wait_for()
        await page.screenshot(path=ARTEFACTS / "roi-zoomed.png", full_page=True)
