"""Server-sent events: headers at once, then frames as they come, until one side has had enough.

A stream ends before its next frame when the key that opened it is revoked or expires.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from litestar.response import Response
from litestar.types import Receive, Scope, Send

from amp import observe
from amp.http.draining import DRAINING
from amp.http.requests import STILL, WITHOUT_BODY

SLOW_S = 30.0
"""A reader that takes nothing for so long is dropped."""
CONNECTION = "connection"
"""In a request's state, where the server says so: the protocol that serves it."""
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_OPENING = b": open\n\n"
_COME_BACK = b"retry: 1000\n\n"
"""The last of a stream that ends because the worker does: come back, to another one."""
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


def frame(seq: int, data: bytes) -> bytes:
    """One event. Clients drop frames without `event:`, and every client knows `message`."""
    return b"event: message\nid: %d\ndata: %b\n\n" % (seq, data)


class EventStream(Response[None]):
    """Answers with these frames."""

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        super().__init__(None, media_type="text/event-stream")
        self._frames = frames

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Litestar's way to what is sent."""
        return self._send

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        with observe.STREAMS.track_inprogress():
            await self._stream(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Any = scope["state"].get(CONNECTION)
        sending: Any = send  # litestar types messages as a union of literals
        await sending({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        if scope["state"].get(WITHOUT_BODY):
            await sending({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await sending({"type": "http.response.body", "body": _OPENING, "more_body": True})
        leaving, still = asyncio.timeout(None), scope["state"].get(STILL, _always)

        def leave() -> None:
            with suppress(RuntimeError):  # it has left already
                leaving.reschedule(0)

        if connection is not None:
            connection.ending = leave
        watch = asyncio.create_task(_left(receive, leave))
        try:
            with suppress(TimeoutError):
                async with leaving, aclosing(self._frames) as frames:
                    async for each in frames:
                        if not await still():
                            break
                        async with asyncio.timeout(SLOW_S):
                            await sending({"type": "http.response.body", "body": each, "more_body": True})
            last = _COME_BACK if DRAINING.last else b""
            async with asyncio.timeout(1):
                await sending({"type": "http.response.body", "body": last, "more_body": False})
        except TimeoutError:
            await _dropped(connection)
        finally:
            watch.cancel()
            await asyncio.wait([watch])  # or the loop may end with it pending


async def _always() -> bool:
    return True


async def _left(receive: Receive, leave: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    leave()


async def _dropped(connection: Any) -> None:
    """Ends the connection of a reader that takes nothing; the server hears of it in the loop's next turn."""
    if connection is not None:
        connection.transport.abort()
        await asyncio.sleep(0.01)
