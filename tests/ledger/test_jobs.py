"""Jobs and what came of them, over HTTP."""

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from calls import API, COMPLETIONS, SUCCESS, completion, everything, job, refused, tool_event
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import InvalidParameter
from amp.ledger.rules import moment_ms

OPEN = (
    "executionStatus",
    "outcomeType",
    "outcomeValue",
    "outcomeValueCounted",
    "outcomeCurrency",
    "outcomeReason",
    "outcomeMetadata",
    "outcomeReportedAt",
    "outcomeUpdatedAt",
    "outcomeUpdatedBy",
)


async def made(client, job_id="job-1", **fields):
    answer = await client.post(f"{API}/jobs", json={"agenticJobId": job_id, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def report(client, job_id="job-1", **fields):
    return await client.post(job(job_id, "outcome"), json={**SUCCESS, **fields})


async def show(client, job_id="job-1"):
    answer = await client.get(job(job_id))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_job_is_made_with_all_that_was_said_of_it_and_every_open_field_null(client):
    told = await made(client, name="Outreach", type="  Sales ", version="2", environment="production")
    assert (told["name"], told["type"], told["version"]) == ("Outreach", "sales", "2")
    assert (told["environment"], told["source"]) == ("production", "API")
    assert (told["resourceType"], told["label"], told["entityVersion"]) == ("job", "Outreach", 0)
    assert (told["hasOutcome"], told["outcomeUpdateCount"]) == (False, 0)
    assert [told[name] for name in OPEN] == [None] * len(OPEN)
    assert await show(client) == told


async def test_making_a_job_again_is_a_conflict_that_fills_only_what_was_open(client):
    await made(client, type="sales")
    again = {"agenticJobId": "job-1", "type": "support", "name": "Outreach"}
    refused(await client.post(f"{API}/jobs", json=again), 409, "job_exists")
    told = await show(client)
    assert (told["type"], told["name"]) == ("sales", "Outreach")


@pytest.mark.parametrize("bad", ["", "x" * 256, "types", "conversion-funnel", "..", 7, None])
async def test_what_can_be_no_id_is_refused(client, bad):
    refused(
        await client.post(f"{API}/jobs", json={"agenticJobId": bad}), 400, "invalid_parameter", "agenticJobId"
    )


@pytest.mark.parametrize("job_id", ["a b/c", "%2F", "a%2Fb", "ü/ß?#&", "...", "\0"])
async def test_an_id_may_hold_any_character(client, job_id):
    """The path is split as it was sent and decoded afterwards."""
    await made(client, job_id)
    assert (await report(client, job_id)).status_code == 200
    assert (await show(client, job_id))["agenticJobId"] == job_id
    assert len((await client.get(job(job_id, "outcome", "history"))).json()) == 1


async def test_a_report_is_taken_once_whatever_the_second_says(client):
    await made(client)
    told = (await report(client, outcomeReason="bought")).json()
    assert (told["executionStatus"], told["outcomeType"], told["outcomeValue"]) == (
        "SUCCESS",
        "CONVERTED",
        300,
    )
    assert (told["hasOutcome"], told["entityVersion"], told["outcomeUpdateCount"]) == (True, 1, 0)
    for second in ({}, {"outcomeValue": 1}, {"executionStatus": "FAILED"}):
        details = refused(await report(client, **second), 409, "outcome_already_reported")
        assert "PATCH" in details["guidance"]
        assert (details["reportedAt"], details["updateCount"]) == (told["outcomeReportedAt"], "0")
        assert details["outcome"]["outcomeValue"] == 300
    assert await show(client) == told


async def test_a_report_on_a_job_that_nobody_knows_is_not_found_and_makes_none(client):
    refused(await report(client), 404, "not_found")
    refused(await client.get(job("job-1")), 404, "not_found")


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED", "CANCELLED"])
@pytest.mark.parametrize("kind", [None, "CONVERTED", "ESCALATED", "DEFLECTED", "UNSUCCESSFUL", "CUSTOM"])
async def test_status_and_type_are_independent(client, status, kind):
    await made(client)
    assert (await report(client, executionStatus=status, outcomeType=kind)).status_code == 200
    told = await show(client)
    assert (told["executionStatus"], told["outcomeType"]) == (status, kind)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("executionStatus", "COMPLETED"),
        ("executionStatus", None),
        ("outcomeType", "PENDING"),
        ("outcomeType", "converted"),
        ("outcomeValue", 1e12 + 1),
        ("outcomeValue", "NaN"),
        ("outcomeValue", "much"),
        ("outcomeCurrency", "XYZ"),
        ("outcomeReason", "x" * 2049),
        ("outcomeReportedAt", "yesterday"),
        ("outcomeReportedAt", "9999-12-31T00:00:00Z"),
        ("metadata", {"an": "object"}),
        ("reportedBy", "x" * 256),
        ("metrics", [{"key": "quality"}]),
    ],
)
async def test_a_refused_report_does_not_use_up_the_one_there_is(client, facts, field, value):
    await made(client)
    refused(await report(client, **{field: value}), 400, "invalid_parameter", field)
    assert len(await everything(facts)) == 1
    assert (await report(client)).status_code == 200


