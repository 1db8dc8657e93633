"""Reports, lists and price lists over HTTP, on what was metered and reported over HTTP."""

from itertools import count
from types import SimpleNamespace

import pytest

from amp.errors import StoreUnavailable
from amp.ledger import looking, reports
from amp.ledger.intervals import Moments, value_per_cost
from amp.ledger.looking import Budget

API = "/profitstream/v2/api"


@pytest.fixture
def store(any_store):
    """In memory, then on a real server of each kind."""
    return any_store


@pytest.fixture
async def agent(caller):
    """A client that may do everything in the ledger."""
    return await caller("all")


async def metered(client, job, cost=None, *, tool=None, **said):
    """One record."""
    if tool:
        body = {"toolId": tool, "agenticJobId": job, "durationMs": 60_000} | said
        path = "/meter/v2/tool/events"
    else:
        body = {"provider": "openai", "model": "gpt-4o", "inputTokenCount": 10, "outputTokenCount": 5}
        body |= {"agenticJobId": job} | said
        path = "/meter/v2/ai/completions"
    if cost is not None:
        body["costUsd" if tool else "totalCost"] = cost
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text


async def reported(client, job, status="SUCCESS", outcome=None, value=None, **said):
    body = {"executionStatus": status, "outcomeType": outcome, "outcomeValue": value} | said
    answer = await client.post(f"{API}/jobs/{job}/outcome", json=body)
    assert answer.status_code == 200, answer.text


@pytest.fixture
async def week(agent):
    """Two sales, one support case that a person took over, one job that never reports."""
    for number, value in enumerate((300, 0)):
        await metered(agent, f"s{number}", 0.5, agenticJobType="Sales", environment="prod", agent="ada")
        await metered(agent, f"s{number}", 1.5, tool="zoominfo")
        await reported(agent, f"s{number}", "SUCCESS", "CONVERTED" if value else "UNSUCCESSFUL", value)
    await metered(agent, "h0", 1, agenticJobType="support", agent="bob")
    await reported(agent, "h0", "FAILED", "ESCALATED", 20)
    await metered(agent, "p0", 0.25, agenticJobType="support", agent="ada")
    return agent


async def got(client, path, **query):
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_report_by_type_has_every_figure(week):
    report = await got(week, "/v1/ledger/report", by="type")
    assert [row["key"]["type"] for row in report["rows"]] == ["sales", "support"]
    sales, support = report["rows"]
    assert (sales["jobs"], sales["totalCost"], sales["totalValue"], sales["valueRatio"]) == (2, 4, 300, 75)
    assert (sales["tokenCost"], sales["externalToolCost"], sales["humanCost"]) == (1, 3, 0)
    assert (sales["roi"], sales["netValue"], sales["costPerConversion"]) == (7400, 296, 4)
    assert (support["pending"], support["valueRatio"], support["costPerConversion"]) == (1, 16, None)
    assert support["escalatedWithoutHumanCost"] == 1
    total = report["total"]
    assert (total["jobs"], total["totalCost"], total["totalValue"]) == (4, 5.25, 320)
    assert (report["looked"], report["cut"], report["rowCount"]) == (None, False, 2)


async def test_a_report_has_what_was_written_the_moment_before(week):
    before = await got(week, "/v1/ledger/report")
    await metered(week, "s0", 0.000000001)
    after = await got(week, "/v1/ledger/report")
    assert (before["total"]["totalCost"], after["total"]["totalCost"]) == (5.25, 5.250000001)


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("environment", {("prod",), (None,)}),
        ("agent", {("ada",), ("bob",)}),
        ("type,agent", {("sales", "ada"), ("support", "ada"), ("support", "bob")}),
    ],
)
async def test_reports_by_other_dimensions(week, by, keys):
    report = await got(week, "/v1/ledger/report", by=by)
    assert {tuple(row["key"].values()) for row in report["rows"]} == keys
    assert sum(row["jobs"] for row in report["rows"]) == report["total"]["jobs"] == 4


