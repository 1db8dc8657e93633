"""From a metered record to the entry that the ledger keeps of it."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec

from amp.errors import InvalidParameter
from amp.ledger import metering, money, rules
from amp.ledger.entries import (
    DECISION,
    ENVIRONMENT,
    NAME,
    TAGS,
    TYPE,
    VERSION,
    Completion,
    Metered,
    ToolEvent,
    packed_id,
)
from amp.ledger.metering import Sent
from amp.ledger.types import Decided, Priced
from amp.ledger.wire import CompletionRequest, ToolRequest


def entry(sent: Sent, priced: Priced, decided: Decided | None, stamp: tuple[int, str], known: int) -> Metered:
    """What the ledger keeps of it, without what the flags `known` say was said of its job before.

    The stamp is when it came, and the id of the key that sent it.

    Raises:
        InvalidParameter: the multiplier makes too much of it.
    """
    if priced.nanos is not None and sent.multiplier is not None:
        try:
            cost = money.times(priced.nanos, sent.multiplier)
        except ValueError as error:
            raise InvalidParameter("costMultiplier", str(error)) from error
        priced = priced._replace(nanos=cost)
    followed = None if known & DECISION or not sent.request.agentic_job_id else decided
    make = _completion if isinstance(sent.request, CompletionRequest) else _tool_event
    return make(sent, priced, _told(sent.request, followed, known), followed, stamp)


_Told = tuple[str | None, str | None, str | None, str | None, str | None, str | None, str | None]
"""What an entry says of its job, in the order of its fields: agent, type and so on."""


def _told(request: CompletionRequest | ToolRequest, followed: Decided | None, known: int) -> _Told:
    """Cut to what the ledger keeps; of no job there is nothing but the agent to tell."""
    agent = _cut(request.agent)
    if not request.agentic_job_id:
        return agent, None, None, None, None, None, None
    kind = request.agentic_job_type
    return (
        agent,
        None if known & TYPE else _cut(kind.strip().lower() if kind else None),
        None if known & ENVIRONMENT else _cut(request.environment),
        None if known & NAME else _cut(request.agentic_job_name),
        None if known & VERSION else _cut(request.agentic_job_version),
        followed.approach if followed else None,
        followed.group if followed else None,
    )


# In the order of the fields: with their names it takes five times as long to make an entry.
def _completion(
    sent: Sent, priced: Priced, told: _Told, followed: Decided | None, stamp: tuple[int, str]
) -> Completion:
    request, usage = sent.request, sent.usage
    assert isinstance(request, CompletionRequest)
    return Completion(
        sent.job,
        *stamp,
        packed_id(sent.transaction),
        usage.at_ms,
        usage.duration_ms,
        request.provider,
        request.model,
        usage.input_tokens,
        usage.output_tokens,
        metering.count("totalTokenCount", request.total_token_count)
        or usage.input_tokens + usage.output_tokens,
        priced.nanos,
        priced.currency,
        priced.by,
        _cut(request.stop_reason),
        *told,
        _packed(request.trace_id),
        _cut(request.squad_id),
        usage.cache_creation_tokens,
        usage.cache_read_tokens,
        metering.count("reasoningTokenCount", request.reasoning_token_count),
        _tags(request),
        usage.cache_creation_1h_tokens,
        followed.request_id if followed else None,
    )


def _tool_event(
    sent: Sent, priced: Priced, told: _Told, followed: Decided | None, stamp: tuple[int, str]
) -> ToolEvent:
    request, usage = sent.request, sent.usage
    assert isinstance(request, ToolRequest)
    return ToolEvent(
        sent.job,
        *stamp,
        packed_id(sent.transaction),
        usage.at_ms,
        usage.duration_ms,
        request.tool_id,
        request.success is not False,
        priced.kind == "human",
        priced.nanos,
        priced.currency,
        priced.by,
        *told,
        _packed(request.trace_id),
        _cut(request.squad_id),
        usage.units,
        _tags(request),
        followed.request_id if followed else None,
    )


def _cut(value: str | None) -> str | None:
    """The text as the client itself would cut it: a long tag must not lose a record."""
    return value[: rules.TEXT_LENGTH_MAX] if value else None


def _tags(request: CompletionRequest | ToolRequest) -> dict[int, str] | None:
    numbers, values = _TAGS[type(request)]
    sent: tuple[str | None, ...] = values(request)
    tags = zip(numbers, sent, strict=True)
    return {number: value[: rules.TEXT_LENGTH_MAX] for number, value in tags if value} or None


def _tag_fields(kind: type[msgspec.Struct]) -> tuple[list[int], Callable[[Any], Any]]:
    """The numbers of the tags that this kind may have, and what gets them all."""
    fields = [each for each in msgspec.structs.fields(kind) if each.encode_name in TAGS]
    return [TAGS.index(each.encode_name) for each in fields], attrgetter(*(each.name for each in fields))


_TAGS = {kind: _tag_fields(kind) for kind in (CompletionRequest, ToolRequest)}


def _packed(value: str | None) -> bytes | None:
    cut = _cut(value)
    return packed_id(cut) if cut else None
