"""The client that people have, unmodified, in a process of its own: its four calls, its reads, its errors.

Its source: revenium-python-sdk 0.12.0. Only its base URL and its key are ours.
"""

import asyncio
import json
import os
import re
import sys
import textwrap
from pathlib import Path

import pytest
from calls import everything, job

from amp.ledger.entries import Completion, ToolEvent, unpack

PRELUDE = """
import json, logging, os, sys
from revenium_middleware import *
import revenium_middleware as sdk

client = AgenticOutcomeClient(AgenticOutcomeSettings(
    api_key=os.environ["KEY"], meter_base_url=os.environ["URL"],
    outcome_retry_initial_seconds=0.01, outcome_retry_max_seconds=0.05,
))

def completion(job, transaction, cost):
    return {
        "agenticJobId": job, "agenticJobType": "Sales", "agenticJobName": "Outreach",
        "environment": "production", "agent": "sdr", "completionStartTime": "2026-01-31T12:00:00.400Z",
        "costType": "AI", "inputTokenCount": 812,
        "isStreamed": False, "model": "claude-sonnet-4-5", "outputTokenCount": 133, "provider": "anthropic",
        "requestDuration": 1400, "requestTime": "2026-01-31T12:00:00.000Z",
        "responseTime": "2026-01-31T12:00:01.400Z", "stopReason": "END", "totalTokenCount": 945,
        "transactionId": transaction, "totalCost": cost, "traceId": "trace-1", "squadId": "squad-1",
    }

def tool(job, transaction, name, cost):
    return {"toolId": name, "transactionId": transaction, "agenticJobId": job, "costUsd": cost,
            "durationMs": 400, "success": True, "timestamp": "2026-01-31T12:00:02Z", "agent": "sdr"}

def flush():
    left = sdk.flush_metering(8)
    assert not left, left

told = {}
"""


@pytest.fixture
def store(real_store):
    return real_store


@pytest.fixture
async def spelled(keyring):
    """Makes a key as the client reads it."""

    async def make(*scopes):
        key, _ = await keyring.create(
            tenant="acme", env="test", scopes=scopes, expires_ms=None, spelled="rev"
        )
        return key

    return make


@pytest.fixture
def run(wire, spelled, tmp_path):
    """Runs a script with the client in it and returns what it put into `told`, and what it logged."""

    async def in_a_process(script, *, key=None, url=None, **environment):
        plain = {name: value for name, value in os.environ.items() if not name.startswith("REVENIUM_")}
        plain |= {"KEY": key or await spelled("ledger"), "URL": url or wire, "NO_PROXY": "127.0.0.1"}
        plain |= {"HOME": str(tmp_path), "REVENIUM_METERING_API_KEY": plain["KEY"]} | environment
        plain.setdefault("REVENIUM_METERING_BASE_URL", plain["URL"])
        whole = PRELUDE + textwrap.dedent(script) + "\nflush(); print(json.dumps(told))"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", "-c", whole, env=plain, cwd=tmp_path, stdout=-1, stderr=-1
        )
        out, err = await asyncio.wait_for(process.communicate(), 40)
        assert process.returncode == 0, err.decode()
        return json.loads(out.decode().splitlines()[-1]), err.decode()

    return in_a_process