async def test_what_cells_cannot_tell_is_answered_by_the_jobs_within_a_budget(week):
    report = await got(week, "/v1/ledger/report", by="type", agent="ada")
    assert [(row["key"]["type"], row["jobs"]) for row in report["rows"]] == [("sales", 2), ("support", 1)]
    assert (report["looked"], report["cut"]) == ({"jobs": 4, "of": 4}, False)
    cut = await got(week, "/v1/ledger/report", outcomeType="PENDING", budget=3)
    assert (cut["looked"], cut["cut"]) == ({"jobs": 3, "of": 4}, True)
    whole = await got(week, "/v1/ledger/report", outcomeType="PENDING", budget=4)
    assert (whole["total"]["jobs"], whole["cut"]) == (1, False)


async def test_both_ways_to_an_answer_agree(week):
    by_cells = await got(week, "/v1/ledger/report", by="type")
    by_jobs = await got(week, "/v1/ledger/report", by="type", outcomeValueMin="-1")
    assert by_jobs["looked"]["jobs"] == 4
    assert by_jobs["rows"][0] == by_cells["rows"][0]


async def test_the_list_filters_pages_and_sorts(week):
    first = await got(week, f"{API}/jobs", size=3)
    assert first["page"] == {
        "size": 3,
        "totalElements": 4,
        "totalPages": 2,
        "number": 0,
        "cut": False,
    }
    second = await got(week, f"{API}/jobs", size=3, page=1)
    names = [job["agenticJobId"] for page in (first, second) for job in page["_embedded"]["jobResourceList"]]
    assert sorted(names) == ["h0", "p0", "s0", "s1"]
    oldest = await got(week, f"{API}/jobs", size=50, sort="created,asc")
    made = [job["created"] for job in oldest["_embedded"]["jobResourceList"]]
    assert made == sorted(made)

    async def listed(**query):
        found = await got(week, f"{API}/jobs", **query)
        jobs = found.get("_embedded", {}).get("jobResourceList", [])
        assert found["page"]["totalElements"] == len(jobs)
        return {job["agenticJobId"] for job in jobs}

    assert await listed(type="SALES") == {"s0", "s1"}
    assert await listed(jobType="sales", outcomeType="CONVERTED") == {"s0"}
    assert await listed(outcomeType="PENDING") == {"p0"}
    assert await listed(executionStatus="FAILED") == {"h0"}
    assert await listed(environment="prod") == {"s0", "s1"}
    assert await listed(executionStatus="SUCCESS", outcomeType="CONVERTED") == {"s0"}
    assert await listed(executionStatus="FAILED", outcomeType="ESCALATED", agent="bob") == {"h0"}
    assert await listed(executionStatus="FAILED", outcomeType="PENDING") == set()
    assert await listed(executionStatus="PENDING", type="support") == {"p0"}
    assert await listed(search="H0") == {"h0"}
    assert await listed(outcomeValueMin="1", outcomeValueMax="20") == {"h0"}
    assert await listed(startDate="2000-01-01", endDate="2000-12-31") == set()
    assert "_embedded" not in await got(week, f"{API}/jobs", type="unheard")


BAD = [
    {"size": "51"},
    {"size": "0"},
    {"page": "-1"},
    {"page": "x"},
    {"page": "100000"},
    {"sort": "name"},
    {"outcomeType": "MAYBE"},
    {"executionStatus": "COMPLETED"},
    {"startDate": "soon"},
    {"outcomeValueMin": "much"},
]


