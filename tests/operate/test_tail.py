"""`amp tail`: what is reported, as it happens, and how it ends."""

import io
import json
import os
import signal
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
from rich.console import Console
from running import COMMAND, environment, serving, until
from test_serve import store_pid

from amp.ledger import entries
from amp.ledger.answers import API
from amp.terminal import tail_lines

AT = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


@contextmanager
def tailing(data, *arguments):
    command = [*COMMAND, "tail", "--data", str(data), *arguments]
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def reported(announced, user, task_type="essay"):
    """A decision and its outcome; when the store is away, as often as it takes."""
    with httpx.Client(
        base_url=announced["url"], headers={"Authorization": f"Bearer {announced['key']}"}
    ) as http:
        decided = http.post("/v1/context", json={"userId": user, "task": "x", "taskType": task_type}).json()
        report = {"requestId": decided["requestId"], "started": True, "completed": True}
        until(lambda: http.post("/v1/outcome", json=report).status_code == 200)


def begun(process, announced):
    """Reports until the tail shows one: then it is there."""
    os.set_blocking(process.stdout.fileno(), False)

    def shown():
        reported(announced, "warm-up")
        return process.stdout.readline()

    line = until(shown, within_s=60)
    os.set_blocking(process.stdout.fileno(), True)
    return line


def next_of(process, kind, **wanted):
    for line in process.stdout:
        told = json.loads(line)
        if told["kind"] == kind and all(told[name] == value for name, value in wanted.items()):
            return told
    return pytest.fail(f"nothing came: {process.stderr.read()}")


@pytest.mark.timeout(180)
def test_outcomes_come_as_they_are_reported_through_a_store_that_is_killed_until_ctrl_c(data):
    with serving(data) as (_, announced), tailing(data, "--json") as tail:
        begun(tail, announced)
        reported(announced, "ada", "letter")
        told = next_of(tail, "outcome", taskType="letter")
        assert "ada" not in json.dumps(told)
        assert (told["by"], told["counts"], told["final"]) == ("agent", True, True)
        assert told["signals"]["completed"] is True

        os.kill(store_pid(data), signal.SIGKILL)
        reported(announced, "eve", "poem")
        assert next_of(tail, "outcome", taskType="poem")["user"] != told["user"]

        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 0
        assert "Traceback" not in tail.stderr.read()


def business(http, job):
    """A job, and what came of it."""
    assert http.post(f"{API}/jobs", json={"agenticJobId": job, "type": "sales"}).is_success
    said = {
        "executionStatus": "SUCCESS",
        "outcomeType": "CONVERTED",
        "outcomeValue": 12.5,
        "outcomeCurrency": "EUR",
        "reportedBy": "till",
    }
    assert http.post(f"{API}/jobs/{job}/outcome", json=said).is_success


def graded(http):
    """A session whose outcome is judged twice; its id."""
    agent = {"name": "a", "model": "script", "metadata": {"grader": "script"}}
    plan = [{"v": ["needs_revision", "satisfied"], "a": 0.01, "g": 0.01, "files": {"total.md": "Total: 3"}}]
    wanted = {
        "agent": http.post("/v1/agents", json=agent).json()["id"],
        "environment_id": http.post("/v1/environments", json={"name": "e"}).json()["id"],
        "metadata": {"outcome_script": json.dumps(plan)},
        "initial_events": [
            {
                "type": "user.define_outcome",
                "description": "Sum it up",
                "rubric": {"type": "text", "content": "- It names the total\n- It is short\n"},
                "max_iterations": 3,
            }
        ],
    }
    return http.post("/v1/sessions", json=wanted).raise_for_status().json()["id"]


@pytest.mark.timeout(180)
def test_a_jobs_outcome_and_a_sessions_verdicts_come_as_they_happen(data, run):
    with serving(data, AMP_GRADING_SCRIPTS="1") as (_, announced), tailing(data, "--json") as tail:
        key = json.loads(run("keys", "create", "--json", "--scopes", "all", "--data", data).stdout)["key"]
        begun(tail, announced)
        headers = {"Authorization": f"Bearer {key}", "x-api-key": key}
        with httpx.Client(base_url=announced["url"], headers=headers, timeout=20) as http:
            business(http, "deal-1")
            job = next_of(tail, "job")
            session = graded(http)
            verdicts = [next_of(tail, "verdict") for _ in range(2)]
    told = [job.pop("at"), *(each.pop("at") for each in verdicts)]
    assert told == sorted(told)
    assert job == {
        "kind": "job",
        "job": "deal-1",
        "status": "SUCCESS",
        "outcome": "CONVERTED",
        "value": "12.5",
        "currency": "EUR",
        "by": "till",
    }
    assert {each["session"] for each in verdicts} == {session}
    assert [(each["result"], each["iteration"]) for each in verdicts] == [
        ("needs_revision", 0),
        ("satisfied", 1),
    ]
    assert [(each["criteriaMet"], each["criteria"]) for each in verdicts] == [(0, 2), (2, 2)]


@pytest.mark.timeout(180)
def test_one_users_events_since_a_time_until_nobody_reads(data):
    with serving(data) as (_, announced):
        for user in ("ada", "eve", "ada"):
            reported(announced, user)
        with tailing(data, "--json", "--user", "ada", "--since", "1h") as tail:
            told = [json.loads(tail.stdout.readline()) for _ in range(2)]
            assert len({line["user"] for line in told}) == 1
            tail.stdout.close()
            reported(announced, "ada")
            assert tail.wait(20) == 0
            assert "Traceback" not in tail.stderr.read()
        with tailing(data, "--since", "1h") as tail:
            shown = [tail.stdout.readline() for _ in range(3)]
        assert all("completed" in line and "essay" in line for line in shown)


def test_where_no_service_runs_it_says_how_to_start_one(data, run):
    ended = run("tail", "--data", data)
    assert ended.exit_code == 1
    assert "amp serve" in ended.stderr


def drawn(line):
    console = Console(file=io.StringIO(), width=200)
    tail_lines.drawer(console)(line)
    return console.file.getvalue()


def test_a_job_is_shown_with_its_value_and_nothing_that_a_terminal_obeys():
    entry = entries.Outcome(
        job="j\x1b[31m1",
        at_ms=int(AT.timestamp() * 1000),
        by="key",
        status="SUCCESS",
        outcome="CONVERTED",
        value_nanos=12_500_000_000,
        currency="USD",
        reason=None,
        metadata=None,
        reported_ms=None,
        reported_by="bot",
    )
    line = tail_lines.of_job(entry)
    assert (line.at, line.value) == (AT, "12.5")
    shown = drawn(line)
    assert "SUCCESS CONVERTED  12.5 USD" in shown
    assert "\x1b" not in shown


def test_a_verdict_is_shown_with_its_criteria_and_other_events_of_a_session_are_not():
    event = {
        "type": "span.outcome_evaluation_end",
        "processed_at": "2026-11-26T10:00:00.000Z",
        "outcome_id": "outc_1",
        "result": "needs_revision",
        "iteration": 1,
        "criteria": [{"passed": True}, {"passed": False}],
    }
    line = tail_lines.of_event("sesn_1", json.dumps(event).encode())
    assert line is not None
    assert "sesn_1 iteration 2 needs revision, 1 of 2 criteria" in drawn(line)
    assert tail_lines.of_event("sesn_1", b'{"type":"agent.message"}') is None
