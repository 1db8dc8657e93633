"""One line of code: `with amp.decision(...)` decides, meters and reports, before the real service."""

import asyncio
from decimal import Decimal

import httpx
import pytest
from faults import free_port
from stand_in import CONTEXT, RECEIPT, settled

from amp.client import AMP, AsyncAMP, calls, metering
from amp.client.fake_ledger import Books
from amp.client.prompt import prompt
from amp.client.testing import FakeAmp
from amp.errors import OutcomeAlreadyReported


@pytest.fixture(params=[AMP, AsyncAMP], ids=["sync", "async"])
async def amp(request, wire, key):
    client = request.param(await key("context", "outcome", "profile", "ledger"), wire, context_deadline_s=20)
    yield client
    await asyncio.to_thread(lambda: asyncio.run(_closed(client)))


async def _closed(client):
    await settled(client.close())


@pytest.fixture
async def api(wire, key):
    """The service, asked directly."""
    headers = {"Authorization": f"Bearer {await key('read', 'ledger', 'profile')}"}
    async with httpx.AsyncClient(base_url=wire, headers=headers) as client:
        yield client


async def block(amp, body, error=None, **options):
    """Runs `body(d)` in a block of either client, which `error` may end; the block, flushed."""
    if isinstance(amp, AMP):

        def run():
            try:
                with amp.decision("ada", "Write a parser", **options) as d:
                    body(d)
                    if error is not None:
                        raise error
            finally:
                assert amp.flush(20)
            return d

        return await asyncio.to_thread(run)
    try:
        async with amp.decision("ada", "Write a parser", **options) as d:
            body(d)
            if error is not None:
                raise error
    finally:
        assert await amp.flush(20)
    return d


async def history(api):
    told = (await api.get("/v1/profile/ada/export")).json()
    return [(each["started"], each["completed"]) for each in told["interactions"]]


async def job_of(api, name):
    return (await api.get(f"/profitstream/v2/api/jobs/{name}")).json()


async def test_the_end_of_the_block_is_a_completion(amp, api):
    seen = []
    d = await block(amp, lambda d: seen.append((d.context.request_id, d.prompt)))
    assert seen == [(d.context.request_id, prompt(d.context))]
    assert await history(api) == [(True, True)]
    assert (await api.get(f"/profitstream/v2/api/jobs/{d.job}")).status_code == 404, "nothing was metered"


async def test_an_exception_is_a_start_without_an_end_and_goes_on(amp, api):
    with pytest.raises(LookupError, match="of the agent"):
        await block(amp, lambda _: None, LookupError("of the agent"))
    assert await history(api) == [(True, False)]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit()], ids=repr)
async def test_who_is_interrupted_has_said_nothing(amp, api, error):
    with pytest.raises(type(error)):
        await block(amp, lambda _: None, error)
    assert (await api.get("/v1/profile/ada/export")).status_code == 404


async def test_what_is_said_is_reported(amp, api):
    await block(amp, lambda d: d.outcome(started=False))
    await block(amp, lambda d: d.outcome(completed=False, satisfaction=0.5))
    await block(amp, lambda d: d.outcome(completed=True, flow_state=True), task_type="coding")
    told = (await api.get("/v1/profile/ada/export")).json()["interactions"]
    assert [(each["started"], each["completed"], each["satisfaction"]) for each in told] == [
        (False, None, None),
        (True, False, 0.5),
        (True, True, None),
    ]
    assert told[2]["flowState"] is True


async def test_what_is_said_goes_before_an_exception(amp, api):
    with pytest.raises(LookupError):
        await block(amp, lambda d: d.outcome(completed=True), LookupError())
    assert await history(api) == [(True, True)]


async def test_what_a_track_has_seen_is_reported(amp, api):
    await block(amp, lambda d: d.track())
    await block(amp, lambda d: d.track().action())
    await block(amp, lambda d: d.track().complete())
    assert await history(api) == [(False, None), (True, False), (True, True)]


async def test_what_is_used_is_metered_under_a_job_that_follows_the_decision(amp, api):
    def used(d):
        assert d.meter_completion(
            "openai", "gpt-4o", input_tokens=800, output_tokens=30, cost=Decimal("0.07")
        )
        assert d.meter_tool("zoominfo", cost=0.5, duration_ms=400, success=True, usage={"calls": 2})
        assert d.meter_tool("human_review", cost=2)
        d.converted(300, reason="signed")

    d = await block(amp, used, job_type="Sales")
    told = await job_of(api, d.job)
    assert (told["executionStatus"], told["outcomeType"], told["outcomeReason"]) == (
        "SUCCESS",
        "CONVERTED",
        "signed",
    )
    assert (told["outcomeValue"], told["type"]) == (300, "sales")
    assert told["approach"] == "/".join(d.context.approach.values())
    roi = (await api.get(f"/profitstream/v2/api/jobs/{d.job}/roi")).json()
    assert (roi["totalCost"], roi["inputTokens"], roi["transactionCount"]) == (2.57, 800, 1)
    assert await history(api) == [(True, True)]


