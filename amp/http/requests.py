"""What every HTTP request has: an id of its own, and a body that is parsed one way only."""

import re
import secrets
from itertools import count
from typing import Any
from urllib.parse import unquote

import msgspec
from litestar import Request
from litestar.datastructures import State

from amp.errors import InvalidInput, InvalidParameter, InvalidUserId
from amp.http.body import parse
from amp.tenancy import Access

REQUEST_ID = "request_id"
ACCESS = "access"
CALLER = "caller"
"""In a request's state: whose API key was let in, whatever comes of the request."""
STILL = "still"
"""In a request's state: asks whether the caller would still be let in; a long answer asks again and again."""
ITEMS_TURNED = "items_turned"
"""In a request's state: the statuses of its items that did not get what they asked for."""
LIMIT_TOLD = "limit_told"
"""In a request's state: headers that say what is left of the key's limit."""
WITHOUT_BODY = "without_body"
"""In a request's state: nobody reads the body of the answer."""
WITHOUT_STORE = "without_store"
"""In a route's `opt`: it has an answer even when the store has none, nor can count its requests."""
REFUSALS = "refusals"
"""In a route's `opt`: the error classes of its fields."""

_TAG = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')
_PROCESS = secrets.token_hex(6)
_NUMBER = count(1)


def new_request_id() -> str:
    """Unique over processes and restarts; names the request in errors and in X-Request-Id."""
    return f"http_{_PROCESS}_{next(_NUMBER):x}"


class ApiRequest(Request[Any, Any, State]):
    """A request whose JSON body becomes the type that its handler declares, or a refusal naming the field."""

    async def json(self) -> Any:
        """The body as the handler's `data`.

        Raises:
            InvalidInput: see `body.parse`.
        """
        declared = self.route_handler.parsed_data_field
        kind: Any = declared.annotation if declared else Any
        refusals: dict[str, type[InvalidInput]] = self.route_handler.opt.get(REFUSALS, {})
        return parse(await self.body(), msgspec.json.Decoder(kind), refusals)


def item_turned(request: ApiRequest, status: int) -> None:
    """An item of a batch was refused; the batch itself was not."""
    request.scope["state"].setdefault(ITEMS_TURNED, []).append(status)


def access_of(request: ApiRequest) -> Access:
    """What the caller's key opens; the guard has put it there."""
    return request.scope["state"][ACCESS]


def expected_version(tag: str | None, source: str) -> int | None:
    """The version that If-Match names; None where any will do. `source` is whose ETag it is.

    Raises:
        InvalidParameter: no version.
    """
    if tag is None or tag.strip() == "*":
        return None
    match = _TAG.fullmatch(tag.strip())
    if not match:
        raise InvalidParameter("If-Match", f"must be a version, as in the ETag of {source}")
    return int(match[1])


def in_path(raw: str) -> str:
    """A user id from the path as it was sent.

    Raises:
        InvalidUserId: not percent-encoded UTF-8.
    """
    try:
        return unquote(raw, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidUserId("userId", "must be percent-encoded UTF-8") from error
