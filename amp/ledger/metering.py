"""What a metered record says was used, checked, and what its sender says it cost."""

import re
from decimal import Decimal

import msgspec
from msgspec import Struct

from amp.errors import InvalidParameter
from amp.ledger import money, rules
from amp.ledger.types import NO_JOB, Priced, Usage
from amp.ledger.wire import CompletionRequest, ToolRequest
from amp.tenancy import Tenant

TOKENS_MAX = 10**12
DURATION_MS_MAX = 10**12
BATCH = "BATCH"
"""The tier that has prices of its own."""
HUMAN = "human_"
"""A tool whose id begins so is a person."""

_JOB_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")


class Sent(Struct, frozen=True):
    """A metered record, checked: what its price depends on, and who asked for it."""

    request: CompletionRequest | ToolRequest
    job: str
    """Empty is none."""
    transaction: str
    usage: Usage
    priced: Priced | None
    """What the client said it cost; None when it did not."""
    multiplier: Decimal | None


def completion(request: CompletionRequest, transaction: str, now_ms: int) -> Sent:
    """An AI call, checked; `transaction` is its id, or stands in for one.

    Raises:
        InvalidParameter: the field is named.
    """
    for field, value in (("provider", request.provider), ("model", request.model)):
        if not value:
            raise InvalidParameter(field, "is required")
        rules.text(field, value)
    began_ms = rules.moment_ms("requestTime", request.request_time)
    if began_ms is None:
        began_ms = rules.moment_ms("completionStartTime", request.completion_start_time)
    # all that was put in the cache, and the parts of it: either may miss
    put_in_cache = count("cacheCreationTokenCount", request.cache_creation_token_count)
    for_5m = count("cacheCreation5mTokenCount", request.cache_creation_5m_token_count)
    for_1h = count("cacheCreation1hTokenCount", request.cache_creation_1h_token_count)
    usage = Usage(
        now_ms if began_ms is None else began_ms,
        provider=request.provider,
        model=request.model,
        duration_ms=_duration("requestDuration", request.request_duration),
        input_tokens=count("inputTokenCount", request.input_token_count),
        output_tokens=count("outputTokenCount", request.output_token_count),
        cache_creation_tokens=max(put_in_cache, for_5m + for_1h),
        cache_read_tokens=count("cacheReadTokenCount", request.cache_read_token_count),
        cache_creation_1h_tokens=for_1h,
        batch=(request.pricing_tier or "").upper() == BATCH,
    )
    return _sent(request, transaction, usage, _money_of_completion(request), request.cost_multiplier)


def tool_event(request: ToolRequest, transaction: str, now_ms: int) -> Sent:
    """A tool's use, checked; `transaction` is its id, or stands in for one.

    Raises:
        InvalidParameter: the field is named.
    """
    if not request.tool_id:
        raise InvalidParameter("toolId", "is required")
    at_ms = rules.moment_ms("timestamp", request.timestamp)
    usage = Usage(
        now_ms if at_ms is None else at_ms,
        tool=rules.text("toolId", request.tool_id),
        duration_ms=_duration("durationMs", request.duration_ms),
        units=_units(request.usage_metadata),
    )
    nanos = _amount("costUsd", request.cost_usd)
    kind = "human" if request.tool_id.startswith(HUMAN) else "tool"
    code = rules.currency("currency", request.currency)
    return _sent(request, transaction, usage, None if nanos is None else Priced(nanos, kind, code, "sent"))


def as_sent(tenant: Tenant, usage: Usage, sent: Priced | None) -> Priced:
    """The price where nobody else knows any: what was sent, else none."""
    del tenant
    if sent is not None:
        return sent
    person = usage.tool is not None and usage.tool.startswith(HUMAN)
    return Priced(None, "model" if usage.tool is None else "human" if person else "tool")


def _sent(
    request: CompletionRequest | ToolRequest,
    transaction: str,
    usage: Usage,
    priced: Priced | None,
    multiplier: Decimal | None = None,
) -> Sent:
    job = request.agentic_job_id or NO_JOB
    if job and (not _JOB_ID.fullmatch(job) or job in rules.PATHS):
        raise InvalidParameter(
            "agenticJobId", "must be 1 to 255 of A-Z a-z 0-9 . _ -, a letter or digit first"
        )
    rules.text("transactionId", transaction)
    return Sent(request, job, transaction, usage, priced, multiplier)


def _money_of_completion(request: CompletionRequest) -> Priced | None:
    """What the client said it cost: all of it, or the parts that it named."""
    code = rules.currency("currency", request.currency)
    if request.billing_skipped:
        return Priced(0, "model", code, "skipped")
    whole = _amount("totalCost", request.total_cost)
    parts = (
        _amount("inputTokenCost", request.input_token_cost),
        _amount("outputTokenCost", request.output_token_cost),
        _amount("cacheCreationTokenCost", request.cache_creation_token_cost),
        _amount("cacheReadTokenCost", request.cache_read_token_cost),
    )
    if whole is None and any(part is not None for part in parts):
        whole = sum(part or 0 for part in parts)
        if whole > money.UNITS_MAX * money.NANOS:
            raise InvalidParameter("totalCost", "must be at most 1e12: its parts are more")
    return None if whole is None else Priced(whole, "model", code, "sent")


def _amount(field: str, sent: Decimal | None) -> int | None:
    if sent is None:
        return None
    try:
        nanos = money.nanos(sent)
    except ValueError as error:
        raise InvalidParameter(field, str(error)) from error
    if nanos < 0:
        raise InvalidParameter(field, "must not be negative")
    return nanos


def count(field: str, sent: int | None) -> int:
    """A number of tokens; none is 0.

    Raises:
        InvalidParameter: negative, or over `TOKENS_MAX`.
    """
    if sent is not None and not 0 <= sent <= TOKENS_MAX:
        raise InvalidParameter(field, f"must be a whole number from 0 to {TOKENS_MAX:.0e}")
    return sent or 0


def _duration(field: str, sent_ms: float | None) -> int:
    if sent_ms is not None and not 0 <= sent_ms <= DURATION_MS_MAX:
        raise InvalidParameter(field, f"must be from 0 to {DURATION_MS_MAX:.0e}")
    return round(sent_ms or 0)


def _units(raw: msgspec.Raw) -> str | None:
    try:
        units = bytes(raw).decode()
    except UnicodeDecodeError as error:  # nobody has looked into it until now
        raise InvalidParameter("usageMetadata", "must be JSON in UTF-8") from error
    return None if units in {"", "null"} else units
