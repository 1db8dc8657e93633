"""The fast lane: a raw ASGI callable in front of Litestar that serves the two hot calls.

It does what Litestar's route would (same gate, same body parser, same verb, same errors) at a fraction of the
cost: an empty Litestar handler takes four times the CPU of a raw one (benchmarks, "throughput").
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct

from amp.clock import Clock, now_ms
from amp.errors import AmpError, Internal
from amp.http import problems
from amp.http.auth import Gate, key_in
from amp.http.body import BODY_BYTES_MAX, too_large
from amp.http.problems import JSON_HEADER, Headers, id_headers
from amp.http.requests import CALLER, ITEMS_TURNED, LIMIT_TOLD, REQUEST_ID, WITHOUT_BODY, new_request_id
from amp.observe import http_seconds
from amp.tenancy import Access

_log = logging.getLogger(__name__)

REFUSED = 400
"""From this status on an answer is not what was asked for."""


class Answer(Struct, frozen=True):
    """What a hot call answers when nothing is wrong."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    status: int = 200
    answered: Callable[[], None] | None = None
    """Called once it is certain that this is the answer."""


class Response(Struct, frozen=True):
    """What goes over the wire."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Hot:
    """A hot call: what a key needs for it, and what it does with a body."""

    path: str
    scopes: tuple[str, ...]
    """One of them is enough."""
    run: Callable[[Access, bytes, Headers], Awaitable[Answer]]
    without_store: bool = False
    """It has an answer even when the store has none."""


class Lane:
    """Serves `hot` POST paths itself and hands everything else to `app`."""

    def __init__(self, app: ASGIApp, gate: Gate, hot: Mapping[bytes, Hot], *, clock: Clock = now_ms) -> None:
        self._app = app
        self._gate = gate
        self.hot = hot
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = cast("dict[str, Any]", scope)
        hot = self.hot.get(asked["raw_path"]) if scope["method"] == "POST" else None
        if hot is None:
            # An id may hold any character: split the path as it was sent, decode its parts afterwards.
            asked["path"] = asked["raw_path"].decode("ascii", "replace")
            if scope["method"] == "HEAD":
                # the server knows the request as it was, and sends no body
                asked = asked | {"method": "GET"}
                asked.setdefault("state", {})[WITHOUT_BODY] = True
            await self._pass_on(cast("Scope", asked), receive, send)
        else:
            await self._serve(hot, scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Litestar serves it; the answer gets its request id and is timed."""
        began = time.perf_counter()
        state: dict[str, Any] = cast("dict[str, Any]", scope).setdefault("state", {})
        passed_on = REQUEST_ID in state  # it is counted where it came in
        request_id: str = state.setdefault(REQUEST_ID, new_request_id())
        status = 500

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                limit_told: Headers = state.get(LIMIT_TOLD, [])
                own = [(name, request_id.encode()) for name in id_headers(scope["path"])]
                message["headers"] = [*message["headers"], *limit_told, *own]
            await send(message)

        await self._app(scope, receive, answering)
        route = cast("dict[str, Any]", scope).get("path_template") or "none"
        for each in (status, *state.get(ITEMS_TURNED, ())):
            if each >= REFUSED:
                self._gate.turned(state.get(CALLER), each)
        if not passed_on:
            http_seconds(route, status).observe(time.perf_counter() - began)

    async def _serve(self, hot: Hot, scope: Scope, receive: Receive, send: Send) -> None:
        headers = list(scope["headers"])
        response = await self.answer(hot, headers, lambda: _body(receive))
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body, "more_body": False})

    async def answer(self, hot: Hot, headers: Headers, body: Callable[[], Awaitable[bytes]]) -> Response:
        """The whole answer to a hot call, whatever happens; `body` is read once the caller is let in."""
        began = time.perf_counter()
        request_id = new_request_id()
        sent: Headers
        limit_told: Headers = []
        access: Access | None = None
        try:
            access = await self._gate.admit(key_in(headers, hot.path), hot.scopes)
            answer = await self._run(hot, access, await body(), headers, limit_told)
            if answer.answered:
                answer.answered()
            status, told, sent = answer.status, answer.body, [JSON_HEADER, *answer.headers]
        except AmpError as error:
            status, told, sent = self._problem(hot, error, request_id)
        except Exception:  # noqa: BLE001  the caller is owed an envelope, the operator the trace
            _log.exception("A call of %s failed", hot.path)
            failure = Internal("Something went wrong on our side.")
            status, told, sent = self._problem(hot, failure, request_id)
        if status >= REFUSED:
            self._gate.turned(access, status)
        sent += limit_told
        sent.append((b"content-length", b"%d" % len(told)))
        sent.append((b"x-request-id", request_id.encode()))
        http_seconds(hot.path, status).observe(time.perf_counter() - began)
        return Response(status, sent, told)

    async def _run(
        self, hot: Hot, access: Access, body: bytes, headers: Headers, limit_told: Headers
    ) -> Answer:
        limit = self._gate.limit
        if not limit.on:
            return await hot.run(access, body, headers)
        if not hot.without_store:
            told = limit_told if problems.of_ledger(hot.path) else None
            await limit.count(access.key_id, without_store=False, told=told)
            return await hot.run(access, body, headers)
        # Such a call writes nothing, so it may run while its request is counted: both have the same 80 ms.
        counting = asyncio.create_task(limit.count(access.key_id, without_store=True))
        try:
            return await hot.run(access, body, headers)
        finally:
            await counting

    def _problem(self, hot: Hot, error: AmpError, request_id: str) -> tuple[int, bytes, Headers]:
        body = problems.body(hot.path, error, request_id, self._clock())
        return error.status, body, problems.headers(error)


async def _body(receive: Receive) -> bytes:
    """The whole body.

    Raises:
        PayloadTooLarge: it has more than BODY_BYTES_MAX bytes.
    """
    message = cast("Any", await receive())
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = cast("Any", await receive())
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            break
    if len(body) > BODY_BYTES_MAX:
        raise too_large()
    return body
