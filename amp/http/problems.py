"""Errors as each public API shapes them. So far one: the personalization API's envelope (amp.md, Errors)."""

from typing import Any

import msgspec

from amp.clock import iso
from amp.errors import AmpError

Headers = list[tuple[bytes, bytes]]

JSON_HEADER = (b"content-type", b"application/json")


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


def envelope(error: AmpError, request_id: str, at_ms: int) -> Envelope:
    return Envelope(Problem(error.code, error.message, error.details, request_id, iso(at_ms)))


def headers(error: AmpError) -> Headers:
    """What a refused client may need beside the body."""
    sent: Headers = [JSON_HEADER]
    if error.retry_after_s is not None:
        sent.append((b"retry-after", b"%d" % error.retry_after_s))
    if error.status == 401:
        sent.append((b"www-authenticate", b"Bearer"))
    return sent
