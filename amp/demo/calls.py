"""Plain HTTP calls of a server, where no client of the project speaks."""

import json
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from amp.exits import CommandFailed

PATIENCE_S = 20.0


class Place(NamedTuple):
    """A server, and a key whose scopes open what is asked of it."""

    url: str
    key: str


def raw(place: Place, path: str, body: Any = None, *, method: str | None = None) -> bytes:
    """The answer as it came; a body makes it a POST.

    Raises:
        CommandFailed: the server refused, or does not answer.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {place.key}", "content-type": "application/json"}
    request = Request(place.url + path, data, headers, method=method)  # noqa: S310  the operator's own URL
    try:
        with _opener(place.url).open(request, timeout=PATIENCE_S) as answer:
            return answer.read()
    except HTTPError as error:
        raise CommandFailed(
            f"{path} answered {error.code}: {error.read().decode(errors='replace')}"
        ) from error
    except OSError as error:
        why = error.reason if isinstance(error, URLError) else error
        raise CommandFailed(f"{place.url} does not answer: {why}") from error


def call(place: Place, path: str, body: Any = None, *, method: str | None = None) -> Any:
    """The answer, read.

    Raises:
        CommandFailed: the server refused, or does not answer.
    """
    return json.loads(raw(place, path, body, method=method))


def _opener(url: str) -> Any:
    """A proxy of the environment is not asked for what runs here."""
    local = urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
    return build_opener(ProxyHandler({})) if local else build_opener()