async def test_its_four_calls_end_in_a_job_with_its_cost_and_its_outcome(run, client, facts):
    told, log = await run(
        """
        told["made"] = client.create_job("job-1", name="Outreach", type="Sales", environment="production")
        told["again"] = client.create_job("job-1", name="Outreach")
        for number, cost in enumerate((0.0014, 0.0008, 0.0355)):
            client.emit_completion(completion("job-1", f"t-{number}", cost))
        for name, cost in (("zoominfo", 1.0), ("apollo", 0.5), ("human_escalation", 2.0)):
            client.emit_tool_event(tool("job-1", f"u-{name}", name, cost))
        flush()
        told["report"] = client.report_outcome("job-1", {
            "executionStatus": "SUCCESS", "outcomeType": "CONVERTED", "outcomeValue": 300.0,
            "outcomeCurrency": "USD", "metadata": json.dumps({"lead": 7}),
        })
        client.append_outcome_metrics("job-1", [{"key": "quality", "value": 0.93}])
        """
    )
    assert "Error" not in log
    assert (told["made"]["type"], told["made"]["entityVersion"], told["report"]) == ("sales", 0, None)
    assert told["again"] == {"agenticJobId": "job-1", "name": "Outreach"}
    found = (await client.get(job("job-1"))).json()
    assert (found["outcomeValue"], found["outcomeMetadata"]) == (300, '{"lead": 7}')
    assert found["outcomeMetrics"] == [{"key": "quality", "value": 0.93}]
    entries = [unpack(each.entry) for _, each in await everything(facts)]
    costs = [each.cost_nanos for each in entries if isinstance(each, Completion | ToolEvent)]
    assert sum(costs) == 3_537_700_000
    assert len(costs) == 6


async def test_its_reads_understand_our_answers(run):
    told, _ = await run(
        """
        client.emit_completion(completion("job-1", "t-1", 0.0014)); flush()
        client.report_outcome("job-1", {"executionStatus": "FAILED"})
        told["job"] = sdk.get_job("job-1")
        told["types"] = sdk.get_job_types()
        told["transactions"] = sdk.get_job_transactions("job-1")
        with sdk.JobContext.attach("job-1") as handle:
            change = {"execution_status": "SUCCESS", "outcome_type": "DEFLECTED"}
            told["amended"] = handle.amend_outcome("typo", **change)
            told["stale"] = ""
            try:
                handle.amend_outcome("late", expected_entity_version=1, execution_status="FAILED")
            except sdk.OutcomeAmendConflictError as error:
                told["stale"] = error.current_entity_version
        told["history"] = [row.execution_status for row in sdk.get_outcome_history("job-1")]
        """
    )
    assert told["job"]["executionStatus"] == "FAILED"
    assert told["types"] == ["sales"]
    assert told["transactions"]["transactions"][0]["cost"] == 0.0014
    assert (told["amended"]["executionStatus"], told["amended"]["entityVersion"]) == ("SUCCESS", 2)
    assert told["stale"] == 2
    assert told["history"] == ["FAILED", "SUCCESS"]


async def test_its_job_context_reports_by_itself(run, client):
    await run(
        """
        client.create_job("job-1", type="Support")
        with sdk.JobContext("job-1", name="Triage") as context:
            context.report_outcome("SUCCESS", outcome_type="DEFLECTED", outcome_value=4.5)
        """
    )
    found = (await client.get(job("job-1"))).json()
    assert (found["outcomeType"], found["outcomeValue"], found["type"]) == ("DEFLECTED", 4.5, "support")


async def test_a_second_report_is_a_conflict_of_its_own_type_with_what_stands(run):
    told, _ = await run(
        """
        client.create_job("a b/c")
        client.report_outcome("a b/c", {"executionStatus": "SUCCESS"})
        try:
            client.report_outcome("a b/c", {"executionStatus": "FAILED"})
        except sdk.OutcomeAlreadyReportedError as error:
            told["error"] = {name: str(value) for name, value in vars(error).items()}
        """
    )
    assert told["error"]["amendment_count"] == "0"
    assert told["error"]["reported_at"].endswith("Z")


async def test_a_report_that_comes_before_the_job_is_tried_again_until_it_is_there(run, client):
    told, _ = await run(
        """
        import threading, time
        def late():
            time.sleep(0.15)
            client.emit_completion(completion("job-1", "t-1", 0.0014))
        threading.Thread(target=late).start()
        client.report_outcome("job-1", {"executionStatus": "SUCCESS"})
        try:
            client.report_outcome("nobody", {"executionStatus": "SUCCESS"})
        except Exception as error:
            told["nobody"] = str(error)
        """
    )
    assert (await client.get(job("job-1"))).json()["hasOutcome"] is True
    assert "404" in told["nobody"]


