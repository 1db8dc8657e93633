"""uvicorn's HTTP/1.1 protocol with a shorter way for the hot calls: no scope, no receive, no send.

Only a plain POST to a hot path goes this way; whatever else HTTP allows (pipelining behind a request that is
not answered yet, `Expect`, upgrades, HTTP/1.0, a query) goes uvicorn's own way to the same `Lane`. Measured
for a context in a batch of 30: see benchmarks, "protocol".
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from amp.http.body import BODY_BYTES_MAX, too_large
from amp.http.lane import Hot, Lane, Response


class HotProtocol(HttpToolsProtocol):
    """Answers hot calls by way of `Lane.answer`, and everything else as uvicorn does."""

    def on_headers_complete(self) -> None:
        hot = self._hot()
        if hot is None:
            super().on_headers_complete()
        else:
            self.cycle: Any = HotCycle(self, hot)

    def on_body(self, body: bytes) -> None:
        if isinstance(self.cycle, HotCycle):
            self.cycle.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if isinstance(self.cycle, HotCycle):
            self.cycle.begin()
        else:
            super().on_message_complete()

    def _hot(self) -> Hot | None:
        lane = cast("Any", self).app  # uvicorn leaves its type open
        hot = lane.hot.get(self.url) if isinstance(lane, Lane) else None
        parser: Any = self.parser
        plain = (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not parser.should_upgrade()
        )
        return hot if plain else None


class HotCycle:
    """One hot call and its answer; to uvicorn it looks like a request cycle of its own."""

    def __init__(self, protocol: HotProtocol, hot: Hot) -> None:
        lane = cast("Any", protocol).app
        parser: Any = protocol.parser
        self.response_complete = False
        self.disconnected = False
        self.keep_alive: bool = parser.should_keep_alive()
        self.message_event = _NOBODY_WAITS
        self._protocol = protocol
        self._lane: Lane = lane
        self._hot = hot
        self._headers = protocol.headers
        self._body = b""

    def feed(self, part: bytes) -> None:
        """Takes a part of the body; the rest of one that is too large is not kept."""
        if len(self._body) <= BODY_BYTES_MAX:
            self._body += part

    def begin(self) -> None:
        """The request is whole: answers it in a task that a shutdown waits for."""
        task = asyncio.get_running_loop().create_task(self._answer())
        self._protocol.tasks.add(task)
        task.add_done_callback(self._protocol.tasks.discard)

    async def _answer(self) -> None:
        response = await self._lane.answer(self._hot, self._headers, self._whole_body)
        if self._protocol.flow.write_paused and not self.disconnected:
            await self._protocol.flow.drain()
        if self.disconnected:
            return
        self._write(response)
        self.response_complete = True
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.on_response_complete()

    async def _whole_body(self) -> bytes:
        if len(self._body) > BODY_BYTES_MAX:
            raise too_large()
        return self._body

    def _write(self, response: Response) -> None:
        headers = [*self._protocol.server_state.default_headers, *response.headers]
        if not self.keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%s: %s\r\n" % header for header in headers]
        self._protocol.transport.write(
            b"".join([STATUS_LINE[response.status], *lines, b"\r\n", response.body])
        )


class _Nobody:
    """Stands for the event that uvicorn sets for a request's reader; a hot call has none."""

    def set(self) -> None:
        """Nobody waits."""


_NOBODY_WAITS = _Nobody()
