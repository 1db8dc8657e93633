"""What people look at is drawn in another process, which is asked over HTTP on a Unix socket.

A worker reads and writes bytes for it, and no context ever waits for a page. `Elsewhere` stands in the
worker, `Behind` over there: what only the worker knows of a request (its id, who sent it) goes along in one
header.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

import h11
import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from amp.http.body import BODY_BYTES_MAX
from amp.http.requests import REQUEST_ID, WITHOUT_BODY
from amp.http.sse import CONNECTION

OF_PROGRAMS = ("/v1/", "/api/", "/meter/", "/profitstream/", "/schema", "/metrics", "/livez", "/readyz")
"""Paths that programs call; whoever asks for another one is a person."""
START_S = 10.0
"""How long a request waits for the other process to be up."""
_RETRY_S = 0.05
_PART = 1 << 16
_PASSED, _ROUTE = b"amp-passed", b"amp-route"
_HOPS = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"expect"}
_OURS = _HOPS | {_PASSED, b"content-length"}
_THEIRS = _HOPS | {_ROUTE, b"x-request-id", b"request-id"}
_AWAY = b"The pages are not up. The service is, and starts them again: reload in some seconds.\n"

_pause = asyncio.sleep


class Passed(msgspec.Struct, array_like=True):
    """What only the worker knows of a request."""

    request_id: str
    scheme: str
    client: tuple[str, int] | None


class Elsewhere:
    """Passes on what people ask for, and leaves the rest to `here`."""

    def __init__(self, here: ASGIApp, socket: str, *, start_s: float = START_S) -> None:
        self._here = here
        self._socket = socket
        self._start_s = start_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OF_PROGRAMS):
            await self._here(scope, receive, send)
            return
        body = await _body(receive)
        try:
            reader, writer = await self._connected()
        except OSError:
            await _away(send)
            return
        try:
            writer.write(_asked(scope, body))
            await _Passing(scope, receive, send).run(_events(reader))
        finally:
            writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises `OSError` when the other process does not come up."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._start_s
        while True:
            try:
                return await asyncio.open_unix_connection(self._socket)
            except OSError:
                if loop.time() >= until_s:
                    raise
            await _pause(_RETRY_S)


class _Passing:
    """One answer on its way to who asked."""

    def __init__(self, scope: Any, receive: Receive, send: Any) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._connection: Any = scope["state"].get(CONNECTION)
        self._leaving = asyncio.timeout(None)
        self._begun = False

    async def run(self, events: AsyncGenerator[h11.Event]) -> None:
        """Until it is whole, or who asked has gone, or the server is to stop and it would never end."""
        watch = asyncio.create_task(self._left())
        try:
            with suppress(TimeoutError):
                async with self._leaving, aclosing(events):
                    async for event in events:
                        await self._take(event)
            await self._body(b"", more=False)
        except (OSError, h11.RemoteProtocolError):
            await self._broken()
        finally:
            watch.cancel()
            await asyncio.wait([watch])

    async def _take(self, event: h11.Event) -> None:
        match event:
            case h11.Response():
                self._begun = True
                headers = list(event.headers)
                told = dict(headers)
                self._scope["path_template"] = told.get(_ROUTE, b"none").decode()
                kept = [header for header in headers if header[0] not in _THEIRS]
                await self._send(
                    {"type": "http.response.start", "status": event.status_code, "headers": kept}
                )
                endless = told.get(b"content-type", b"").startswith(b"text/event-stream")
                if endless and self._connection is not None:
                    self._connection.ending = self._leave
                if endless and self._scope["state"].get(WITHOUT_BODY):
                    self._leave()
            case h11.Data():
                await self._body(bytes(event.data), more=True)
            case _:
                pass

    async def _body(self, part: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": part, "more_body": more})

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        with suppress(RuntimeError):  # it has left already
            self._leaving.reschedule(0)

    async def _broken(self) -> None:
        """The other process has ended meanwhile."""
        if not self._begun:
            await _away(self._send)
        elif self._connection is not None:
            self._connection.transport.abort()  # half an answer must not look like a whole one


def _asked(scope: Any, body: bytes) -> bytes:
    """The request as it goes to the other process."""
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    passed = Passed(scope["state"][REQUEST_ID], scope["scheme"], scope.get("client"))
    headers = [header for header in scope["headers"] if header[0] not in _OURS]
    headers += [(_PASSED, msgspec.json.encode(passed)), (b"content-length", b"%d" % len(body))]
    lines = [b"%s: %s\r\n" % header for header in headers]
    target = scope["raw_path"] + query
    return b"".join([scope["method"].encode(), b" ", target, b" HTTP/1.1\r\n", *lines, b"\r\n", body])


async def _events(reader: asyncio.StreamReader) -> AsyncGenerator[h11.Event]:
    """The answer, as it comes in.

    Raises:
        OSError, h11.RemoteProtocolError: it ends before it is whole.
    """
    answer = h11.Connection(h11.CLIENT)
    # what was asked is written already; h11 has to know that something was
    answer.send(h11.Request(method="GET", target="/", headers=[("host", "pages")]))
    answer.send(h11.EndOfMessage())
    while True:
        event = answer.next_event()
        if event is h11.NEED_DATA:
            answer.receive_data(await reader.read(_PART))
        elif isinstance(event, h11.EndOfMessage) or event is h11.PAUSED:
            return
        elif isinstance(event, h11.Event):
            yield event


async def _body(receive: Any) -> bytes:
    """What was sent; of what is too large as much as it takes to be refused."""
    body = b""
    while len(body) <= BODY_BYTES_MAX:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


async def _away(send: Any) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(_AWAY)),
        (b"retry-after", b"3"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _AWAY, "more_body": False})


class Behind:
    """The application of the other process: each request is as the worker had it.

    `prepare` is run when it has started, before anybody is answered: what takes long it leaves to a task.
    """

    def __init__(self, app: ASGIApp, prepare: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._app = app
        self._prepare = prepare

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked: Any = scope
        if asked["type"] == "http":
            headers: list[tuple[bytes, bytes]] = asked["headers"]
            passed = msgspec.json.decode(dict(headers)[_PASSED], type=Passed)
            asked |= {
                "headers": [header for header in headers if header[0] != _PASSED],
                "scheme": passed.scheme,
                "client": passed.client,
            }
            asked["state"][REQUEST_ID] = passed.request_id

        async def sending(message: Any) -> None:
            match message["type"]:
                case "lifespan.startup.complete":
                    await self._prepare()
                case "http.response.start":
                    route = asked.get("path_template") or "none"
                    message["headers"] = [*message["headers"], (_ROUTE, route.encode())]
                case _:
                    pass
            await send(message)

        await self._app(scope, receive, sending)