async def test_nothing_is_filled_in_that_was_not_said(client):
    """The client compares what is stored with what it sent, null with null."""
    await made(client)
    assert (await report(client, outcomeType=None, outcomeValue=None)).status_code == 200
    told = await show(client)
    nothing = ("outcomeType", "outcomeValue", "outcomeCurrency", "outcomeReason", "outcomeMetadata")
    assert [told[name] for name in nothing] == [None] * 5


async def test_metadata_and_the_time_of_the_report_are_kept_as_they_were_sent(client):
    await made(client)
    metadata = ' {"b": 1.0,"a": [ ]}\u2028 '
    await report(
        client, metadata=metadata, outcomeReportedAt="2026-01-01T01:00:00.25+01:00", unknown={"x": 1}
    )
    told = await show(client)
    assert told["outcomeMetadata"] == metadata
    assert told["outcomeReportedAt"] == "2026-01-01T00:00:00.250Z"


@pytest.mark.parametrize(("sent", "shown"), [("0.1", "0.1"), ("1e12", "1000000000000"), ("-3.50", "-3.5")])
async def test_a_value_is_shown_exactly(client, sent, shown):
    await made(client)
    body = b'{"executionStatus":"SUCCESS","outcomeValue":%s,"outcomeCurrency":"eur"}' % sent.encode()
    answer = await client.post(job("job-1", "outcome"), content=body)
    amounts = f'"outcomeValue":{shown},"outcomeValueCounted":{shown}'
    assert f'{amounts},"outcomeCurrency":"EUR"' in answer.text


FINE = [("0.30000000000000004", "0.3"), ("0.0000000025", "0.000000002"), ("-1E-10", "0")]


@pytest.mark.parametrize(("sent", "counted"), FINE)
async def test_a_value_finer_than_a_nano_is_shown_as_it_was_sent_beside_what_counts(client, sent, counted):
    await made(client)
    body = b'{"executionStatus":"SUCCESS","outcomeValue":%s}' % sent.encode()
    answer = await client.post(job("job-1", "outcome"), content=body)
    shown = Decimal(json.loads(answer.text, parse_float=str)["outcomeValue"])
    assert shown == Decimal(sent)
    assert f'"outcomeValueCounted":{counted}' in answer.text
    again = refused(await client.post(job("job-1", "outcome"), content=body), 409, "outcome_already_reported")
    assert again["outcome"]["outcomeValue"] == float(sent)
    roi = (await client.get(job("job-1", "roi"))).json()
    assert Decimal(str(roi["outcomeValue"])) == Decimal(counted)


async def test_what_was_sent_stays_until_another_value_is_said(client, facts):
    await made(client)
    await report(client, outcomeValue=0.1 + 0.2)
    for _ in range(2):  # a retry adds nothing
        await client.patch(job("job-1", "outcome"), json={"outcomeReason": "late", "reason": "typo"})
    told = await show(client)
    assert (told["outcomeValue"], told["outcomeValueCounted"]) == (0.1 + 0.2, 0.3)
    await client.patch(job("job-1", "outcome"), json={"outcomeValue": 0.3, "reason": "rounded"})
    told = await show(client)
    assert (told["outcomeValue"], told["outcomeValueCounted"]) == (0.3, 0.3)
    history = (await client.get(job("job-1", "outcome", "history"))).json()
    assert [row["outcomeValue"] for row in history] == [0.1 + 0.2, 0.1 + 0.2, 0.3]
    assert len(await everything(facts)) == 4


async def test_of_endless_digits_only_what_counts_is_kept(client):
    await made(client)
    body = b'{"executionStatus":"SUCCESS","outcomeValue":0.%s}' % (b"3" * 60_000)
    assert '"outcomeValue":0.333333333,' in (await client.post(job("job-1", "outcome"), content=body)).text


