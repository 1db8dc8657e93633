"""What the ledger's reports answer. Contract: ledger.md, section 5; what has no value is null, or absent."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from amp.ledger.cells import sums_of
from amp.ledger.filters import ALWAYS_MS, Filters, Window, moment
from amp.ledger.grouping import By
from amp.ledger.job import Job
from amp.ledger.metrics import Metric, Samples
from amp.ledger.report import Amounts, Funnel, Row, row
from amp.ledger.report import decimal as amount

_encoder = msgspec.json.Encoder(decimal_format="number")


class Period(Struct, frozen=True):
    """From, until before; null is open."""

    start: str | None
    end: str | None


class Looked(Struct, frozen=True):
    """How many jobs were looked at one by one, of how many in the window."""

    jobs: int
    of: int


class Report(Struct, rename="camel", frozen=True):
    """Groups of jobs, what they were worth and what they cost."""

    by: list[By]
    period: Period
    filters: dict[str, str]
    currency: str | None
    """What amounts were converted to, by the rates of each job's day."""
    unconverted: list[str]
    """Currencies that have no rate then: their amounts stand in their own."""
    rows: list[Row]
    """By Value Ratio, the best first; by day, the oldest first."""
    row_count: int
    """Of all rows; `rows` may be cut."""
    total: Row
    without_job: Row | None
    """What was metered and named no job: in nobody's ratio."""
    looked: Looked | None
    """Null: from sums that are kept. Else the filters asked for single jobs, the newest first."""
    cut: bool
    """Rows or jobs are missing: the budget was used up."""


class PageInfo(Struct, rename="camel", frozen=True):
    size: int
    total_elements: int
    total_pages: int
    number: int
    cut: bool = False
    """The budget was used up: there may be more jobs than the total says."""


class JobRoi(Struct, rename="camel", frozen=True):
    """One job: what it was worth, against what it cost."""

    agentic_job_id: str
    agentic_job_name: str | None
    agentic_job_type: str | None
    total_cost: Decimal | None
    token_cost: Decimal | None
    external_tool_cost: Decimal | None
    human_cost: Decimal | None
    outcome_value: Decimal | None
    outcome_currency: str | None
    roi: float | None
    value_ratio: float | None
    net_value: Decimal | None
    execution_status: str | None
    outcome_type: str | None
    has_outcome: bool
    transaction_count: int
    tool_event_count: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    by_currency: list[Amounts]
    warnings: list[str]


class TypeSummary(Struct, rename="camel", frozen=True, omit_defaults=True):
    """A job type; an absent number was not recorded."""

    job_type: str | None
    total_jobs: int
    conversions: int
    deflections: int
    tool_cost_attribution: str
    total_cost: Decimal | UnsetType = UNSET
    token_cost: Decimal | UnsetType = UNSET
    external_tool_cost: Decimal | UnsetType = UNSET
    human_cost: Decimal | UnsetType = UNSET
    total_value: Decimal | UnsetType = UNSET
    average_value: Decimal | UnsetType = UNSET
    cost_per_conversion: Decimal | UnsetType = UNSET
    cost_per_outcome: Decimal | UnsetType = UNSET
    roi: float | UnsetType = UNSET
    success_rate: float | UnsetType = UNSET


class AllTypes(Struct, frozen=True, omit_defaults=True):
    """All job types together."""

    total_job_types: int = msgspec.field(name="totalJobTypes")
    total_jobs: int = msgspec.field(name="totalJobs")
    total_cost: Decimal | UnsetType = msgspec.field(name="totalCost", default=UNSET)
    total_value: Decimal | UnsetType = msgspec.field(name="totalValue", default=UNSET)
    overall_roi: float | UnsetType = msgspec.field(name="overallROI", default=UNSET)


class RoiSummary(Struct, rename="camel", frozen=True):
    """GET /api/v2/analytics/jobs/roi-summary."""

    id: str
    resource_type: str
    label: str
    period: Period
    by_job_type: list[TypeSummary]
    summary: AllTypes
    metric_type: Metric
    """Of the amounts of money: of each job one."""
    looked: Looked | UnsetType = UNSET
    """Absent: from sums that are kept."""
    cut: bool | UnsetType = UNSET


class FunnelTold(Funnel, rename="camel", frozen=True, kw_only=True):
    """GET /jobs/conversion-funnel."""

    looked: Looked | UnsetType = UNSET
    """Absent: from sums that are kept."""
    cut: bool | UnsetType = UNSET


