"""Errors as each public API shapes them; the path says which API it is.

The personalization API has an envelope (amp.md, Errors), the ledger a flat body (ledger.md, section 5),
sessions what their client takes apart (graded-outcomes.md, section 1).
"""

from http import HTTPStatus
from typing import Any

import msgspec

from amp.clock import iso
from amp.errors import AmpError, QuotaExceeded

Headers = list[tuple[bytes, bytes]]

JSON_HEADER = (b"content-type", b"application/json")
LEDGER_PATHS = ("/profitstream/", "/meter/", "/v1/ledger/", "/api/v2/")
"""What the ledger's paths begin with."""
SESSION_PATHS = tuple(
    f"/v1/{name}"
    for name in (
        "sessions",
        "agents",
        "environments",
        "files",
        "deployment_runs",
        "deployments",
        "dreams",
        "memory_stores",
        "messages",
        "models",
        "organizations",
        "skills",
        "tunnels",
        "user_profiles",
        "vaults",
    )
)
"""What the paths of sessions begin with; their client must understand the 404 where we have nothing, too."""
_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}


class Problem(msgspec.Struct, rename="camel"):
    """What went wrong, for a program and for a person."""

    code: str
    message: str
    details: dict[str, Any]
    request_id: str
    """Of this HTTP request; also in the header X-Request-Id."""
    timestamp: str


class Envelope(msgspec.Struct):
    """The body of every error."""

    error: Problem


class Refusal(msgspec.Struct, omit_defaults=True):
    """The body of every error of the ledger."""

    status: int
    error: str
    """The status in words."""
    message: str
    code: str
    details: dict[str, Any] = {}


class Fault(msgspec.Struct):
    """What a client of sessions reads of an error."""

    type: str
    message: str
    details: dict[str, Any]
    """`error_code`, and what belongs to it."""


class FaultBody(msgspec.Struct, tag="error"):
    """The body of every error of sessions."""

    error: Fault
    request_id: str


def of_sessions(path: str) -> bool:
    """Whether this is a path of the API of sessions."""
    return path.startswith(SESSION_PATHS)


def id_headers(path: str) -> tuple[bytes, ...]:
    """The headers that name the request on this path."""
    return (b"x-request-id", b"request-id") if of_sessions(path) else (b"x-request-id",)


def of_ledger(path: str) -> bool:
    """Whether this is a path of the ledger's API."""
    return path.startswith(LEDGER_PATHS)


def body(path: str, error: AmpError, request_id: str, at_ms: int) -> bytes:
    """What a refused caller of this path reads."""
    if of_sessions(path):
        return msgspec.json.encode(fault(error, request_id))
    told = refusal(error) if of_ledger(path) else envelope(error, request_id, at_ms)
    return msgspec.json.encode(told)


def fault(error: AmpError, request_id: str) -> FaultBody:
    kind = _KINDS.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    details = {"error_code": error.code.lower(), **error.details}
    return FaultBody(Fault(kind, error.message, details), request_id)


def envelope(error: AmpError, request_id: str, at_ms: int) -> Envelope:
    return Envelope(Problem(error.code, error.message, error.details, request_id, iso(at_ms)))


def refusal(error: AmpError) -> Refusal:
    words = HTTPStatus(error.status).phrase
    return Refusal(error.status, words, error.message, error.code.lower(), error.details)


def headers(error: AmpError) -> Headers:
    """What a refused client may need beside the body."""
    sent: Headers = [JSON_HEADER]
    if error.retry_after_s is not None:
        sent.append((b"retry-after", b"%d" % error.retry_after_s))
    if isinstance(error, QuotaExceeded):
        sent.append((b"x-quota-limit", b"%d" % error.details.get("limit", 0)))
        sent.append((b"x-quota-remaining", b"0"))
    if error.status == 409:  # a client of sessions would send it again by itself
        sent.append((b"x-should-retry", b"false"))
    if error.status == 401:
        sent.append((b"www-authenticate", b"Bearer"))
    return sent