async def test_an_escalation_is_no_completion(amp, api):
    d = await block(amp, lambda d: d.escalated(20, "EUR", reason="asked for a person"), job="ticket-7")
    assert d.job == "ticket-7"
    told = await job_of(api, "ticket-7")
    assert (told["outcomeType"], told["outcomeValue"], told["outcomeCurrency"]) == ("ESCALATED", 20, "EUR")
    assert told["approach"] == "/".join(d.context.approach.values())
    assert await history(api) == [(True, False)]


async def test_an_outcome_that_is_sent_again_is_a_replay_and_another_one_is_refused(amp, api):
    """As after a kill: the same job's outcome, delivered twice."""
    said = {
        "id": "job-1",
        "job": {"agenticJobId": "job-1"},
        "outcome": {"executionStatus": "SUCCESS", "outcomeType": "CONVERTED", "outcomeValue": 0.1},
    }
    for value, currency in ((0.1, None), (0.1, "usd"), (0.2, None), (0.1, "EUR")):
        said["outcome"] |= {"outcomeValue": value, "outcomeCurrency": currency}
        amp._reporter.put("job", said)
        await settled(amp.flush(20)) if isinstance(amp, AsyncAMP) else await asyncio.to_thread(amp.flush, 20)
    assert (amp.counters.sent, amp.counters.failed_codes) == (2, {"OUTCOME_ALREADY_REPORTED": 2})
    told = await job_of(api, "job-1")
    assert (told["outcomeValue"], told["outcomeCurrency"]) == (0.1, "USD")


async def test_a_bad_record_is_refused_alone_and_counted(amp, api):
    def used(d):
        d.meter_completion("openai", "gpt-4o", input_tokens=-1)
        d.meter_completion("openai", "gpt-4o", input_tokens=1, cost=1)

    d = await block(amp, used)
    assert amp.counters.failed_codes == {"INVALID_PARAMETER": 1}
    assert (await job_of(api, d.job))["agenticJobId"] == d.job


@pytest.mark.parametrize("duration_ms", [float("nan"), 1e300, "soon", Decimal(5)])
async def test_a_duration_that_is_none_does_not_end_the_block(duration_ms):
    fake = FakeAmp()
    with fake.client() as amp, amp.decision("ada", "x") as d:
        assert d.meter_completion("openai", "gpt-4o", duration_ms=duration_ms)
        assert d.meter_tool("zoominfo", duration_ms=duration_ms)
    assert len(fake.records) == 2


async def test_a_misspelt_keyword_and_a_job_that_cannot_be_are_the_callers_errors(amp):
    with pytest.raises(TypeError, match="tokens_in"):
        await block(amp, lambda d: d.meter_completion("openai", "gpt-4o", tokens_in=1))
    with pytest.raises(TypeError, match="usd"):
        await block(amp, lambda d: d.meter_tool("zoominfo", usd=1))
    with pytest.raises(ValueError, match="job must be"):
        amp.decision("ada", "x", job="a/b")


@pytest.mark.parametrize("kind", [AMP, AsyncAMP])
async def test_amp_being_down_changes_nothing_for_the_block(kind, tmp_path):
    amp = kind("k", f"http://127.0.0.1:{free_port()}", spool=tmp_path / "spool")
    ran = []

    def used(d):
        ran.append(d.context.metadata.fallback)
        assert d.meter_completion("openai", "gpt-4o", input_tokens=1)
        d.converted(5)

    if kind is AMP:
        with amp.decision("ada", "x") as d:
            used(d)
    else:
        async with amp.decision("ada", "x") as d:
            used(d)
    assert ran == ["unreachable"]
    assert (amp.counters.queued, amp.counters.dropped_local) == (2, 1), "what was used still counts"
    await settled(amp.close(0.1))
    later, bodies = [], []

    def answer(request):
        later.append(request.url.path)
        bodies.append(request.content)
        return httpx.Response(200, json={"items": [RECEIPT]} if "batch" in request.url.path else CONTEXT)

    with AMP("k", "http://amp.test", spool=tmp_path / "spool", transport=httpx.MockTransport(answer)) as amp:
        assert amp.flush(5)
    jobs = "/profitstream/v2/api/jobs"
    assert later == ["/v1/ledger/meter/batch", jobs, f"{jobs}/{d.job}/outcome"]
    assert not any(b"amp_request_id" in body for body in bodies), "amp gave no decision to follow"


@pytest.mark.parametrize(
    ("currency", "replay"), [(None, True), ("USD", True), ("usd", True), ("EUR", False)], ids=str
)
def test_amounts_in_two_currencies_are_two_outcomes_on_the_fake_server_too(currency, replay):
    books, said = Books(), {"executionStatus": "SUCCESS", "outcomeValue": 5}
    books.create(calls.body({"agenticJobId": "job-1"}))
    books.report("job-1", calls.body(said))
    again = said | {"outcomeCurrency": currency}
    with pytest.raises(OutcomeAlreadyReported) as refused:
        books.report("job-1", calls.body(again))
    body = calls.body({"id": "job-1", "job": {}, "outcome": again})
    assert metering.stands(body, refused.value) == replay


@pytest.mark.parametrize("there", ["it", 3, ["x"], None])
def test_a_refusal_that_does_not_show_what_stands_is_one(there):
    body = calls.body({"id": "job-1", "job": {}, "outcome": {"executionStatus": "SUCCESS"}})
    assert not metering.stands(body, OutcomeAlreadyReported("no", details={"outcome": there}))
