"""What the ledger's calls answer. Contract: ledger.md, section 5. Open fields are null, not absent."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from amp.clock import iso
from amp.ledger import money
from amp.ledger.chain import digest
from amp.ledger.entries import Amendment, Completion, Metered, Reported, id_text
from amp.ledger.job import Job
from amp.tenancy import Access, Tenant

API = "/profitstream/v2/api"


class JobResource(Struct, rename="camel"):
    """A job: what was said of it and what came of it."""

    id: str
    resource_type: str
    label: str
    created: str
    updated: str
    agentic_job_id: str
    name: str | None
    type: str | None
    version: str | None
    environment: str | None
    agent: str | None
    squad: str | None
    approach: str | None
    group: str | None
    source: Literal["API", "TELEMETRY"]
    first_event_at: str | None
    last_event_at: str | None
    has_outcome: bool
    execution_status: str | None
    outcome_type: str | None
    outcome_value: Raw | None
    """As it was sent: a client compares."""
    outcome_value_counted: Raw | None
    """The same in whole 1e-9, as reports count it."""
    outcome_currency: str | None
    outcome_reason: str | None
    outcome_metadata: str | None
    outcome_reported_at: str | None
    outcome_reported_by: str | None
    outcome_update_count: int
    outcome_updated_at: str | None
    outcome_updated_by: str | None
    outcome_metrics: list[Raw]
    entity_version: int
    links: dict[str, dict[str, str]] = msgspec.field(name="_links")


class HistoryRow(Struct, rename="camel"):
    """An outcome as it was first reported, or as an amendment left it."""

    sequence: int
    execution_status: str
    outcome_type: str | None
    outcome_value: Raw | None
    outcome_currency: str | None
    outcome_metadata: str | None
    outcome_reason: str | None
    reported_by: str
    reported_at: str
    reason: str | None
    """Why it was amended; null of the first."""


class TransactionRow(Struct, rename="camel"):
    """An AI call of a job."""

    transaction_id: str
    timestamp: str
    agent: str | None
    model: str
    provider: str
    duration: int
    cost: Raw | None
    input_tokens: int
    output_tokens: int
    total_tokens: int
    status: Literal["success", "error"]


class Transactions(Struct, rename="camel"):
    """The AI calls of a job, oldest first."""

    transactions: list[TransactionRow]
    total_count: int


class Receipt(Struct, rename="camel"):
    """What was metered is in the ledger; a replay has the same."""

    id: str
    label: str
    resource_type: str
    signature: str
    """The SHA-256 of the entry, which the bucket's chain covers."""
    created: str
    updated: str
    links: dict[str, Any] = msgspec.field(name="_links", default_factory=dict[str, Any])


class Team(Struct, rename="camel"):
    """The client asks for one and sends it back; the key alone says whose data it is."""

    id: str
    label: str
    resource_type: str = "team"


class Teams(Struct, rename="camel"):
    """The one team of a tenant."""

    team_resource_list: list[Team]


class TeamsReply(Struct):
    """GET /teams."""

    embedded: Teams = msgspec.field(name="_embedded")


class UserResource(Struct, rename="camel"):
    """GET /users/me: the key that asks."""

    id: str
    label: str
    tenant: Team
    teams: list[Team]
    scopes: list[str]
    resource_type: str = "user"


