"""What can go wrong on the way, beside the refusals of `amp.errors`, and which class an answer means.

AmpError
├── Unreachable    UNREACHABLE   no answer: refused, cut, or a gateway that found nobody behind it
│   └── TimedOut   TIMEOUT       no answer within the deadline
├── Unexpected     UNEXPECTED    an answer the contract does not know: another service, a proxy's page
└── ClientClosed   CLOSED        this client was closed before
"""

from collections.abc import Iterator
from typing import Any

from amp import errors
from amp.errors import AmpError


class Unreachable(AmpError):
    code = "UNREACHABLE"
    status = 503
    retryable = True


class TimedOut(Unreachable):
    code = "TIMEOUT"


class Unexpected(AmpError):
    code = "UNEXPECTED"
    status = 502
    retryable = True


class ClientClosed(AmpError):
    code = "CLOSED"


def _family(parent: type[AmpError]) -> Iterator[type[AmpError]]:
    for child in parent.__subclasses__():
        yield child
        yield from _family(child)


_BY_CODE = {
    error.code: error
    for error in _family(AmpError)
    if "code" in vars(error) and error.__module__ == errors.__name__
} | {errors.Internal.code: errors.Internal}

_BY_STATUS: dict[int, type[AmpError]] = {
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    408: TimedOut,
    413: errors.PayloadTooLarge,
    429: errors.RateLimitExceeded,
    500: errors.Internal,
    502: Unreachable,
    503: errors.StoreUnavailable,
    504: Unreachable,
}


def refusal(
    code: str | None, status: int, message: str, details: dict[str, Any], retry_after_s: int | None
) -> AmpError:
    """The error an answer means: by its code, else by its status (`code` None: no envelope of amp's)."""
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(status)
    if kind is None:
        # A code of a newer server is final, as its 4xx says; without an envelope it was not amp that spoke.
        kind = AmpError if code and 400 <= status < 500 else Unexpected
    error = kind.__new__(kind)  # the subclasses' own __init__ compose messages; this one has been composed
    AmpError.__init__(error, message, details=details, retry_after_s=retry_after_s)
    return error


def worth_retrying(error: AmpError) -> bool:
    """Whether the same call may succeed later; every call of this client may safely be sent twice."""
    return error.retryable or isinstance(error, errors.Internal)