Summary = TypeVar("Summary", TypeSummary, AllTypes)
BY_JOB = "BY_JOB"
"""Tools count for the job that their events name: nothing is allocated."""


def encoded(value: Any) -> bytes:
    """As JSON, money as exact numbers."""
    return _encoder.encode(value)


def period(window: Window) -> Period:
    return Period(*(None if abs(each) == ALWAYS_MS else moment(each) for each in window))


def filters_told(filters: Filters) -> dict[str, str]:
    """The filters under the names of the query, the window aside."""
    told: Mapping[str, str | None] = filters.coordinates() | {
        "executionStatus": filters.status,
        "outcomeType": filters.outcome,
        "outcomeTypeNot": filters.not_outcome,
        "search": filters.search,
        "outcomeValueMin": _text(filters.value_min_nanos),
        "outcomeValueMax": _text(filters.value_max_nanos),
        "trace": filters.trace,
        "trace_type": filters.trace_type,
    }
    return {name: value for name, value in told.items() if value is not None}


def job_roi(job: Job) -> JobRoi:
    """What the job's figures say."""
    found = row({}, sums_of(job.state, decided=False))
    state = job.state
    reported = state.status is not None
    return JobRoi(
        agentic_job_id=job.id,
        agentic_job_name=job.name,
        agentic_job_type=job.type,
        total_cost=found.total_cost,
        token_cost=found.token_cost,
        external_tool_cost=found.external_tool_cost,
        human_cost=found.human_cost,
        outcome_value=amount(state.value_nanos),
        outcome_currency=state.currency,
        roi=found.roi if reported else None,
        value_ratio=found.value_ratio if reported else None,
        net_value=found.net_value if reported else None,
        execution_status=state.status,
        outcome_type=state.outcome,
        has_outcome=reported,
        transaction_count=found.transactions,
        tool_event_count=found.tool_events,
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        total_tokens=found.total_tokens,
        by_currency=found.by_currency,
        warnings=found.warnings,
    )


def funnel(of: Report) -> FunnelTold:
    """The report's funnel, and whether all jobs are in it."""
    return FunnelTold(*msgspec.structs.astuple(of.total.conversion_funnel), **_budget(of))


def roi_summary(
    of: Report, window: Window, label: str, metric: Metric, samples: Samples | None
) -> RoiSummary:
    """A report by type as the contract has it, amounts by the metric where there are samples."""
    rows, total = of.rows, of.total
    by_type = [_type_summary(each) for each in rows]
    everything = AllTypes(
        len(rows), total.jobs, _or(total.total_cost), _or(total.total_value), _or(total.roi)
    )
    if samples is not None:
        by_type = [
            _measured(told, row, samples.of_type(metric, told.job_type))
            for told, row in zip(by_type, rows, strict=True)
        ]
        found = samples.of_all(metric)
        both = {name: found[name] for name in ("total_cost", "total_value")}
        everything = _measured(everything, total, both)
    return RoiSummary(
        id=label,
        resource_type="jobRoiSummary",
        label=label,
        period=period(window),
        by_job_type=by_type,
        summary=everything,
        metric_type=metric,
        **_budget(of),
    )


def _measured(told: Summary, of: Row, found: Mapping[str, Decimal | None]) -> Summary:
    """With these amounts; several currencies have none in common."""
    known = {name: UNSET if of.currency is None else _or(amount) for name, amount in found.items()}
    return msgspec.structs.replace(told, **known)


def _budget(of: Report) -> dict[str, Any]:
    return {} if of.looked is None else {"looked": of.looked, "cut": of.cut}


def _type_summary(of: Row) -> TypeSummary:
    return TypeSummary(
        job_type=of.key["type"],
        total_jobs=of.jobs,
        conversions=of.outcome_types["CONVERTED"],
        deflections=of.outcome_types["DEFLECTED"],
        tool_cost_attribution=BY_JOB,
        total_cost=_or(of.total_cost),
        token_cost=_or(of.token_cost),
        external_tool_cost=_or(of.external_tool_cost),
        human_cost=_or(of.human_cost),
        total_value=_or(of.total_value),
        average_value=_or(of.average_value),
        cost_per_conversion=_or(of.cost_per_conversion),
        cost_per_outcome=_or(of.cost_per_outcome),
        roi=_or(of.roi),
        success_rate=_or(of.conversion_funnel.success_rate),
    )


def _or(value: Any) -> Any:
    return UNSET if value is None else value


def _text(nanos: int | None) -> str | None:
    return None if nanos is None else str(amount(nanos))
