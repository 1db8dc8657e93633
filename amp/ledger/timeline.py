"""A job record by record: what was used for it, and in which of its runs."""

from typing import Literal

from msgspec import Raw, Struct

from amp.clock import iso
from amp.ledger.answers import FAILED, amount
from amp.ledger.entries import TAGS, Completion, Metered, id_text
from amp.ledger.types import Kind


class TimelineRow(Struct, rename="camel"):
    """A record."""

    kind: Kind
    transaction_id: str
    timestamp: str
    name: str
    """The model with its provider before it, or the tool."""
    agent: str | None
    squad: str | None
    trace_id: str | None
    trace_type: str | None
    duration: int
    cost: Raw | None
    """Null is not known."""
    currency: str
    total_tokens: int
    status: Literal["success", "error"]


class Timeline(Struct, rename="camel"):
    """All that was metered for a job, by the time when it was used."""

    timeline: list[TimelineRow]
    total_count: int


def timeline_row(of: Metered) -> TimelineRow:
    """The record as a timeline shows it."""
    call = isinstance(of, Completion)
    failed = of.stop_reason in FAILED if call else not of.success
    return TimelineRow(
        kind="model" if call else "human" if of.human else "tool",
        transaction_id=id_text(of.transaction),
        timestamp=iso(of.began_ms),
        name=f"{of.provider}/{of.model}" if call else of.tool,
        agent=of.agent,
        squad=of.squad,
        trace_id=id_text(of.trace) if of.trace else None,
        trace_type=(of.tags or {}).get(TAGS.index("traceType")),
        duration=of.duration_ms,
        cost=amount(of.cost_nanos),
        currency=of.currency,
        total_tokens=of.total_tokens if call else 0,
        status="error" if failed else "success",
    )