async def test_a_metering_key_meters_and_is_refused_the_rest_by_client_and_server(
    run, spelled, client, caller
):
    told, _ = await run(
        """
        client.emit_completion(completion("job-1", "t-1", 0.0014)); flush()
        try:
            client.report_outcome("job-1", {"executionStatus": "SUCCESS"})
        except ValueError as error:
            told["refused"] = str(error)
        """,
        key=await spelled("meter"),
    )
    assert "metering" in told["refused"].lower()
    assert (await client.get(job("job-1"))).json()["hasOutcome"] is False
    refused = await (await caller("meter")).post(job("job-1", "outcome"), json={"executionStatus": "SUCCESS"})
    assert refused.status_code == 403


async def test_a_wrong_key_is_told_once_and_not_tried_again(run):
    told, _ = await run(
        """
        try:
            client.create_job("job-1")
        except Exception as error:
            told["refused"] = str(error)
        """,
        key="rev_sk_acme_nobody",
    )
    assert "401" in told["refused"]


@pytest.mark.parametrize("where", ["code with /meter", "environment", "environment with /meter"])
async def test_it_may_be_pointed_here_in_each_of_its_ways(run, wire, client, where):
    script = """
        if os.environ["WHERE"] != "code with /meter":
            client = AgenticOutcomeClient(AgenticOutcomeSettings(api_key=os.environ["KEY"]))
        client.create_job("job-1")
        client.emit_completion(completion("job-1", "t-1", 0.5))
        client.emit_tool_event(tool("job-1", "u-1", "zoominfo", 1.0)); flush()
        client.report_outcome("job-1", {"executionStatus": "SUCCESS"})
    """
    url = f"{wire}/meter" if where.endswith("/meter") else wire
    await run(script, url=url, WHERE=where)
    assert (await client.get(job("job-1"))).json()["hasOutcome"] is True
    assert (await client.get(job("job-1", "transactions"))).json()["totalCount"] == 1


@pytest.mark.parametrize("value", [12.34, 0.1 + 0.2, 100 / 3, 1e-10, -2.5e-9, 123456789012.12345, 5e-324])
async def test_a_report_that_was_stored_though_its_answer_was_lost_counts_as_delivered(
    run, app, client, monkeypatch, value
):
    """503, then 409 on the second try, and then the client looks whether what stands is what it said."""
    from amp.errors import StoreUnavailable
    from amp.ledger.service import Ledger

    report, calls = Ledger.report, []

    async def losing(self, access, job_id, request):
        answer = await report(self, access, job_id, request)
        calls.append(job_id)
        if len(calls) == 1:
            raise StoreUnavailable
        return answer

    monkeypatch.setattr(Ledger, "report", losing)
    told, _ = await run(
        f"""
        client.create_job("job-1")
        client.report_outcome("job-1", {{
            "executionStatus": "SUCCESS", "outcomeType": "CONVERTED", "outcomeValue": {value!r},
            "metadata": json.dumps({{"b": 1, "a": [1.5]}}), "outcomeReason": "bought",
        }})
        told["delivered"] = True
        """
    )
    assert told == {"delivered": True}
    assert calls == ["job-1"]
    assert len((await client.get(job("job-1", "outcome", "history"))).json()) == 1


async def test_what_readme_says_works_as_it_stands_there(run, wire, client):
    """But for the address, which is this test's."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(
        r"<!-- ledger: begin -->\n```python\n(.*?)```\n<!-- ledger: end -->", readme, re.DOTALL
    )
    assert script.count("http://127.0.0.1:8000") == 1
    await run(script.replace("http://127.0.0.1:8000", wire))
    told = (await client.get(job("lead-7"))).json()
    assert (told["outcomeType"], told["outcomeValue"], told["type"]) == ("CONVERTED", 300, "sales")
    assert told["lastEventAt"] is not None
