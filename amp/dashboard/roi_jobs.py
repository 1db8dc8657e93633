"""All jobs: filtered, searched, leaf by leaf; and as a spreadsheet."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from amp.dashboard.roi_report import OFFERED_MAX
from amp.errors import InvalidParameter
from amp.ledger import filters, leaf_wire
from amp.ledger.filters import PENDING, Filters
from amp.ledger.leaf_wire import JobLeaf, JobLine, Turn
from amp.ledger.looking import LOOKED_MAX, WITHIN_S, Budget
from amp.ledger.reports import Reports
from amp.ledger.types import OUTCOME_TYPES, STATUSES
from amp.rooms import Books
from amp.tenancy import Tenant

BUDGET = Budget(2000, 0.05)
"""Jobs that one leaf looks at: the next one goes on from there."""
SIZE = 25
CSV_SIZE = 500
NOT = "NOT_"
"""Before an outcome type: any other, or none."""
NAMES = ("search", "type", "environment", "agent", "squad", "approach", "group")
NAMES_OF_OUTCOME = ("executionStatus", "outcomeType", "startDate", "endDate")


class Listed(NamedTuple):
    """What is asked of the list."""

    query: dict[str, str]
    """Under the names of the page."""
    filters: Filters
    turn: Turn

    def link(self, path: str = "/roi/jobs", **other: str | int) -> str:
        """The same list elsewhere."""
        query = self.query | {name: str(value) for name, value in other.items()}
        told = urlencode({name: value for name, value in query.items() if value})
        return f"{path}?{told}" if told else path


def read(query: Mapping[str, str]) -> Listed:
    """What a query asks for.

    Raises:
        InvalidParameter: the name is named.
    """
    said = {name: query.get(name, "") for name in (*NAMES, *NAMES_OF_OUTCOME)}
    asked = dict(said)
    if asked["outcomeType"].startswith(NOT):
        asked["outcomeTypeNot"] = asked.pop("outcomeType").removeprefix(NOT)
    before, after = (filters.whole(query, name, -1, 0, filters.MS_MAX) for name in ("before", "after"))
    if before >= 0 and after >= 0:
        raise InvalidParameter("after", "goes without before")
    turn = Turn(SIZE, before if before >= 0 else None, after if after >= 0 else None)
    return Listed(said, filters.read(asked), turn)


async def shown(books: Books, tenant: Tenant, query: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows.

    Raises:
        InvalidParameter: the name is named.
        StoreUnavailable: there is no answer.
    """
    asked = read(query)
    leaf = await books.reports.leaf(tenant, asked.filters, asked.turn, BUDGET)
    exact = await _exact(books, tenant, asked)
    values = await books.reports.values(tenant)
    return {
        "asked": asked,
        "leaf": leaf,
        "exact": exact,
        "lines": [line for line in leaf.jobs if exact is None or line.agentic_job_id != exact.agentic_job_id],
        "offered": {name: _offered(list(values[name]), asked.query[name]) for name in _CHOSEN},
        "statuses": (*STATUSES, PENDING),
        "outcomes": (*OUTCOME_TYPES, PENDING),
        "others": tuple(f"{NOT}{each}" for each in ("CONVERTED", "DEFLECTED")),
        "narrowed": any(asked.query.values()),
        "title": title(asked),
        "job_url": job_url,
    }


_CHOSEN = ("type", "environment", "agent", "approach")


def _offered(values: list[str], chosen: str) -> list[str]:
    some = values[:OFFERED_MAX]
    return [chosen, *some] if chosen and chosen not in some else some


async def _exact(books: Books, tenant: Tenant, asked: Listed) -> JobLine | None:
    """The job whose id is what is searched for, however old it is and whatever else is filtered by."""
    sought = asked.query["search"]
    if not sought or asked.turn.before_ms is not None or asked.turn.after_ms is not None:
        return None
    (job,) = await books.jobs.find_all(tenant, [sought])
    if job is None:
        return None
    (stands,) = await books.jobs.all_in_force(tenant, [job])
    return leaf_wire.line(job, stands)


def title(asked: Listed) -> str:
    """What is listed, in words."""
    query = asked.query
    if query["executionStatus"] == "SUCCESS" and query["outcomeType"] == f"{NOT}CONVERTED":
        return "Successful, not converted"
    if query["executionStatus"] == "SUCCESS" and query["outcomeType"] == f"{NOT}DEFLECTED":
        return "Successful, not deflected"
    return "Jobs"


def job_url(job: str) -> str:
    """A job's page; nothing in its id is safe in a path."""
    return f"/roi/jobs/{quote(job, safe='')}"


async def all_lines(reports: Reports, tenant: Tenant, query: Mapping[str, str]) -> tuple[list[JobLine], bool]:
    """The jobs of all leaves, and whether these are all; as much as one call of the API may look at.

    Raises:
        InvalidParameter: the name is named.
        StoreUnavailable: there is no answer.
    """
    asked = read(query)
    lines: list[JobLine] = []
    until, left, before = time.monotonic() + WITHIN_S, LOOKED_MAX, None
    while left > 0 and time.monotonic() < until:
        budget = Budget(left, until - time.monotonic())
        leaf: JobLeaf = await reports.leaf(tenant, asked.filters, Turn(CSV_SIZE, before), budget)
        lines += leaf.jobs
        left, before = left - leaf.looked, leaf.older
        if before is None:
            return lines, True
    return lines, False
