"""Runs the service: the store, the workers and what runs beside them, each started again when it ends."""

import asyncio
import errno
import os
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from multiprocessing.connection import wait
from typing import Any

from uvicorn import Config
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from amp.beside import SOCKET, Beside, deaf_to_ctrl_c, end_with_parent, followers, loop, refit
from amp.errors import StoreUnavailable
from amp.exits import CommandFailed, StoreMissing
from amp.observe import SHARED_FOLDER
from amp.parse import without_password
from amp.settings import Settings
from amp.store.connection import Store, connect
from amp.store.keeper import Say, opened
from amp.store.keyring import Keyring, pepper
from amp.store.readiness import check
from amp.tenancy import DEFAULT_SCOPES

Announce = Callable[[str, str | None], None]
"""Told once, when requests are answered: the URL, and the first key if one was made."""

FIRST_TENANT = "default"
_BACKLOG = 2048
_GRACE_S = 10  # for requests under way, at the end
_HUNG_S = 15  # a worker whose interpreter has not moved for so long is replaced

WORKER: dict[str, Any] = {
    "loop": "uvloop",
    "http": "amp.http.protocol:HotProtocol",
    "ws": "none",
    "lifespan": "on",
    "access_log": False,
    "log_level": "warning",
    "server_header": False,
    "proxy_headers": False,  # nothing here asks where a caller is; and the protocol must see the lane
}
"""How uvicorn runs a worker."""

WORKER_ENVIRONMENT = {
    # 13x13 algebra gains nothing from more BLAS threads, and workers would fight for the cores
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # glibc: else the arrays of each tick are mapped and given back, 2 to 5 page faults a context
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_TOP_PAD_": str(16 << 20),
}
"""What must be set before a worker starts."""


def serve(settings: Settings, *, announce: Announce, say: Say) -> None:
    """Serves until SIGINT or SIGTERM.

    Raises:
        CommandFailed: the port is taken, or the workers do not start.
        StoreMissing: no store can be started, or the given one does not answer.
        SettingsRefused: the data folder cannot be used.
    """
    with (
        closing(_listen(settings.host, settings.port)) as listener,
        opened(settings, lasting=True, say=say) as complete,
        _metrics_folder(settings.workers) as metrics,
        tempfile.TemporaryDirectory(prefix="amp-pages-") as drawn,
    ):
        if settings.redis:
            asyncio.run(_reach(settings.redis))
        os.environ.update(complete.environment())
        if metrics:
            os.environ[SHARED_FOLDER] = metrics
        os.environ.update(WORKER_ENVIRONMENT | {SOCKET: f"{drawn}/socket"})

        def ready() -> None:
            # now that a worker has loaded the functions; and the key of a start that fails would be shown
            # to nobody
            key = asyncio.run(_settle(complete, own_store=not settings.redis, say=say))
            announce(_url(settings.host, listener), key)

        supervisor = Supervisor(settings.workers, listener, ready=ready, say=say)
        supervisor.run()
    if supervisor.failed:
        raise CommandFailed("A worker ended before it served; what it said stands above.")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # listens from now on: who comes before the workers are up waits, and is not refused
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            fix = "It is in use. Choose another with --port, or --port 0 for a free one."
        else:
            fix = f"{error.strerror or error}."
        raise CommandFailed(f"Cannot listen on port {port} of {host}. {fix}") from error


def _url(host: str, listener: socket.socket) -> str:
    port: int = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  compared
    return f"http://{shown}:{port}"


def _metrics_folder(workers: int) -> AbstractContextManager[str | None]:
    """Where several workers share their metrics; one has nobody to share them with."""
    return tempfile.TemporaryDirectory(prefix="amp-metrics-") if workers > 1 else nullcontext()


async def _reach(url: str) -> None:
    """Raises `StoreMissing` when the store does not answer; one that still loads its data does."""
    store = connect(url)
    try:
        await store.ask_each([("PING",)])
    except StoreUnavailable as failure:
        raise StoreMissing(
            f"The store at {without_password(url)} does not answer: {failure.__cause__ or failure}. "
            "Start it, or correct AMP_REDIS."
        ) from failure
    finally:
        await store.close()


