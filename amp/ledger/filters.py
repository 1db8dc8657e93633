"""Which jobs a report or a list is about. Contract: section 2, the filters of the server."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from amp.errors import InvalidParameter
from amp.ledger import money
from amp.ledger.cells import DAY_MS, Dimension
from amp.ledger.job import Job
from amp.ledger.types import CURRENCIES, OUTCOME_TYPES, STATUSES
from amp.parse import decimal

PENDING = "PENDING"
"""A legal filter, though no outcome: jobs that have none."""
ALWAYS_MS = 1 << 62
MS_MAX = 253_402_300_799_999
_FIRST_MS = -62_135_596_800_000
"""Of the years 1 to 9999: beyond them a time cannot be written."""
COORDINATES: tuple[Dimension, ...] = ("type", "environment", "agent", "squad", "approach", "group")
_FIELDS = {"type": "t", "environment": "e", "agent": "a", "squad": "q", "approach": "p", "group": "g"}
"""Where a job's hash has its coordinates."""


_OTHERS = (
    "jobType squadId trace traceId trace_type traceType executionStatus outcomeType outcomeTypeNot search"
)
_ENDS = "outcomeValueMin outcomeValueMax startDate endDate"
NAMES = (*COORDINATES, *_OTHERS.split(), *_ENDS.split())
"""What a query may filter by."""


class Window(NamedTuple):
    """Jobs made from the one on, until before the other; ms since 1970."""

    start_ms: int = -ALWAYS_MS
    end_ms: int = ALWAYS_MS

    @property
    def whole_days(self) -> bool:
        """Whether it can be told by days alone."""
        return all(abs(end) == ALWAYS_MS or end % DAY_MS == 0 for end in self)

    @property
    def is_open(self) -> bool:
        return self == Window()

    def has_day(self, day: int) -> bool:
        return self.start_ms <= day * DAY_MS < self.end_ms


class Filters(NamedTuple):
    """What a job must be like; None is any."""

    window: Window = Window()
    type: str | None = None
    environment: str | None = None
    agent: str | None = None
    squad: str | None = None
    approach: str | None = None
    group: str | None = None
    status: str | None = None
    outcome: str | None = None
    search: str | None = None
    value_min_nanos: int | None = None
    value_max_nanos: int | None = None
    trace: str | None = None
    trace_type: str | None = None
    not_outcome: str | None = None
    """Any other outcome, or none."""

    def coordinates(self) -> dict[Dimension, str]:
        """Those that are asked for."""
        said: dict[Dimension, str | None] = {name: getattr(self, name) for name in COORDINATES}
        return {name: value for name, value in said.items() if value is not None}

    @property
    def beyond_cells(self) -> bool:
        """Whether single jobs must be looked at, whatever the report is by."""
        own = (self.status, self.outcome, self.not_outcome, self.search)
        worth = (self.value_min_nanos, self.value_max_nanos)
        return any(each is not None for each in own + worth) or self.traced or not self.window.whole_days

    @property
    def traced(self) -> bool:
        """Whether what a job's records say must be read."""
        return self.trace is not None or self.trace_type is not None


def moment(at_ms: int) -> str:
    """The time as ISO 8601 in UTC."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fields(filters: Filters) -> dict[str, str]:
    """What a job's hash must have for it to be one of those; empty is a field that must be missing."""
    found = {_FIELDS[name]: value for name, value in filters.coordinates().items()}
    if filters.outcome not in {None, PENDING}:
        found["Y"] = str(filters.outcome)
    if PENDING in {filters.status, filters.outcome}:
        return found | {"S": ""}
    return found | ({} if filters.status is None else {"S": filters.status})


def matches(job: Job, filters: Filters) -> bool:
    """Whether the job is one of those, its runs aside."""
    state = job.state
    if not filters.window.start_ms <= job.created_ms < filters.window.end_ms:
        return False
    if any(getattr(job, name) != value for name, value in filters.coordinates().items()):
        return False
    if filters.status is not None and (state.status or PENDING) != filters.status:
        return False
    if not _came_out(job, filters):
        return False
    if filters.search is not None and not _found(job, filters.search.casefold()):
        return False
    return _worth(state.value_nanos, filters.value_min_nanos, filters.value_max_nanos)


