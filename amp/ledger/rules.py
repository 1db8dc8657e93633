"""What may be said: of a job, of its outcome, and after an outcome."""

from datetime import UTC, datetime
from typing import NamedTuple, cast

import msgspec

from amp.errors import InvalidParameter
from amp.ledger import money
from amp.ledger.entries import Reported
from amp.ledger.types import CURRENCIES, DEFAULT_CURRENCY, OUTCOME_TYPES, STATUSES
from amp.ledger.wire import Metric, OutcomeRequest

ID_LENGTH_MAX = 255
TEXT_LENGTH_MAX = 255
REASON_LENGTH_MAX = 2048
METRICS_MAX = 100
PATHS = ("types", "conversion-funnel", "roi-summary", ".", "..")
"""What can name no job: paths have these words where a job's id would stand, and clients take dots away."""

_REQUEST_ID = ("requestId", "amp_request_id")
_metrics = msgspec.json.Decoder(list[Metric])


class Said(NamedTuple):
    """An outcome as it would stand."""

    status: str
    outcome: str | None
    value_nanos: int | None
    currency: str | None
    reason: str | None
    metadata: str | None
    reported_ms: int | None
    value_sent: str | None
    """The number that was sent, where the value is that number rounded."""


def job_id(value: str) -> str:
    """A job's id, in any characters.

    Raises:
        InvalidParameter: empty, too long, or a word that paths need.
    """
    if not 0 < len(value) <= ID_LENGTH_MAX:
        raise InvalidParameter("agenticJobId", f"must have 1 to {ID_LENGTH_MAX} characters")
    if value in PATHS:
        raise InvalidParameter("agenticJobId", f"must not be one of {', '.join(PATHS)}")
    return value


def text(field: str, value: str | None, most: int = TEXT_LENGTH_MAX) -> str | None:
    """The text; None when there is nothing in it.

    Raises:
        InvalidParameter: it is too long.
    """
    if value is not None and len(value) > most:
        raise InvalidParameter(field, f"must have at most {most} characters")
    return value or None


def job_type(field: str, value: str | None) -> str | None:
    """Types are kept in lower case.

    Raises:
        InvalidParameter: it is too long.
    """
    return text(field, value.strip().lower() if value else None)


def moment_ms(field: str, value: str | None) -> int | None:
    """An ISO 8601 time, UTC unless it says otherwise.

    Raises:
        InvalidParameter: it is none, or not of the years 1970 to 9998.
    """
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        ms = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidParameter(field, "must be a time such as 2026-01-31T12:00:00Z") from error
    if not 0 <= ms < 253_370_764_800_000:
        raise InvalidParameter(field, "must lie in the years 1970 to 9998")
    return ms


def currency(field: str, value: str | None) -> str:
    """A currency that reports know.

    Raises:
        InvalidParameter: it is another.
    """
    code = (value or DEFAULT_CURRENCY).upper()
    if code not in CURRENCIES:
        raise InvalidParameter(field, f"must be one of {', '.join(CURRENCIES)}")
    return code


def outcome(request: OutcomeRequest) -> Said:
    """A first report.

    Raises:
        InvalidParameter: the field is named.
    """
    if request.execution_status is None:
        raise InvalidParameter("executionStatus", "is required")
    return _applied(request, None)


def amended(request: OutcomeRequest, standing: Said) -> Said:
    """What stands once these fields are otherwise; an empty text clears.

    Raises:
        InvalidParameter: the field is named.
    """
    return _applied(request, standing)


def standing(entry: Reported) -> Said:
    """What an entry says."""
    return Said(
        entry.status,
        entry.outcome,
        entry.value_nanos,
        entry.currency,
        entry.reason,
        entry.metadata,
        entry.reported_ms,
        entry.value_sent,
    )


def expected_version(request: OutcomeRequest) -> int | None:
    """The version that an amendment goes on from.

    Raises:
        InvalidParameter: it is no whole number from 0.
    """
    value = request.expected_entity_version
    if value is None:
        return None
    plain = isinstance(value, int) or (value.isascii() and value.isdecimal() and len(value) < 20)
    if not plain or not 0 <= int(value) < 2**53:
        raise InvalidParameter("expectedEntityVersion", "must be a whole number from 0")
    return int(value)


def metrics(field: str, raw: msgspec.Raw | bytes) -> str | None:
    """Figures as they were sent; None when there are none.

    Raises:
        InvalidParameter: not a list of up to `METRICS_MAX`, or one lacks its key or value.
    """
    if bytes(raw) in {b"", b"null", b"[]"}:
        return None
    try:
        found = _metrics.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameter(field, "must be a list of objects with key and value") from error
    if len(found) > METRICS_MAX or not all(each.key.strip() for each in found):
        raise InvalidParameter(field, f"must be at most {METRICS_MAX}, and none without a key")
    return bytes(raw).decode()


def request_id(request: OutcomeRequest) -> str | None:
    """The decision that the job followed: by its own field, or in metadata when that is JSON."""
    if request.amp_request_id or not request.metadata:
        return request.amp_request_id
    if "request" not in request.metadata:
        return None
    try:
        told = msgspec.json.decode(request.metadata)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    found = (cast("dict[str, object]", told).get(name) for name in _REQUEST_ID)
    return next((each for each in found if isinstance(each, str)), None)


def _applied(request: OutcomeRequest, old: Said | None) -> Said:
    status = request.execution_status or (old.status if old else "")
    if status not in STATUSES:
        raise InvalidParameter("executionStatus", f"must be one of {', '.join(STATUSES)}")
    kind = request.outcome_type or (old.outcome if old else None)
    if kind is not None and kind not in OUTCOME_TYPES:
        raise InvalidParameter("outcomeType", f"must be one of {', '.join(OUTCOME_TYPES)}")
    reported = moment_ms("outcomeReportedAt", request.outcome_reported_at)
    reason = text("outcomeReason", request.outcome_reason, REASON_LENGTH_MAX)
    value, sent = _value(request, old)
    code = currency("outcomeCurrency", request.outcome_currency or (old.currency if old else None))
    return Said(
        status,
        kind,
        value,
        None if value is None else code,  # what has no value has no currency
        reason if request.outcome_reason is not None or not old else old.reason,
        (request.metadata or None) if request.metadata is not None or not old else old.metadata,
        reported if reported is not None or not old else old.reported_ms,
        sent,
    )


def _value(request: OutcomeRequest, old: Said | None) -> tuple[int | None, str | None]:
    """The value that counts, and the number that was sent where that is another."""
    sent = request.outcome_value
    if sent is None:
        return (old.value_nanos, old.value_sent) if old else (None, None)
    try:
        value = money.nanos(sent)
    except ValueError as error:
        raise InvalidParameter("outcomeValue", str(error)) from error
    return value, money.finer(sent, value)
