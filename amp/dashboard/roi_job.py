"""One job's page: what came of it, what it cost, record by record, and where that stands in the chain."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from msgspec import Raw

from amp.dashboard import roi_charts
from amp.dashboard.roi_jobs import job_url
from amp.errors import NotFound
from amp.ledger import filters, report_wire
from amp.ledger.entries import Metered
from amp.ledger.job import Job
from amp.ledger.linked import JobChain
from amp.ledger.report import Composition
from amp.ledger.report import decimal as amount
from amp.ledger.report_wire import JobRoi
from amp.ledger.routes import REPORT
from amp.ledger.timeline import TimelineRow, timeline_row
from amp.ledger.types import CURRENCIES, OUTCOME_TYPES, STATUSES
from amp.rooms import Books
from amp.store.keys import BUCKETS
from amp.tenancy import Access, Tenant

SIZE = 50
"""Records, and links of the chain, that are shown at once."""
RECORDS_MAX = 2000
"""Beyond, to put a job's records in order takes longer than a page may."""

Record = tuple[TimelineRow, Decimal | None]
"""A record, and its cost; None is not known."""


def part(query: Mapping[str, str]) -> int:
    """Which of the pages of records, from 0.

    Raises:
        InvalidParameter: no whole number.
    """
    return filters.whole(query, "records", 0, 0, RECORDS_MAX)


async def shown(books: Books, access: Access, name: str, number: int = 0) -> dict[str, Any]:
    """What the template shows; `sent`, `wrong`, `said` and `refusal` are what forms may say.

    Raises:
        NotFound: there is no such job.
        StoreUnavailable: there is no answer.
    """
    tenant = access.tenant
    job = await books.jobs.find(tenant, name)
    records, chain = await _records(books, tenant, job, number)
    resource, history = await asyncio.gather(books.jobs.told(tenant, job), books.jobs.history(tenant, name))
    figures = report_wire.job_roi(job)
    return {
        "job": resource,
        "figures": figures,
        "history": history,
        "records": records,
        "chain": chain,
        "buckets": BUCKETS,
        "number": number,
        "pages": -(-chain.total_count // SIZE) if chain else 0,
        "all_records": job.state.completions + job.state.tool_events,
        "unpriced": job.state.unpriced_completions + job.state.unpriced_tool_events,
        "cost_chart": _cost_chart(figures),
        "values": {each.sequence: _decimal(each.outcome_value) for each in history},
        "value_sent": _raw(resource.outcome_value),
        "approach_url": f"/roi/jobs?{urlencode({'approach': job.approach or ''})}",
        "url": job_url(name),
        "may_report": access.has(*REPORT),
        "key_id": access.key_id,
        "statuses": STATUSES,
        "outcomes": OUTCOME_TYPES,
        "currencies": CURRENCIES,
        "sent": {},
        "wrong": "",
        "said": "",
        "refusal": "",
    }


async def _records(
    books: Books, tenant: Tenant, job: Job, number: int
) -> tuple[list[Record], JobChain | None]:
    """One page of both; None of a job that is too large for a page."""
    if job.state.completions + job.state.tool_events > RECORDS_MAX:
        return [], None
    (timeline, count), chain = await asyncio.gather(
        books.jobs.timeline(tenant, job.id, number, SIZE), books.jobs.chain(tenant, job.id, number, SIZE)
    )
    del count
    if number and not timeline and not chain.links:
        raise NotFound(f"Job {job.id!r} has no so many records.")
    return _told(timeline), chain


def _raw(value: Raw | None) -> str:
    """As it was sent."""
    return "" if value is None else bytes(value).decode()


def _decimal(value: Raw | None) -> Decimal | None:
    return None if value is None else Decimal(_raw(value))


def _told(timeline: Sequence[Metered]) -> list[Record]:
    return [(timeline_row(each), amount(each.cost_nanos)) for each in timeline]


def _cost_chart(figures: JobRoi) -> Any:
    """None where several currencies have a cost."""
    costs = [each for each in figures.by_currency if each.total_cost]
    if len(costs) != 1:
        return None
    (one,) = costs
    amounts = (one.token_cost, one.external_tool_cost, one.human_cost)
    shares = Composition(*(_share(each, one.total_cost) for each in amounts))
    return roi_charts.parts("chart-cost", "What the cost is made of", amounts, shares, one.currency)


def _share(part: Decimal | None, whole: Decimal | None) -> float | None:
    return None if part is None or not whole else float(part / whole)