def read(asked: Mapping[str, str]) -> Filters:
    """The filters in a query; names that are none are ignored, as by the contract's server.

    Raises:
        InvalidParameter: the name is named.
    """
    kind = asked.get("type") or asked.get("jobType")
    return Filters(
        window=Window(_start(asked.get("startDate")), _end(asked.get("endDate"))),
        type=kind.strip().lower() if kind else None,
        environment=asked.get("environment") or None,
        agent=asked.get("agent") or None,
        squad=asked.get("squad") or asked.get("squadId") or None,
        approach=asked.get("approach") or None,
        group=_one_of(asked, "group", ("learned", "control")),
        status=_one_of(asked, "executionStatus", (*STATUSES, PENDING)),
        outcome=_one_of(asked, "outcomeType", (*OUTCOME_TYPES, PENDING)),
        search=asked.get("search") or None,
        value_min_nanos=_amount(asked, "outcomeValueMin"),
        value_max_nanos=_amount(asked, "outcomeValueMax"),
        trace=asked.get("trace") or asked.get("traceId") or None,
        trace_type=asked.get("trace_type") or asked.get("traceType") or None,
        not_outcome=_one_of(asked, "outcomeTypeNot", (*OUTCOME_TYPES, PENDING)),
    )


def currency(asked: Mapping[str, str], name: str) -> str | None:
    """A currency to convert to.

    Raises:
        InvalidParameter: it is none.
    """
    code = asked.get(name, "").upper()
    if code and code not in CURRENCIES:
        raise InvalidParameter(name, f"must be one of {', '.join(CURRENCIES)}")
    return code or None


def whole(asked: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number in bounds.

    Raises:
        InvalidParameter: it is none.
    """
    said = asked.get(name)
    if said is None or said == "":
        return default
    if not said.isascii() or not said.isdecimal() or len(said) > 15 or not low <= int(said) <= high:
        raise InvalidParameter(name, f"must be a whole number from {low} to {high}")
    return int(said)


def _came_out(job: Job, filters: Filters) -> bool:
    outcome = _outcome(job)
    if filters.not_outcome is not None and outcome == filters.not_outcome:
        return False
    return filters.outcome is None or outcome == filters.outcome


def _outcome(job: Job) -> str | None:
    return job.state.outcome if job.state.status is not None else PENDING


def _found(job: Job, sought: str) -> bool:
    return any(sought in each.casefold() for each in (job.id, job.name, job.type, job.agent) if each)


def _worth(value: int | None, low: int | None, high: int | None) -> bool:
    if low is None and high is None:
        return True
    if value is None:
        return False
    return (low is None or value >= low) and (high is None or value <= high)


def _one_of(asked: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    said = asked.get(name)
    if not said:
        return None
    found = said.lower() if name == "group" else said.upper()
    if found not in allowed:
        raise InvalidParameter(name, f"must be one of {', '.join(allowed)}")
    return found


def _amount(asked: Mapping[str, str], name: str) -> int | None:
    said = asked.get(name)
    if not said:
        return None
    try:
        return money.nanos(decimal(said))
    except ValueError as error:
        raise InvalidParameter(name, str(error)) from error


def _start(said: str | None) -> int:
    return -ALWAYS_MS if not said else _moment("startDate", said)[0]


def _end(said: str | None) -> int:
    """After the day, when only a day is said; after the millisecond otherwise."""
    if not said:
        return ALWAYS_MS
    at_ms, is_day = _moment("endDate", said)
    end_ms = at_ms + (DAY_MS if is_day else 1)
    return end_ms if end_ms <= MS_MAX else ALWAYS_MS


def _moment(name: str, said: str) -> tuple[int, bool]:
    try:
        # a plus sign that was not percent-encoded arrives as a space
        at = datetime.fromisoformat(said.strip().replace(" ", "+") if "T" in said else said.strip())
        ms = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidParameter(name, "must be a date such as 2026-01-31, or a time") from error
    if not _FIRST_MS <= ms <= MS_MAX:
        raise InvalidParameter(name, "must lie in the years 1 to 9999")
    return ms, len(said.strip()) == 10
