"""A job of a scenario in the words of the ledger's client: what its four calls are given.

The client drops `agentName` and `currency` of a completion, which its examples send; they are left out here.
"""

import json
from datetime import UTC, datetime
from typing import Any

from amp.demo.scenarios import Record, Work
from amp.demo.trades import Call, Use

GAP_MS = 400
"""Between two things that a job uses."""


def completion(work: Work, record: Record, call: Call, at_ms: int) -> dict[str, Any]:
    """What `emit_completion` is given."""
    return {
        **_common(work, record),
        "agenticJobName": work.title,
        "agenticJobType": work.type,
        "agenticJobVersion": "1.0",
        "completionStartTime": _time(at_ms + call.duration_ms // 4),
        "costType": "AI",
        "inputTokenCount": call.input_tokens,
        "isStreamed": False,
        "model": call.model,
        "operationType": "CHAT",
        "outputTokenCount": call.output_tokens,
        "provider": call.provider,
        "requestDuration": call.duration_ms,
        "requestTime": _time(at_ms),
        "responseTime": _time(at_ms + call.duration_ms),
        "stopReason": "END",
        "taskType": call.step,
        "totalCost": float(call.cost),
        "totalTokenCount": call.input_tokens + call.output_tokens,
    }


def tool_event(work: Work, record: Record, use: Use, at_ms: int) -> dict[str, Any]:
    """What `emit_tool_event` is given."""
    cost = {} if use.cost is None else {"costUsd": float(use.cost)}
    return {
        **_common(work, record),
        **cost,
        "durationMs": use.duration_ms,
        "operation": use.operation,
        "success": True,
        "timestamp": _time(at_ms),
        "toolId": use.tool,
    }


def outcome(work: Work, now_ms: int, request_id: str | None) -> dict[str, Any]:
    """What `report_outcome` is given; with a decision that the job follows, its id is in the metadata."""
    metadata = {"customer": work.customer} | ({"requestId": request_id} if request_id else {})
    told = {
        "executionStatus": work.ending.status,
        "outcomeType": work.ending.outcome,
        "outcomeValue": None if work.ending.value is None else float(work.ending.value),
        "outcomeCurrency": None if work.ending.value is None else "USD",
        "outcomeReason": work.ending.reason,
        "outcomeReportedAt": _time(ends_ms(work, now_ms)),
        "reportedBy": work.agent,
        "metadata": json.dumps(metadata),
    }
    return {name: value for name, value in told.items() if value is not None}


def starts_ms(work: Work, now_ms: int) -> list[int]:
    """When each of the job's records began, one after the other."""
    at_ms, starts = now_ms - work.ago_ms, list[int]()
    for record in work.records:
        starts.append(at_ms)
        at_ms += record.used.duration_ms + GAP_MS
    return starts


def ends_ms(work: Work, now_ms: int) -> int:
    """When the job's outcome was known; never later than now."""
    took_ms = sum(record.used.duration_ms + GAP_MS for record in work.records)
    return min(now_ms, now_ms - work.ago_ms + took_ms)


def _common(work: Work, record: Record) -> dict[str, Any]:
    return {
        "agent": work.agent,
        "agenticJobId": work.job,
        "environment": "demo",
        "traceId": work.trace,
        "traceType": work.scenario,
        "transactionId": record.transaction,
    }


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
