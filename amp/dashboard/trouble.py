"""What goes wrong on a page is a page too: who has no session is led to sign in, and comes back."""

import logging
from typing import Any
from urllib.parse import quote

from litestar import Response
from litestar.exceptions import HTTPException

from amp.dashboard.pages import HEADERS, REGION, page, path_of, see_other
from amp.errors import (
    AmpError,
    Internal,
    InvalidParameter,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
)
from amp.http.elsewhere import OF_PROGRAMS
from amp.http.requests import REQUEST_ID, ApiRequest

_log = logging.getLogger(__name__)

_TITLES = {
    400: "This cannot be read",
    403: "Not with this key",
    404: "There is nothing here",
    405: "Not in this way",
    409: "Somebody else was first",
    429: "Too many at once",
    503: "The store does not answer",
}
_NEXT = {
    403: 'Sign in with a key that may: `amp keys create --scopes "read"`, or the scope that is missing.',
    404: "It may have been erased, or be another tenant's. Look in the navigation.",
    503: "Nothing was lost or half done. /readyz says what is wrong; reload when it is mended.",
}


def refused(request: ApiRequest, error: AmpError) -> Response[bytes]:
    """One of our own refusals, as a page."""
    if isinstance(error, Unauthorized):
        return _to_sign_in(request)
    return trouble(request, error)


def refused_by_framework(request: ApiRequest, error: HTTPException) -> Response[bytes]:
    """What Litestar refuses, as a page."""
    match error.status_code:
        case 404:
            told: AmpError = NotFound("No page has this address.")
        case 405:
            told = MethodNotAllowed("This page cannot be asked in that way.")
        case 413:
            told = PayloadTooLarge("What was sent is too large.")
        case status if status < 500:
            told = InvalidParameter("form", "could not be read")
        case _:
            return failed(request, error)
    return trouble(request, told)


def failed(request: ApiRequest, error: Exception) -> Response[bytes]:
    """Our fault: logged with its trace, told without it."""
    _log.error("%s failed", request.scope["path"], exc_info=error)
    return trouble(request, Internal("Something went wrong on our side."))


def trouble(request: ApiRequest, error: AmpError) -> Response[bytes]:
    """The page that says what is wrong and what to do."""
    answer = page(
        request,
        "trouble.html",
        status=error.status,
        title=_TITLES.get(error.status, "Something went wrong"),
        error=error,
        advice=_NEXT.get(error.status, ""),
        number=request.scope["state"].get(REQUEST_ID, ""),
    )
    if error.retry_after_s is not None:
        answer.headers["retry-after"] = str(error.retry_after_s)
    return answer


def _to_sign_in(request: ApiRequest) -> Response[bytes]:
    by_script = REGION in request.headers or request.headers.get("accept") == "text/event-stream"
    if by_script:
        return Response(b"", status_code=401, headers=HEADERS)
    back = path_of(request) if request.method in {"GET", "HEAD"} else "/"
    return see_other("/sign-in" if back == "/" else f"/sign-in?next={quote(back, safe='/')}")


HANDLERS: dict[Any, Any] = {
    AmpError: refused,
    HTTPException: refused_by_framework,
    Exception: failed,
}


def unrouted(others: dict[Any, Any]) -> dict[Any, Any]:
    """For the whole application: a browser that asks for a page where there is none gets one that says so."""

    def told(request: ApiRequest, error: HTTPException) -> Response[Any]:
        if error.status_code in {404, 405} and _is_browser(request):
            return refused_by_framework(request, error)
        return others[HTTPException](request, error)

    return others | {HTTPException: told}


def _is_browser(request: ApiRequest) -> bool:
    accepts = "text/html" in request.headers.get("accept", "")
    return accepts and not request.scope["path"].startswith(OF_PROGRAMS)