class TestAmendments:
    async def test_an_amendment_is_a_new_entry_and_the_first_stays_readable(self, client, facts):
        await made(client)
        first = (await report(client, reportedBy="ann")).json()
        change = {"outcomeValue": 250, "reason": "refund", "reportedBy": "bob", "expectedEntityVersion": "1"}
        answer = await client.patch(job("job-1", "outcome"), json=change)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["outcomeValue"], told["outcomeType"], told["entityVersion"]) == (250, "CONVERTED", 2)
        assert (told["outcomeUpdateCount"], told["outcomeUpdatedBy"]) == (1, "bob")
        assert told["outcomeReportedAt"] == first["outcomeReportedAt"]
        one, two = (await client.get(job("job-1", "outcome", "history"))).json()
        assert (one["sequence"], one["outcomeValue"], one["reportedBy"], one["reason"]) == (
            1,
            300,
            "ann",
            None,
        )
        assert (two["sequence"], two["outcomeValue"], two["reportedBy"], two["reason"]) == (
            2,
            250,
            "bob",
            "refund",
        )
        assert one["reportedAt"] <= two["reportedAt"]
        assert len(await everything(facts)) == 3

    async def test_what_is_not_named_stays_and_an_empty_reason_clears(self, client):
        await made(client)
        await report(client, outcomeReason="why", metadata="{}", outcomeCurrency="EUR")
        await client.patch(job("job-1", "outcome"), json={"outcomeReason": ""})
        told = await show(client)
        assert (told["outcomeReason"], told["outcomeMetadata"], told["outcomeCurrency"]) == (
            None,
            "{}",
            "EUR",
        )

    async def test_a_stale_version_is_a_conflict_that_names_the_one_in_force(self, client):
        await made(client)
        await report(client)
        await client.patch(job("job-1", "outcome"), json={"outcomeValue": 1})
        stale = {"outcomeValue": 2, "expectedEntityVersion": 1}
        answer = await client.patch(job("job-1", "outcome"), json=stale)
        assert refused(answer, 409, "version_conflict") == {"currentEntityVersion": 2}
        assert "entity version 1; current version is 2. Refetch and retry." in answer.json()["message"]
        assert (await show(client))["outcomeValue"] == 1

    async def test_before_a_report_there_is_nothing_to_amend(self, client):
        refused(await client.patch(job("job-1", "outcome"), json={}), 404, "not_found")
        await made(client)
        refused(await client.patch(job("job-1", "outcome"), json={}), 422, "outcome_not_reported")

    async def test_an_amendment_that_is_sent_again_adds_nothing(self, client, facts):
        await made(client)
        await report(client)
        for _ in range(3):
            await client.patch(job("job-1", "outcome"), json={"outcomeValue": 1, "reason": "typo"})
        assert len(await everything(facts)) == 3

    async def test_its_figures_are_not_added_again_either(self, client, facts):
        await made(client)
        await report(client)
        for _ in range(2):
            body = {"outcomeValue": 1, "metrics": [{"key": "quality", "value": 1}]}
            told = await client.patch(job("job-1", "outcome"), json=body)
        assert told.json()["outcomeMetrics"] == [{"key": "quality", "value": 1}]
        assert len(await everything(facts)) == 3
        body["metrics"] = [{"key": "quality", "value": 2}]
        told = await client.patch(job("job-1", "outcome"), json=body)
        assert len(told.json()["outcomeMetrics"]) == 2

    @pytest.mark.parametrize("bad", [-1, "x", 2**60])
    async def test_what_is_no_version_is_refused(self, client, bad):
        await made(client)
        await report(client)
        answer = await client.patch(job("job-1", "outcome"), json={"expectedEntityVersion": bad})
        refused(answer, 400, "invalid_parameter", "expectedEntityVersion")


async def test_figures_are_added_to_a_job_and_shown_with_it(client):
    await made(client)
    await report(client, metrics=[{"key": "quality", "value": 0.93, "source": "judge"}])
    answer = await client.post(job("job-1", "outcome", "metrics"), json=[{"key": "effort", "value": 3}])
    assert (answer.status_code, answer.content) == (201, b"")
    shown = (await show(client))["outcomeMetrics"]
    assert shown == [{"key": "quality", "value": 0.93, "source": "judge"}, {"key": "effort", "value": 3}]
    for bad in ([], {}, [{"value": 1}], [7]):
        refused(
            await client.post(job("job-1", "outcome", "metrics"), json=bad), 400, "invalid_parameter", "body"
        )
    answer = await client.post(job("nobody", "outcome", "metrics"), json=[{"key": "effort", "value": 3}])
    refused(answer, 404, "not_found")


