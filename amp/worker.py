"""A worker process: what its supervisor may ask of it, and how it ends without cutting anybody off."""

import asyncio
import signal
import socket
import time
from multiprocessing.connection import wait
from types import FrameType
from typing import Any, NamedTuple

from uvicorn import Config, Server
from uvicorn.supervisors.multiprocess import Process

from amp import observe
from amp.http.draining import DRAINING

STARTS_WITHIN_S = 60.0
"""A worker that does not serve by then never will."""
_LOOK_EVERY_S = 0.05
_PING = b"ping"


class Pong(NamedTuple):
    """What a worker answers when it is asked whether it lives."""

    started: bool
    asked_s: float
    """When its readiness was last asked for."""


class Order(NamedTuple):
    """How a worker is to end."""

    within_s: float
    """For kept connections to carry one more request, whose answer tells the client to let go."""
    red: bool
    """The whole service goes: readiness says so from now on."""
    listening: bool
    """New connections are taken until then: whoever balances the load may not have looked yet."""


AT_ONCE = Order(0.0, red=True, listening=False)


class Worker(Process):
    """uvicorn's process, which ends by an order instead of a signal."""

    asked_s = float("-inf")
    """When its readiness was last asked for, as far as it has told."""
    up = False
    """It serves, or has served."""
    _since_s = float("inf")

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self._draining: DrainingServer | None = None

    @property
    def server(self) -> "DrainingServer":
        """In the worker: what serves."""
        if self._draining is None:
            self._draining = DrainingServer(self.config)
        return self._draining

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        assert self.server, "made before the thread of the line asks for it"
        super().target(sockets)

    def pong(self) -> None:
        """In the worker, in a thread of its own: hears one thing and does it."""
        heard = self.child_conn.recv()
        if isinstance(heard, Order):
            self.server.obey(heard)
        else:
            self.child_conn.send(Pong(self.server.started, DRAINING.asked_s))

    def start(self) -> None:
        self._since_s = time.monotonic()
        super().start()

    def ready(self, within_s: float) -> bool:
        """Whether it serves."""
        pong = heard(self, within_s=within_s)
        if isinstance(pong, Pong):
            self.up, self.asked_s = self.up or pong.started, pong.asked_s
        return pong is not None and self.up

    def answers(self, within_s: float) -> bool:
        """Whether it lives and answers in time; one that starts is given more, and nobody waits for it."""
        if self.up:
            return self.ready(within_s)
        starting = self.process.is_alive() and time.monotonic() < self._since_s + STARTS_WITHIN_S
        return self.ready(0.0) or starting

    def end(self, order: Order) -> None:
        """Has it end in good order; one that does not serve yet is simply stopped."""
        if not self.up:
            self.process.terminate()
            return
        try:
            self.parent_conn.send(order)
        except OSError:  # it is gone
            return


def heard(worker: Any, *, within_s: float) -> Any:
    """What a worker answers to a ping; None for one that is gone, or dies while it is asked, or is hung.

    uvicorn's own check waits all of its time for one that dies, and nobody serves meanwhile.
    """
    process, line = worker.process, worker.parent_conn
    if not process.is_alive():
        return None
    answer = None
    try:
        while line.poll():  # of an earlier ping that nobody waited for
            answer = line.recv()
        line.send(_PING)
        if line in wait([line, process.sentinel], within_s):
            answer = line.recv()
    except (OSError, EOFError):  # the pipe is broken, and so is the worker
        return None
    return answer


class DrainingServer(Server):
    """uvicorn's server, which lets go of its connections before it closes them."""

    _order = AT_ONCE

    def obey(self, order: Order) -> None:
        """Ends as ordered; from now on readiness and every answer say so. Called in another thread."""
        self._order = order
        _leave()
        DRAINING.red = DRAINING.red or order.red
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGINT:  # Ctrl-C reaches every process of a terminal: the supervisor gives the order
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """Listens on, if so ordered; then ends streams, and waits until kept connections were used again."""
        loop, order = asyncio.get_running_loop(), self._order
        until_s = loop.time() + order.within_s
        _leave()
        for connection in self._connections():
            connection.retire()
        if order.listening:
            await asyncio.sleep(order.within_s)
        for server in self.servers:
            server.close()
        for connection in self._connections():
            connection.end_stream()
        while self.server_state.connections and loop.time() < until_s:  # noqa: ASYNC110  uvicorn tells nobody
            await asyncio.sleep(_LOOK_EVERY_S)

    def _connections(self) -> list[Any]:
        return list(self.server_state.connections)


def _leave() -> None:
    """Every answer from now on is the last on its connection; before readiness says anything, metrics do."""
    observe.DRAINING.set(1)
    DRAINING.last = True
