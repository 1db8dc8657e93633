"""The ledger's calls, as short as a test wants to say them."""

from urllib.parse import quote

from amp.ledger.chain import EMPTY, close, verify
from amp.tenancy import Tenant

TENANT = Tenant("acme", "test")
API = "/profitstream/v2/api"
COMPLETIONS = "/meter/v2/ai/completions"
TOOL_EVENTS = "/meter/v2/tool/events"
SUCCESS = {"executionStatus": "SUCCESS", "outcomeType": "CONVERTED", "outcomeValue": 300.0}


def completion(**fields):
    """An AI call as the client sends it."""
    return {
        "completionStartTime": "2026-01-31T12:00:00.400Z",
        "costType": "AI",
        "inputTokenCount": 812,
        "isStreamed": False,
        "model": "claude-sonnet-4-5",
        "outputTokenCount": 133,
        "provider": "anthropic",
        "requestDuration": 1400,
        "requestTime": "2026-01-31T12:00:00.000Z",
        "responseTime": "2026-01-31T12:00:01.400Z",
        "stopReason": "END",
        "totalTokenCount": 945,
        "transactionId": "t-1",
        "agenticJobId": "job-1",
        "totalCost": 0.0355,
        **fields,
    }


def tool_event(**fields):
    """A tool's use as the client sends it."""
    return {
        "transactionId": "u-1",
        "toolId": "zoominfo",
        "durationMs": 400,
        "success": True,
        "timestamp": "2026-01-31T12:00:02Z",
        "costUsd": 1.0,
        "agenticJobId": "job-1",
        **fields,
    }


def job(job_id, *rest):
    """The path of a job, or of something of it."""
    return "/".join((f"{API}/jobs/{quote(job_id, safe='')}", *rest))


def refused(answer, status, code, field=None):
    """Asserts a refusal of the ledger's shape; its details."""
    body = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json"), body
    assert set(body) <= {"status", "error", "message", "code", "details"}
    assert (body["status"], body["code"]) == (status, code), body
    assert body["error"]
    assert body["message"]
    if field is not None:
        assert body["details"]["field"] == field
    return body.get("details", {})


async def everything(facts, tenant=TENANT, *, whole=False):
    """All entries of all buckets, after every chain was found whole; `whole` looks into empty ones too."""
    found = []
    for bucket, head in enumerate(await facts.heads(tenant)):
        if head == EMPTY and not whole:
            continue
        entries = await facts.run(tenant, bucket, 0, 100_000)
        assert close(verify(entries), head) is None
        found += [(bucket, entry) for entry in entries]
    return found