async def _settle(settings: Settings, *, own_store: bool, say: Say) -> str | None:
    """Says what makes the store unfit to keep data; the first key of a store of our own."""
    store = connect(settings.redis or "")
    try:
        for failed in [each for each in await check(store) if not each.ok]:
            say(f"Not ready: {failed.name}: {failed.found}. {failed.fix}")
        return await _first_key(store, settings.secret or "") if own_store else None
    finally:
        await store.close()


async def _first_key(store: Store, secret: str) -> str | None:
    """A test key when nobody ever made a key for the first tenant here."""
    keyring = Keyring(store, pepper(secret))
    if any(record.tenant == FIRST_TENANT for record in await keyring.all()):
        return None
    key, _ = await keyring.create(tenant=FIRST_TENANT, env="test", scopes=DEFAULT_SCOPES, expires_ms=None)
    return key


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which also keeps alive what runs beside, and never gives up once it served."""

    def __init__(self, workers: int, listener: socket.socket, *, ready: Callable[[], None], say: Say) -> None:
        config = Config(
            "amp.serve:application",
            factory=True,
            workers=workers,
            timeout_graceful_shutdown=_GRACE_S,
            timeout_worker_healthcheck=_HUNG_S,
            **WORKER,
        )
        super().__init__(config, [listener])
        self.failed = False
        self._ready = ready
        self._say = say
        self._beside = [
            Beside("background fit", refit),
            Beside("loop of graded outcomes", loop),
            Beside("process of the followers", followers),
            Beside("process of the pages", pages),
        ]

    def run(self) -> None:
        try:
            super().run()
        except BaseException:  # no child may outlive us, whatever it was
            self.terminate_all()
            self.join_all()
            raise

    def init_processes(self) -> None:
        with deaf_to_ctrl_c():
            super().init_processes()
        self._keep_beside()
        while not self.should_exit.is_set():
            self.handle_signals()
            if all(worker.is_ready(timeout=0.2) for worker in self.processes):
                return self._ready()
            if not all(worker.process.is_alive() for worker in self.processes):
                self.failed = True
                self.should_exit.set()
            time.sleep(0.02)
        return None

    def keep_subprocess_alive(self) -> None:
        if self.should_exit.is_set():
            return
        for number, worker in enumerate(self.processes):
            if answers(worker, within_s=self.config.timeout_worker_healthcheck):
                continue
            worker.kill()
            worker.join()
            self._say(f"Worker {worker.pid} has ended (exit code {worker.exitcode}); starting another.")
            with deaf_to_ctrl_c():
                self.processes[number] = Process(self.config, self.sockets)
                self.processes[number].start()
        self._keep_beside()

    def _keep_beside(self) -> None:
        with deaf_to_ctrl_c():
            for each in self._beside:
                each.keep(self._say)

    def terminate_all(self) -> None:
        super().terminate_all()
        for each in self._beside:
            if each.process:
                each.process.terminate()

    def join_all(self) -> None:
        children: list[Any] = [worker.process for worker in self.processes]
        children += [each.process for each in self._beside if each.process]
        for child in children:
            child.join(_GRACE_S + 5)
            if child.is_alive():
                child.kill()
                child.join()


def answers(worker: Process, *, within_s: float) -> bool:
    """Whether the worker lives and answers in time; a worker that dies while it is asked has answered no.

    uvicorn's own check waits all of its time for that one, and nobody serves meanwhile.
    """
    process: Any = worker.process
    if not process.is_alive():
        return False
    try:
        worker.parent_conn.send(b"ping")
        if worker.parent_conn in wait([worker.parent_conn, process.sentinel], within_s):
            worker.parent_conn.recv()
            return True
    except (OSError, EOFError):  # the pipe is broken, and so is the worker
        pass
    return False


def application() -> Any:
    """A worker's ASGI application."""
    end_with_parent()
    return passing_on(os.environ[SOCKET])


def passing_on(socket: str) -> Any:
    """The service, whose pages the process that listens there draws."""
    from amp import app  # noqa: PLC0415  the parent never needs it
    from amp.http.elsewhere import Elsewhere  # noqa: PLC0415  as above

    def build(_: app.House) -> app.Upstairs:
        return app.Upstairs(before=partial(Elsewhere, socket=socket))

    return app.application(build)


def pages() -> None:
    """The process that draws pages."""
    end_with_parent()
    from amp.dashboard import beside  # noqa: PLC0415  the parent never needs it

    beside.run(os.environ[SOCKET])