async def test_a_job_cannot_be_deleted_nor_rewritten(client):
    await made(client)
    for verb in ("DELETE", "PUT"):
        answer = await client.request(verb, job("job-1"), json={"name": "x"})
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_types_are_listed_each_once(client):
    for number, kind in enumerate(("sales", "Support", "SALES", None)):
        await made(client, f"job-{number}", type=kind)
    assert (await client.get(job("types"))).json() == ["sales", "support"]


async def test_the_ai_calls_of_a_job_are_listed_in_their_order_by_pages(client):
    for number in range(5):
        await client.post(COMPLETIONS, json=completion(transactionId=f"t-{number}", totalCost=number / 10))
    await client.post("/meter/v2/tool/events", json=tool_event())
    told = (await client.get(job("job-1", "transactions"))).json()
    assert told["totalCount"] == 5
    assert [row["transactionId"] for row in told["transactions"]] == [f"t-{number}" for number in range(5)]
    assert told["transactions"][3] == {
        "transactionId": "t-3",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "agent": None,
        "model": "claude-sonnet-4-5",
        "provider": "anthropic",
        "duration": 1400,
        "cost": 0.3,
        "inputTokens": 812,
        "outputTokens": 133,
        "totalTokens": 945,
        "status": "success",
    }
    page = (await client.get(job("job-1", "transactions"), params={"page": 1, "size": 2})).json()
    assert [row["transactionId"] for row in page["transactions"]] == ["t-2", "t-3"]
    refused(
        await client.get(job("job-1", "transactions"), params={"size": 0}), 400, "invalid_parameter", "size"
    )
    refused(await client.get(job("nobody", "transactions")), 404, "not_found")


async def test_another_tenants_job_does_not_exist(client, caller):
    await made(client)
    stranger = await caller("ledger", tenant="other")
    for verb, path in (("GET", job("job-1")), ("GET", job("job-1", "outcome", "history"))):
        refused(await stranger.request(verb, path), 404, "not_found")
    refused(await report(stranger), 404, "not_found")
    refused(await stranger.patch(job("job-1", "outcome"), json={}), 404, "not_found")
    assert (await made(stranger))["hasOutcome"] is False
    assert (await stranger.get(job("types"))).json() == []


async def test_the_team_is_the_tenant(client):
    told = (await client.get(f"{API}/teams", params={"tenantId": "whatever"})).json()
    assert told["_embedded"]["teamResourceList"][0]["id"] == "acme"
    me = (await client.get(f"{API}/users/me")).json()
    assert (me["tenant"]["id"], me["scopes"]) == ("acme", ["ledger"])


@pytest.mark.parametrize(
    ("sent", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-31T12:00:00", 1769860800000),
        ("2026-01-31T12:00:00.1234567Z", 1769860800123),
        ("2026-01-31", 1769817600000),
        ("", None),
    ],
)
def test_times_are_read_in_utc(sent, ms):
    assert moment_ms("at", sent) == ms


@given(st.text() | st.from_regex(r"[0-9T:.+Z-]{1,30}"))
def test_what_is_no_time_is_refused_and_nothing_else_happens(text):
    with suppress(InvalidParameter):
        ms = moment_ms("at", text)
        assert ms is None or ms >= 0


async def test_a_body_that_is_too_large_or_no_json_is_refused_in_the_ledgers_shape(client):
    for path in (f"{API}/jobs", COMPLETIONS):
        large = await client.post(path, content=json.dumps({"agenticJobId": "x" * 70_000}))
        refused(large, 413, "payload_too_large")
        refused(await client.post(path, content=b"{"), 400, "invalid_parameter", "body")
        refused(await client.post(path, content=b"[" * 5000), 400, "invalid_parameter")
    refused(await client.get(f"{API}/nothing"), 404, "not_found")


async def test_without_the_store_everything_is_asked_to_come_again(client, outage):
    await made(client)
    calls = [
        ("POST", COMPLETIONS, completion()),
        ("POST", f"{API}/jobs", {"agenticJobId": "job-2"}),
        ("POST", job("job-1", "outcome"), SUCCESS),
        ("PATCH", job("job-1", "outcome"), {}),
        ("GET", job("job-1"), None),
        ("GET", job("types"), None),
    ]
    with outage():
        for verb, path, body in calls:
            answer = await client.request(verb, path, json=body)
            refused(answer, 503, "store_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
    assert (await show(client))["hasOutcome"] is False
