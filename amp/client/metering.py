"""The ledger's calls that this client makes: what was used, and what came of a job. Contract: ledger.md."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict, cast
from urllib.parse import quote

import msgspec
from msgspec import Struct

from amp.client.wire import Call, Reply, Request, batch, decode
from amp.errors import AmpError, OutcomeAlreadyReported

Money = Decimal | float

_DEFAULT_CURRENCY = "USD"
_JOBS = "/profitstream/v2/api/jobs"


class Completion(TypedDict, total=False):
    """What may be said of an AI call beside provider and model."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    reasoning_tokens: int
    cost: Money
    """All of it, in units of `currency`; without it the server's price list counts."""
    currency: str
    duration_ms: float
    stop_reason: str
    operation: str
    agent: str
    trace_id: str
    transaction_id: str
    """By which a record that is sent again counts once; one is made where none is given."""


class ToolUse(TypedDict, total=False):
    """What may be said of a tool's use beside its id."""

    cost: Money
    currency: str
    duration_ms: float
    success: bool
    operation: str
    error: str
    usage: Mapping[str, Any]
    """How much of what the tool is priced by."""
    agent: str
    trace_id: str
    transaction_id: str


_COMPLETION = {
    "input_tokens": "inputTokenCount",
    "output_tokens": "outputTokenCount",
    "total_tokens": "totalTokenCount",
    "cache_read_tokens": "cacheReadTokenCount",
    "cache_creation_tokens": "cacheCreationTokenCount",
    "reasoning_tokens": "reasoningTokenCount",
    "cost": "totalCost",
    "currency": "currency",
    "duration_ms": "requestDuration",
    "stop_reason": "stopReason",
    "operation": "operationType",
    "agent": "agent",
    "trace_id": "traceId",
    "transaction_id": "transactionId",
}
_TOOL = {
    "cost": "costUsd",
    "currency": "currency",
    "duration_ms": "durationMs",
    "success": "success",
    "operation": "operation",
    "error": "errorMessage",
    "usage": "usageMetadata",
    "agent": "agent",
    "trace_id": "traceId",
    "transaction_id": "transactionId",
}


def completion(provider: str, model: str, said: Completion, at: datetime) -> dict[str, Any]:
    """The record of an AI call that ended then: it may be sent much later.

    Raises:
        TypeError: a keyword is unknown.
    """
    began = _began(at, said.get("duration_ms"))
    told = {"provider": provider, "model": model, "costType": "AI", "requestTime": began.isoformat()}
    return told | {"responseTime": at.isoformat(), **_identified(_named(said, _COMPLETION))}


def tool_use(tool_id: str, said: ToolUse, at: datetime) -> dict[str, Any]:
    """The record of a tool's use that ended then; raises as `completion` does."""
    began = _began(at, said.get("duration_ms"))
    return {"toolId": tool_id, "timestamp": began.isoformat(), **_identified(_named(said, _TOOL))}


def _began(at: datetime, duration_ms: Any) -> datetime:
    try:
        return at - timedelta(milliseconds=float(duration_ms or 0))
    except (TypeError, ValueError, OverflowError):  # no duration: the server says so, the host goes on
        return at


def records(bodies: Sequence[bytes]) -> Call[list[dict[str, Any] | AmpError]]:
    return batch("/v1/ledger/meter/batch", bodies, lambda body: decode(body, dict[str, Any]))


class _Job(Struct):
    """What waits of a job: how to make it, and what came of it, as they will be sent."""

    id: str
    job: msgspec.Raw
    outcome: msgspec.Raw


def job(body: bytes) -> Iterator[Call[Any]]:
    """The calls that make the job, if there is none, and say what came of it."""
    said = decode(body, _Job)
    yield Call(Request("POST", _JOBS, bytes(said.job)), _anything)
    yield Call(Request("POST", f"{_JOBS}/{quote(said.id, safe='')}/outcome", bytes(said.outcome)), _anything)


def stands(body: bytes, error: AmpError) -> bool:
    """Whether the server refuses this outcome because it has it already, from an earlier attempt."""
    shown = error.details.get("outcome")
    if not (isinstance(error, OutcomeAlreadyReported) and isinstance(shown, dict)):
        return False
    there = cast("dict[str, Any]", shown)
    if there.get("outcomeUpdateCount") != 0:
        return False
    said = decode(bytes(decode(body, _Job).outcome), dict[str, Any])
    same = ("executionStatus", "outcomeType", "outcomeReason", "outcomeValue")
    return _currency(there) == _currency(said) and all(
        _plain(there.get(name)) == _plain(said.get(name)) for name in same
    )


def _currency(outcome: dict[str, Any]) -> str | None:
    """As the server understands what was said; what has no value has none."""
    if outcome.get("outcomeValue") is None:
        return None
    return str(outcome.get("outcomeCurrency") or _DEFAULT_CURRENCY).upper()


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, int | float | Decimal) else value


def _anything(reply: Reply) -> Any:
    return decode(reply.body, dict[str, Any])


def _identified(record: dict[str, Any]) -> dict[str, Any]:
    return {"transactionId": uuid.uuid4().hex} | record


def _named(said: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    if strangers := said.keys() - names.keys():
        raise TypeError(f"{min(strangers)!r} is not one of {', '.join(names)}")
    return {names[name]: value for name, value in said.items() if value is not None}
