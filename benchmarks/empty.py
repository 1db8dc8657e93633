"""Handlers that read a body and answer `{}`: what the server and the framework cost before any work."""

from typing import Any, cast

from litestar import Litestar, post
from litestar.types import Receive, Scope, Send


@post("/empty", status_code=200)
async def _empty(data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  asked for so that it is parsed
    return {}


def litestar() -> Litestar:
    """Litestar's ordinary handler: no guard, no dependency, no OpenAPI, no logging."""
    return Litestar([_empty], openapi_config=None, logging_config=None)


def raw() -> Any:
    """A bare ASGI callable; it does not even parse the body."""
    return _raw


async def _raw(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await _live(receive, send)
        return
    while cast("Any", await receive()).get("more_body", False):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}", "more_body": False})


async def _live(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
