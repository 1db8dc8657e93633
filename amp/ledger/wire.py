"""What the ledger's calls carry in: requests as they may come. Contract: ledger.md, sections 4 and 5.

Names are the wire's in camelCase; unknown fields are ignored. Text, numbers and times are judged in rules.py
and metering.py. Prompts and answers of models are not read: the ledger never keeps them.
"""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct


class JobRequest(Struct, rename="camel"):
    """POST /jobs."""

    agentic_job_id: str
    name: str | None = None
    type: str | None = None
    version: str | None = None
    environment: str | None = None
    amp_request_id: str | None = msgspec.field(name="amp_request_id", default=None)
    """The decision that the job follows, as everywhere below."""


class OutcomeRequest(Struct, rename="camel"):
    """POST /jobs/{id}/outcome, and PATCH with what is to be otherwise; null is "left out"."""

    execution_status: str | None = None
    outcome_type: str | None = None
    outcome_value: Decimal | None = None
    outcome_currency: str | None = None
    metadata: str | None = None
    outcome_reason: str | None = None
    reported_by: str | None = None
    outcome_reported_at: str | None = None
    metrics: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    amp_request_id: str | None = msgspec.field(name="amp_request_id", default=None)
    reason: str | None = None
    """Of an amendment."""
    expected_entity_version: int | str | None = None
    """Of an amendment."""


class Metric(Struct, rename="camel"):
    """One further figure of an outcome; kept as it was sent, this only says what it must have."""

    key: str
    value: Any


class MeteringRequest(Struct, rename="camel"):
    """What completions and tool events have in common."""

    transaction_id: str | None = None
    agentic_job_id: str | None = None
    agentic_job_name: str | None = None
    agentic_job_type: str | None = None
    agentic_job_version: str | None = None
    environment: str | None = None
    agent: str | None = None
    trace_id: str | None = None
    trace_type: str | None = None
    trace_name: str | None = None
    squad_id: str | None = None
    squad_name: str | None = None
    squad_role: str | None = None
    parent_transaction_id: str | None = None
    organization_name: str | None = None
    product_name: str | None = None
    currency: str | None = None
    amp_request_id: str | None = msgspec.field(name="amp_request_id", default=None)


class CompletionRequest(MeteringRequest, rename="camel"):
    """POST /ai/completions."""

    model: str = ""
    provider: str = ""
    cost_type: str | None = None
    stop_reason: str | None = None
    operation_type: str | None = None
    completion_start_time: str | None = None
    request_time: str | None = None
    response_time: str | None = None
    request_duration: float | None = None
    time_to_first_token: float | None = None
    input_token_count: int | None = None
    output_token_count: int | None = None
    total_token_count: int | None = None
    cache_creation_token_count: int | None = None
    cache_creation_5m_token_count: int | None = msgspec.field(name="cacheCreation5mTokenCount", default=None)
    cache_creation_1h_token_count: int | None = msgspec.field(name="cacheCreation1hTokenCount", default=None)
    cache_read_token_count: int | None = None
    reasoning_token_count: int | None = None
    total_cost: Decimal | None = None
    input_token_cost: Decimal | None = None
    output_token_cost: Decimal | None = None
    cache_creation_token_cost: Decimal | None = None
    cache_read_token_cost: Decimal | None = None
    cost_multiplier: Decimal | None = None
    billing_skipped: bool | None = None
    skip_reason: str | None = None
    pricing_tier: str | None = None
    transaction_name: str | None = None
    task_type: str | None = None
    agent_version: str | None = None
    operation_subtype: str | None = None
    subscription_id: str | None = None
    ticket_id: str | None = None
    region: str | None = None
    error_reason: str | None = None


class ToolRequest(MeteringRequest, rename="camel"):
    """POST /tool/events."""

    tool_id: str = ""
    operation: str | None = None
    duration_ms: float | None = None
    success: bool | None = None
    timestamp: str | None = None
    cost_usd: Decimal | None = None
    error_message: str | None = None
    usage_metadata: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    workflow_id: str | None = None


class Kinds(Struct, rename="camel"):
    """Tells a tool event from a completion in a batch."""

    tool_id: str | None = None


class MeteringBatch(Struct):
    """POST /v1/ledger/meter/batch; each item is judged by itself."""

    items: list[msgspec.Raw]
