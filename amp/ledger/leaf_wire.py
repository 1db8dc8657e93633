"""What the ledger's own list of jobs answers: a line a job, what it was worth and what it cost."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from amp.ledger import report_wire
from amp.ledger.cells import sums_of
from amp.ledger.entries import Reported
from amp.ledger.filters import moment
from amp.ledger.job import Job
from amp.ledger.report import Amounts, row
from amp.ledger.report import decimal as amount


class Turn(NamedTuple):
    """Which leaf: the newest, or the one that lies before or after a time. ms since 1970."""

    size: int = 25
    before_ms: int | None = None
    """Made before: older ones, the newest of them."""
    after_ms: int | None = None
    """Made after: newer ones, the oldest of them."""


class Leaf(NamedTuple):
    """Jobs, the newest first, and where to go on."""

    jobs: list[Job]
    looked: int
    older_ms: int | None
    """For `before_ms`; None: there are no older ones."""
    newer_ms: int | None
    """For `after_ms`; None: there are no newer ones."""
    cut: bool
    """The budget was used up before the leaf was full."""
    reached_ms: int | None
    """Made then: the last job that was looked at."""


class JobLine(Struct, rename="camel", frozen=True):
    """A job in a list. Amounts are null where nobody knows them, or where there are several currencies."""

    agentic_job_id: str
    name: str | None
    type: str | None
    environment: str | None
    agent: str | None
    squad: str | None
    approach: str | None
    group: str | None
    created: str
    has_outcome: bool
    execution_status: str | None
    outcome_type: str | None
    outcome_reason: str | None
    outcome_value: Decimal | None
    """As reports count it."""
    outcome_currency: str | None
    outcome_update_count: int
    total_cost: Decimal | None
    currency: str | None
    value_ratio: float | None
    by_currency: list[Amounts]
    unpriced: int
    """Records whose price nobody knows."""
    warnings: list[str]


class JobLeaf(Struct, rename="camel", frozen=True):
    """GET /v1/ledger/jobs."""

    jobs: list[JobLine]
    filters: dict[str, str]
    total: int | None
    """Jobs that pass the filters; null where that is not known without looking at each."""
    looked: int
    cut: bool
    """Few jobs pass: the budget was used up before there were as many as asked for."""
    reached: str | None
    """When the last job was made that was looked at."""
    older: int | None
    """For `before`: the next leaf; null is the end."""
    newer: int | None
    """For `after`: the leaf before; null is the beginning."""


def told(leaf: Leaf, filters: Mapping[str, str], total: int | None, lines: Sequence[JobLine]) -> JobLeaf:
    """The leaf with its lines."""
    return JobLeaf(
        jobs=list(lines),
        filters=dict(filters),
        total=total,
        looked=leaf.looked,
        cut=leaf.cut,
        reached=None if leaf.reached_ms is None else moment(leaf.reached_ms),
        older=leaf.older_ms,
        newer=leaf.newer_ms,
    )


def line(job: Job, stands: Reported | None) -> JobLine:
    """The job; `stands` is its outcome in force."""
    state = job.state
    figures = report_wire.job_roi(job)
    found = row({}, sums_of(state, decided=False))
    return JobLine(
        agentic_job_id=job.id,
        name=job.name,
        type=job.type,
        environment=job.environment,
        agent=job.agent,
        squad=job.squad,
        approach=job.approach,
        group=job.group,
        created=moment(job.created_ms),
        has_outcome=figures.has_outcome,
        execution_status=state.status,
        outcome_type=state.outcome,
        outcome_reason=stands and stands.reason,
        outcome_value=amount(state.value_nanos),
        outcome_currency=state.currency,
        outcome_update_count=job.amendments,
        total_cost=figures.total_cost,
        currency=found.currency,
        value_ratio=figures.value_ratio,
        by_currency=figures.by_currency,
        unpriced=state.unpriced_completions + state.unpriced_tool_events,
        warnings=figures.warnings,
    )
