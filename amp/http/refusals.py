"""From exceptions inside Litestar to the API's own errors."""

import logging
from typing import Any, cast

from litestar.exceptions import HTTPException
from litestar.response import Response

from amp.clock import now_ms
from amp.errors import AmpError, Internal, InvalidParameter, MethodNotAllowed, NotFound, PayloadTooLarge
from amp.http import problems
from amp.http.body import no_json, too_large
from amp.http.requests import REQUEST_ID, ApiRequest

_log = logging.getLogger(__name__)
_TOO_LARGE = "The body is too large: at most 8 MiB of events, 32 MiB of a file, 1 MiB of anything else."


def refused(request: ApiRequest, error: AmpError) -> Response[bytes]:
    """One of our own refusals, as the API of the path shapes it."""
    body = problems.body(request.scope["path"], error, request.scope["state"][REQUEST_ID], now_ms())
    headers = {name.decode(): value.decode() for name, value in problems.headers(error)}
    return Response(body, status_code=error.status, headers=headers, media_type="application/json")


def refused_by_framework(request: ApiRequest, error: HTTPException) -> Response[bytes]:
    """What Litestar refuses before a handler runs, in our words."""
    answer = refused(request, _translated(error, request.scope["path"]))
    if error.status_code == 405:
        answer.headers["allow"] = _allowed(error)
    return answer


def failed(request: ApiRequest, error: Exception) -> Response[bytes]:
    """Our fault: logged with its trace, answered without it."""
    _log.error("%s failed", request.scope["path"], exc_info=error)
    return refused(request, Internal("Something went wrong on our side."))


def _allowed(error: HTTPException) -> str:
    """The methods that Litestar names, and HEAD, which the lane serves wherever there is a GET."""
    methods = (error.headers or {}).get("allow", "").split(", ")
    return ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else set(methods)))


HANDLERS: dict[Any, Any] = {
    AmpError: refused,
    HTTPException: refused_by_framework,
    Exception: failed,
}


def _bad_query(error: HTTPException) -> AmpError | None:
    """The first parameter of the query that was refused; None when it was none of them."""
    found: Any = error.extra
    for each in cast("list[Any]", found) if isinstance(found, list) else []:
        told = cast("dict[str, str]", each if isinstance(each, dict) else {})
        if told.get("source") == "query":
            words = told["message"]
            return InvalidParameter(told["key"], words[:1].lower() + words[1:])
    return None


def _translated(error: HTTPException, path: str) -> AmpError:
    match error.status_code:
        case 404:
            return NotFound("There is nothing at this path.")
        case 405:
            return MethodNotAllowed("This path does not know that method.")
        case 413:
            return PayloadTooLarge(_TOO_LARGE) if problems.of_sessions(path) else too_large()
        case status if 400 <= status < 500:
            return _bad_query(error) or no_json()
        case _:
            _log.error("Litestar failed", exc_info=error)
            return Internal("Something went wrong on our side.")