@pytest.mark.parametrize("query", BAD)
async def test_a_bad_filter_is_refused_by_name(agent, query):
    answer = await agent.get(f"{API}/jobs", params=query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["message"]


@pytest.mark.parametrize("path", ["/v1/ledger/report", "/api/v2/analytics/jobs/roi-summary", f"{API}/jobs"])
async def test_a_window_may_end_with_the_last_day_there_is_and_not_after_it(week, path):
    whole = await got(week, path, startDate="0001-01-01", endDate="9999-12-31")
    assert whole == await got(week, path, startDate="0001-01-01")
    for query in ({"startDate": "0001-01-01T00:00:00+14:00"}, {"endDate": "9999-12-31T23:59:59-05:00"}):
        assert (await week.get(path, params=query)).status_code == 400


async def test_nothing_deletes_jobs(agent):
    assert (await agent.delete(f"{API}/jobs")).status_code == 405


async def test_the_roi_of_one_job(week):
    roi = await got(week, f"{API}/jobs/s0/roi")
    assert roi["agenticJobType"] == "sales"
    assert (roi["totalCost"], roi["outcomeValue"], roi["outcomeCurrency"], roi["roi"]) == (
        2,
        300,
        "USD",
        14_900,
    )
    assert (roi["transactionCount"], roi["totalTokens"], roi["hasOutcome"]) == (1, 15, True)
    pending = await got(week, f"{API}/jobs/p0/roi")
    assert (pending["roi"], pending["hasOutcome"], pending["totalCost"]) == (None, False, 0.25)
    assert (await week.get(f"{API}/jobs/none/roi")).status_code == 404


async def test_the_funnel_and_the_summary(week):
    assert await got(week, f"{API}/jobs/conversion-funnel") == {
        "totalJobs": 4,
        "successfulJobs": 2,
        "convertedJobs": 1,
        "successRate": 0.5,
        "conversionRate": 0.5,
    }
    assert (await got(week, f"{API}/jobs/conversion-funnel", jobType="support"))["conversionRate"] is None
    summary = await got(week, "/api/v2/analytics/jobs/roi-summary")
    sales, support = summary["byJobType"]
    assert (sales["jobType"], sales["conversions"], sales["costPerConversion"]) == ("sales", 1, 4)
    assert "costPerConversion" not in support  # absent: not recorded
    assert summary["summary"]["totalJobTypes"] == 2
    assert summary["summary"]["overallROI"] == pytest.approx(100 * (320 - 5.25) / 5.25)
    odd = await week.get("/api/v2/analytics/jobs/roi-summary", params={"metricType": "p42"})
    assert odd.status_code == 400


async def test_reports_need_a_key_that_may_read(caller, week):
    for scope, status in (("read", 200), ("ledger", 200), ("meter", 403)):
        client = await caller(scope)
        assert (await client.get("/v1/ledger/report")).status_code == status
    other = await caller("read", tenant="other")
    assert (await got(other, "/v1/ledger/report"))["total"]["jobs"] == 0
    assert (await other.get(f"{API}/jobs/s0/roi")).status_code == 404


async def test_prices_that_are_put_price_what_comes_after(agent):
    await metered(agent, "j")
    await metered(agent, "j", tool="human_review")
    dark = await got(agent, f"{API}/jobs/j/roi")
    assert (dark["totalCost"], dark["tokenCost"]) == (None, None)
    prices = [{"provider": "OpenAI", "model": "gpt-*", "input": 2.5, "output": 10}]
    put = await agent.put("/v1/ledger/pricing", json={"entries": prices})
    assert (put.status_code, put.json()["version"], put.headers["etag"]) == (200, 1, '"1"')
    tools = [{"toolId": "human_review", "price": 1.5, "per": "minute"}]
    assert (await agent.put("/v1/ledger/tools", json={"entries": tools, "version": 0})).status_code == 200
    await metered(agent, "j")
    await metered(agent, "j", tool="human_review")
    roi = await got(agent, f"{API}/jobs/j/roi")
    assert (roi["tokenCost"], roi["humanCost"]) == (0.000075, 1.5)
    assert roi["warnings"] == ["unpriced: the cost is at least this, the ratio at most"]
    assert (await got(agent, "/v1/ledger/pricing"))["entries"][0]["output"] == 10


async def test_a_tool_that_is_registered_as_human_is_human_whoever_prices_it(agent):
    tools = [{"toolId": "reviewer", "price": 1, "human": True}]
    await agent.put("/v1/ledger/tools", json={"entries": tools})
    await metered(agent, "j", 7, tool="reviewer")
    assert (await got(agent, f"{API}/jobs/j/roi"))["humanCost"] == 7


async def test_a_list_is_changed_by_who_may_and_from_the_version_that_was_read(agent, caller):
    rates = [{"from": "EUR", "to": "USD", "rate": "1.1"}]
    reader = await caller("read")
    assert (await reader.put("/v1/ledger/rates", json={"entries": rates})).status_code == 403
    assert (await agent.put("/v1/ledger/rates", json={"entries": rates})).json()["version"] == 1
    assert (await agent.put("/v1/ledger/rates", json={"entries": rates})).json()["version"] == 1
    stale = await agent.put("/v1/ledger/rates", json={"entries": [], "version": 0})
    assert (stale.status_code, stale.json()["details"]) == (409, {"version": 1})
    bad = await agent.put("/v1/ledger/rates", json={"entries": [{"from": "EUR", "to": "XXX", "rate": 1}]})
    assert bad.json()["details"]["field"] == "entries[0].to"
    assert (await agent.put("/v1/ledger/other", json={"entries": []})).status_code in {404, 405}
    assert (await reader.get("/v1/ledger/rates")).json()["entries"][0]["rate"] == 1.1


async def test_a_report_is_converted_by_rates_and_says_what_had_none(agent):
    await metered(agent, "j", 10)
    await reported(agent, "j", "SUCCESS", "CONVERTED", 100, outcomeCurrency="EUR")
    await metered(agent, "k", 10)
    await reported(agent, "k", "SUCCESS", "CONVERTED", 100, outcomeCurrency="GBP")
    mixed = (await got(agent, "/v1/ledger/report"))["total"]
    assert (mixed["valueRatio"], [each["currency"] for each in mixed["byCurrency"]]) == (
        None,
        ["EUR", "GBP", "USD"],
    )
    rates = [{"from": "EUR", "to": "USD", "rate": 1.25, "validFrom": "2000-01-01"}]
    await agent.put("/v1/ledger/rates", json={"entries": rates})
    part = await got(agent, "/v1/ledger/report", currency="USD")
    assert part["unconverted"] == ["GBP"]
    rates += [{"from": "USD", "to": "GBP", "rate": 0.5}]
    await agent.put("/v1/ledger/rates", json={"entries": rates})
    whole = await got(agent, "/v1/ledger/report", currency="usd")
    assert (whole["unconverted"], whole["total"]["totalValue"]) == ([], 325)
    assert whole["total"]["valueRatio"] == 16.25


async def test_what_names_no_job_is_told_apart(agent):
    await metered(agent, "j", 1)
    await metered(agent, "", 4)
    report = await got(agent, "/v1/ledger/report")
    assert (report["total"]["totalCost"], report["withoutJob"]["totalCost"]) == (1, 4)
    assert report["withoutJob"]["transactions"] == 1


async def test_jobs_that_follow_a_decision_are_told_by_approach_and_group(agent):
    for number in range(6):
        decided = await agent.decided(f"user {number % 3}")
        await metered(agent, f"d{number}", 1 + number, amp_request_id=decided)
        await reported(agent, f"d{number}", "SUCCESS", "CONVERTED", 10 * (number + 1))
    await metered(agent, "plain", 1)
    groups = await got(agent, "/v1/ledger/report", by="group")
    assert sum(row["jobs"] for row in groups["rows"]) == 6
    assert {row["key"]["group"] for row in groups["rows"]} <= {"learned", "control"}
    [learned] = [row for row in groups["rows"] if row["jobs"] > 1]
    between = learned["valueRatioInterval"]
    assert between["low"] <= learned["valueRatio"] <= between["high"]
    approaches = await got(agent, "/v1/ledger/report", by="approach")
    assert sum(row["jobs"] for row in approaches["rows"]) == 6
    assert all(row["key"]["approach"] for row in approaches["rows"])
    one = approaches["rows"][0]
    only = await got(agent, "/v1/ledger/report", approach=one["key"]["approach"])
    assert (only["total"]["totalCost"], only["looked"]) == (one["totalCost"], None)
    assert (await got(agent, "/v1/ledger/report", by="type"))["rows"][0]["valueRatioInterval"] is None


async def test_a_list_stops_where_its_budget_ends_and_says_so(week, monkeypatch):
    monkeypatch.setattr(reports, "BUDGET", Budget(2))
    by_sums = await got(week, f"{API}/jobs", type="sales", size=2)  # which are the oldest
    assert (by_sums["page"]["totalElements"], by_sums["page"]["cut"]) == (2, True)
    by_jobs = await got(week, f"{API}/jobs", search="s", size=2)
    assert by_jobs["page"]["cut"] is True
    newest = await got(week, f"{API}/jobs", agent="ada", size=1)
    assert newest["page"] == {"size": 1, "totalElements": 3, "totalPages": 3, "number": 0, "cut": False}


async def test_without_the_store_there_is_no_report_and_a_retry_can_help(week, store, monkeypatch):
    async def nothing(_):
        raise StoreUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(store, "ask_each", nothing)
        answer = await week.get("/v1/ledger/report")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (await got(week, "/v1/ledger/report"))["total"]["jobs"] == 4


@pytest.fixture
async def crews(agent):
    """Two squads and nobody's; one job took two runs."""
    await metered(agent, "a", 2, squadId="red", traceId="a1", traceType="draft")
    await metered(agent, "a", 3, traceId="a2", traceType="draft", requestTime="2099-01-01T00:00:00Z")
    await metered(agent, "a", 1, tool="crm", squadId="blue", traceId="a1")
    await reported(agent, "a", "SUCCESS", "CONVERTED", 60)
    await metered(agent, "b", 4, squadId="blue", traceId="b1", traceType="check", agentName="ignored")
    await metered(agent, "c", 8)
    return agent


async def test_a_squad_whose_every_job_follows_a_decision_has_an_interval(agent):
    for number in range(6):
        said = {"amp_request_id": await agent.decided(f"user {number}")} if number != 3 else {}
        await metered(agent, f"d{number}", 1 + number, squadId="red" if number < 3 else "blue", **said)
        await metered(agent, f"d{number}", 2)
        await reported(agent, f"d{number}", outcome="CONVERTED", value=10 + number)
    await metered(agent, "later", 3, squadId="blue")
    kept = await got(agent, "/v1/ledger/report", by="squad")
    single = await got(agent, "/v1/ledger/report", by="squad", outcomeValueMin=1)
    assert (kept["looked"], single["looked"]) == (None, {"jobs": 7, "of": 7})
    for report in (kept, single):
        rows = {row["key"]["squad"]: row for row in report["rows"]}
        assert rows["blue"]["valueRatioInterval"] is None  # one of its jobs follows none
        between = rows["red"]["valueRatioInterval"]
        expected = value_per_cost(Moments(3, 33, 12, 100 + 121 + 144, 9 + 16 + 25, 30 + 44 + 60))
        assert (between["low"], between["high"]) == pytest.approx(expected)
        assert report["total"]["valueRatioInterval"] is None
    only = await got(agent, "/v1/ledger/report", squad="red")
    assert only["total"]["valueRatioInterval"] == between
    await metered(agent, "alone", 3)
    rows = {row["key"]["squad"]: row for row in (await got(agent, "/v1/ledger/report", by="squad"))["rows"]}
    assert rows[None]["valueRatioInterval"] is None
    assert rows["red"]["valueRatioInterval"] == between


async def test_a_job_belongs_to_the_squad_that_worked_on_it_first(crews):
    report = await got(crews, "/v1/ledger/report", by="squad")
    found = {
        row["key"]["squad"]: (row["jobs"], row["totalCost"], row["totalValue"]) for row in report["rows"]
    }
    assert found == {"red": (1, 6, 60), "blue": (1, 4, 0), None: (1, 8, 0)}
    assert (report["looked"], report["total"]["totalCost"]) == (None, 18)
    only = await got(crews, "/v1/ledger/report", by="day", squadId="red")
    assert (only["looked"], [row["jobs"] for row in only["rows"]]) == (None, [1])
    by_jobs = await got(crews, "/v1/ledger/report", by="squad,type")
    assert {tuple(row["key"].values()) for row in by_jobs["rows"]} == {
        ("red", None),
        ("blue", None),
        (None, None),
    }
    assert (await got(crews, f"{API}/jobs/a"))["squad"] == "red"
    assert (await got(crews, f"{API}/jobs", squad="blue"))["page"]["totalElements"] == 1


async def test_traces_are_told_apart_and_add_up(crews):
    report = await got(crews, "/v1/ledger/report", by="trace")
    found = {
        row["key"]["trace"]: (row["jobs"], row["totalCost"], row["totalValue"]) for row in report["rows"]
    }
    assert found == {"a1": (0, 3, 0), "a2": (1, 3, 60), "b1": (1, 4, 0), None: (1, 8, 0)}
    assert (report["looked"], report["total"]["totalCost"]) == ({"jobs": 3, "of": 3}, 18)
    kinds = await got(crews, "/v1/ledger/report", by="trace_type")
    found = {row["key"]["trace_type"]: (row["jobs"], row["totalCost"]) for row in kinds["rows"]}
    assert found == {"draft": (1, 6), "check": (1, 4), None: (1, 8)}
    only = await got(crews, "/v1/ledger/report", traceId="a1")
    assert (only["total"]["totalCost"], only["total"]["jobs"], only["filters"]) == (3, 0, {"trace": "a1"})
    jobs = await got(crews, f"{API}/jobs", traceType="draft")
    assert [job["agenticJobId"] for job in jobs["_embedded"]["jobResourceList"]] == ["a"]


async def test_time_is_a_budget_too(crews, monkeypatch):
    monkeypatch.setattr(looking, "_FIRST", 1)
    clock = SimpleNamespace(monotonic=count(step=2).__next__)  # each look at it takes two seconds
    monkeypatch.setattr(looking, "time", clock)
    report = await got(crews, "/v1/ledger/report", by="trace")
    assert (report["looked"], report["cut"]) == ({"jobs": 1, "of": 3}, True)


@pytest.mark.parametrize(
    ("metric", "sales_figures", "overall"),
    [
        ("avg", (3, 2, 150), 103.333333333),
        ("max", (4, 3, 300), 300),
        ("min", (2, 1, 0), 0),
        ("count", (2, 2, 2), 3),
        ("median", (3, 2, 150), 10),
        ("p90", (3.8, 2.8, 270), 242),
    ],
)
async def test_a_roi_summary_has_other_figures_than_sums(agent, metric, sales_figures, overall):
    for number, worth in enumerate((300, 0)):
        await metered(agent, f"s{number}", 1, agenticJobType="sales")
        await metered(agent, f"s{number}", 1 + 2 * number, tool="zoominfo")
        await reported(agent, f"s{number}", "SUCCESS", "CONVERTED" if worth else None, worth)
    await metered(agent, "u", None, agenticJobType="support")  # without a price
    await reported(agent, "u", "SUCCESS", "DEFLECTED", 10)
    await metered(agent, "p", 1, agenticJobType="support")  # pending: it has no value, which is not 0
    found = await got(agent, "/api/v2/analytics/jobs/roi-summary", metricType=metric.upper())
    rows = {row["jobType"]: row for row in found["byJobType"]}
    sales, support = rows["sales"], rows["support"]
    assert (sales["totalCost"], sales["externalToolCost"], sales["totalValue"]) == sales_figures
    assert (sales["totalJobs"], sales["roi"], sales["costPerConversion"]) == (2, 4900, 6)
    assert support["totalValue"] == (1 if metric == "count" else 10)
    assert support["totalCost"] == 1  # of the job whose cost is known
    assert found["summary"]["totalValue"] == overall
    assert (found["metricType"], found["looked"], found["cut"]) == (metric, {"jobs": 4, "of": 4}, False)


async def test_a_funnel_says_when_it_has_not_seen_all_jobs(week, monkeypatch):
    monkeypatch.setattr(reports, "BUDGET", Budget(3))
    monkeypatch.setattr(reports.Reports.report, "__defaults__", (Budget(3),))
    found = await got(week, f"{API}/jobs/conversion-funnel", jobType="sales", environment="prod")
    assert (found["looked"], found["cut"]) == ({"jobs": 3, "of": 4}, True)
    assert "cut" not in await got(week, f"{API}/jobs/conversion-funnel", jobType="sales")


async def test_a_jobs_timeline_shows_its_runs(crews):
    found = await got(crews, "/v1/ledger/jobs/a/timeline")
    rows = [(each["kind"], each["name"], each["traceId"], each["traceType"]) for each in found["timeline"]]
    assert sorted(rows[:2]) == [("model", "openai/gpt-4o", "a1", "draft"), ("tool", "crm", "a1", None)]
    assert rows[2:] == [("model", "openai/gpt-4o", "a2", "draft")]  # used last, metered before the tool
    assert (found["totalCount"], found["timeline"][2]["cost"], found["timeline"][2]["squad"]) == (3, 3, None)
    second = await got(crews, "/v1/ledger/jobs/a/timeline", page=1, size=2)
    assert second["timeline"] == found["timeline"][2:]
    assert (await crews.get("/v1/ledger/jobs/none/timeline")).status_code == 404
