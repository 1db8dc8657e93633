"""What users' own tests see of the fake server."""

import subprocess
import sys
import textwrap
from pathlib import Path

import httpx
import pytest
from stand_in import settled

from amp.client import AMP, AsyncAMP
from amp.client.testing import APPROACH, FakeAmp
from amp.errors import OutcomeAlreadyReported, RequestExpired, StoreUnavailable


@pytest.fixture
def fake():
    return FakeAmp()


@pytest.fixture(params=["sync", "async"])
async def amp(request, fake):
    client = fake.client() if request.param == "sync" else fake.async_client()
    yield client
    await settled(client.close())


async def test_contexts_are_the_same_every_time_until_told_otherwise(fake, amp):
    first, second = [await settled(amp.get_context("ada", "x", task_type="Coding")) for _ in range(2)]
    assert first.approach == second.approach == APPROACH
    assert first.metadata.fallback is None
    fake.suggest("ada", encouragement="high")
    fake.suggest(complexity="hints_only")
    ada, bob = [await settled(amp.get_context(user, "x")) for user in ("ada", "bob")]
    assert (ada.encouragement, ada.complexity) == ("high", "hints_only")
    assert (bob.encouragement, bob.complexity) == (APPROACH["encouragement"], "hints_only")
    assert [(each.user, each.task_type) for each in fake.contexts[:2]] == [("ada", "coding")] * 2
    with pytest.raises(ValueError, match="loud"):
        fake.suggest(encouragement="loud")


async def test_outcomes_are_kept_by_their_context_and_learned_from(fake, amp):
    context = await settled(amp.get_context("ada", "x"))
    await settled(context.report(started=True, final=False))
    await settled(context.report(started=True, completed=True, satisfaction=0.8))
    assert fake.outcomes == {
        context.request_id: {
            "requestId": context.request_id,
            "started": True,
            "completed": True,
            "satisfaction": 0.8,
        }
    }
    assert (await settled(context.report(started=True, completed=True, satisfaction=0.8))).replayed
    with pytest.raises(OutcomeAlreadyReported):
        await settled(context.report(started=False))
    assert (await settled(amp.get_context("ada", "x"))).metadata.interaction_count == 1
    assert (await settled(amp.get_profile("ada"))).completion_rate == 1


async def test_time_stands_still_until_it_is_moved_on(fake, amp):
    context = await settled(amp.get_context("ada", "x"))
    fake.advance(86_400)
    await settled(context.report(started=True))
    late = await settled(amp.get_context("ada", "x"))
    fake.advance(86_401)
    with pytest.raises(RequestExpired):
        await settled(late.report(started=True))
    assert (await settled(amp.get_profile("ada"))).last_updated.isoformat() == "2026-01-02T00:00:00+00:00"


async def test_it_fails_when_a_test_wants_to_see_that(fake, amp):
    fake.fail_next(httpx.ConnectError("refused"), times=2)
    context = await settled(amp.get_context("ada", "x"))
    assert context.metadata.fallback == "unreachable"
    fake.fail_next(StoreUnavailable())
    assert (await settled(amp.get_context("ada", "x"))).metadata.fallback == "store_unavailable"
    assert (await settled(amp.get_context("ada", "x"))).metadata.fallback is None


async def test_the_background_and_the_ledger_are_there_too(fake):
    with fake.client() as amp, amp.decision("ada", "x", job="job-1") as d:
        d.meter_completion("openai", "gpt-4o", input_tokens=3)
        d.meter_tool("zoominfo", cost=1)
        d.converted(300)
    assert fake.outcomes[d.context.request_id]["completed"] is True
    assert [record.get("toolId") or record["model"] for record in fake.records] == ["gpt-4o", "zoominfo"]
    assert fake.jobs["job-1"]["outcomeType"] == "CONVERTED"
    assert amp.counters.sent == 4
    assert amp.counters.failed == 0


async def test_the_ledger_refuses_as_the_real_one_does(fake):
    with fake.client() as amp:
        amp._reporter.put("metering", {"model": "gpt-4o"})
        for value in (1, 1, 2):
            told = {"executionStatus": "SUCCESS", "outcomeValue": value}
            amp._reporter.put("job", {"id": "j", "job": {"agenticJobId": "j"}, "outcome": told})
            amp.flush(5)
        bad = {"executionStatus": "MAYBE"}
        amp._reporter.put("job", {"id": "k", "job": {"agenticJobId": "k"}, "outcome": bad})
    assert amp.counters.failed_codes == {"INVALID_PARAMETER": 2, "OUTCOME_ALREADY_REPORTED": 1}


@pytest.mark.parametrize("kind", [AMP, AsyncAMP])
async def test_a_key_that_is_not_known_is_refused_where_keys_are_named(kind):
    client = kind("wrong", "http://amp.test", transport=FakeAmp(keys={"right"}))
    context = await settled(client.get_context("ada", "x"))
    assert context.metadata.fallback == "unauthorized"
    await settled(client.close())


def test_the_fixtures_work_in_somebody_elses_suite(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["amp.client.fixtures"]\n')
    (tmp_path / "test_agent.py").write_text(
        textwrap.dedent(
            """
            def test_my_agent(amp, fake_amp):
                amp.get_context("ada", "x").report_background(started=True, completed=True)
                assert amp.flush(5)
                assert [told["completed"] for told in fake_amp.outcomes.values()] == [True]
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(tmp_path)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