def job_resource(
    tenant: Tenant, job: Job, reports: Sequence[Reported], metrics: Sequence[str] = ()
) -> JobResource:
    """The job; `reports` are the first outcome and the one in force, or nothing, and `metrics` JSON lists."""
    first, force, amended = _ends(reports)
    return JobResource(
        id=blake2b(f"{tenant.tag} {job.id}".encode(), digest_size=8).hexdigest(),
        resource_type="job",
        label=job.name or job.id,
        created=iso(job.created_ms),
        updated=iso(job.updated_ms),
        agentic_job_id=job.id,
        name=job.name,
        type=job.type,
        version=job.version,
        environment=job.environment,
        agent=job.agent,
        squad=job.squad,
        approach=job.approach,
        group=job.group,
        source="TELEMETRY" if job.by_telemetry else "API",
        first_event_at=_iso(job.first_event_ms),
        last_event_at=_iso(job.last_event_ms),
        has_outcome=force is not None,
        execution_status=force and force.status,
        outcome_type=force and force.outcome,
        outcome_value=force and _value(force),
        outcome_value_counted=force and amount(force.value_nanos),
        outcome_currency=force and force.currency,
        outcome_reason=force and force.reason,
        outcome_metadata=force and force.metadata,
        outcome_reported_at=iso(_reported_ms(force, first)) if force and first else None,
        outcome_reported_by=first and first.reported_by,
        outcome_update_count=job.amendments,
        outcome_updated_at=amended and iso(amended.at_ms),
        outcome_updated_by=amended and amended.reported_by,
        outcome_metrics=[each for some in metrics for each in _list.decode(some)],
        entity_version=len(job.outcomes),
        links={"self": {"href": f"{API}/jobs/{quote(job.id, safe='')}"}},
    )


def history(reports: Sequence[Reported]) -> list[HistoryRow]:
    """Every outcome that was in force, the first first."""
    return [
        HistoryRow(
            sequence=number,
            execution_status=each.status,
            outcome_type=each.outcome,
            outcome_value=_value(each),
            outcome_currency=each.currency,
            outcome_metadata=each.metadata,
            outcome_reason=each.reason,
            reported_by=each.reported_by,
            reported_at=iso(each.at_ms if isinstance(each, Amendment) else _reported_ms(each, each)),
            reason=each.why if isinstance(each, Amendment) else None,
        )
        for number, each in enumerate(reports, 1)
    ]


def transaction(of: Completion) -> TransactionRow:
    """The AI call as a list shows it."""
    return TransactionRow(
        transaction_id=id_text(of.transaction),
        timestamp=iso(of.began_ms),
        agent=of.agent,
        model=of.model,
        provider=of.provider,
        duration=of.duration_ms,
        cost=amount(of.cost_nanos),
        input_tokens=of.input_tokens,
        output_tokens=of.output_tokens,
        total_tokens=of.total_tokens,
        status="error" if of.stop_reason in FAILED else "success",
    )


def receipt(bucket: int, position: int, raw: bytes, entry: Metered, transaction: str) -> Receipt:
    """The receipt of an entry: it has nothing that a replay would not have too."""
    at = iso(entry.at_ms)
    kind = "completion" if isinstance(entry, Completion) else "tool-event"
    return Receipt(f"{bucket}-{position}", transaction, kind, digest(raw).hex(), created=at, updated=at)


def teams(tenant: Tenant) -> TeamsReply:
    return TeamsReply(Teams([_team(tenant)]))


def user(access: Access) -> UserResource:
    team = _team(access.tenant)
    return UserResource(access.key_id, f"API key {access.key_id}", team, [team], sorted(access.scopes))


def amount(nanos: int | None) -> Raw | None:
    """Money as a JSON number, exact."""
    return None if nanos is None else Raw(money.text(nanos).encode())


FAILED = {"ERROR", "TIMEOUT", "CANCELLED"}
_list = msgspec.json.Decoder(list[Raw])


def _ends(reports: Sequence[Reported]) -> tuple[Reported | None, Reported | None, Amendment | None]:
    """The first, the one in force, and this if it is an amendment."""
    first, force = (reports[0], reports[-1]) if reports else (None, None)
    return first, force, force if isinstance(force, Amendment) else None


def _value(of: Reported) -> Raw | None:
    return amount(of.value_nanos) if of.value_sent is None else Raw(of.value_sent.encode())


def _team(tenant: Tenant) -> Team:
    return Team(tenant.name, tenant.name)


def _reported_ms(force: Reported, first: Reported) -> int:
    """When it came about: what the client said, else when the first report came."""
    return first.at_ms if force.reported_ms is None else force.reported_ms


def _iso(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)
