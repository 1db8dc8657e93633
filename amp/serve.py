"""Runs the service: a store, a socket, and a supervisor of workers upon them."""

import asyncio
import errno
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

from uvicorn import Config

from amp import metric_files
from amp.beside import SOCKET, Beside, end_with_parent
from amp.errors import StoreUnavailable
from amp.exits import CommandFailed, StoreMissing
from amp.parse import without_password
from amp.settings import Settings
from amp.store.connection import Store, connect, store_of
from amp.store.keeper import Say, opened
from amp.store.keyring import Keyring, pepper
from amp.store.readiness import REPLICAS, check
from amp.store.secure import NotTrusted
from amp.supervisor import Supervisor
from amp.tenancy import DEFAULT_SCOPES

Announce = Callable[[str, str | None], None]
"""Told once, when requests are answered: the URL, and the first key if one was made."""

FIRST_TENANT = "default"
_BACKLOG = 2048
_GRACE_S = 10  # for requests under way, at the end
_HUNG_S = 15  # a worker whose interpreter has not moved for so long is replaced
# longer than those who call keep an idle connection (httpx 5 s, nginx and ALB 60 s): they let go first, and
# none sends into a connection that is being closed
_KEPT_S = 75

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
        metric_files.folder(),
        tempfile.TemporaryDirectory(prefix="amp-pages-") as drawn,
    ):
        if settings.redis:
            asyncio.run(_reach(settings.redis))
        os.environ.update(complete.environment())
        os.environ.update(WORKER_ENVIRONMENT | {SOCKET: f"{drawn}/socket"})

        def ready() -> None:
            # now that a worker has loaded the functions; and the key of a start that fails would be shown
            # to nobody
            key = asyncio.run(_settle(complete, own_store=not settings.redis, say=say))
            announce(_url(settings.host, listener), key)

        supervisor = Supervisor(
            _config(settings.workers),
            listener,
            drain_s=settings.drain_ms / 1000,
            ready=ready,
            say=say,
            others=[Beside("process of the pages", pages)],
        )
        supervisor.run()
    if supervisor.failed:
        raise CommandFailed("A worker ended before it served; what it said stands above.")


def _config(workers: int) -> Config:
    return Config(
        "amp.serve:application",
        factory=True,
        workers=workers,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_worker_healthcheck=_HUNG_S,
        timeout_keep_alive=_KEPT_S,
        **WORKER,
    )


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


async def _reach(url: str) -> None:
    """Raises `StoreMissing` when the store does not answer; one that still loads its data does."""
    store = connect(url)
    try:
        await store.ask_each([("PING",)])
    except StoreUnavailable as failure:
        why = failure.__cause__ or failure
        fix = "" if isinstance(why, NotTrusted) else " Start it, or correct AMP_REDIS."
        raise StoreMissing(f"The store at {without_password(url)} does not answer: {why}.{fix}") from failure
    finally:
        await store.close()


async def _settle(settings: Settings, *, own_store: bool, say: Say) -> str | None:
    """Says what makes the store unfit to keep data; the first key of a store of our own."""
    store = store_of(settings)
    try:
        failed = [each for each in await check(store) if not each.ok]
        for each in failed:
            say(f"Not ready: {each.name}: {each.found}. {each.fix}")
        if not own_store or any(each.name == REPLICAS for each in failed):
            return None  # a key that too few replicas have would be made, and shown to nobody
        return await _first_key(store, settings.secret or "")
    finally:
        await store.close()


async def _first_key(store: Store, secret: str) -> str | None:
    """A test key when nobody ever made a key for the first tenant here."""
    keyring = Keyring(store, pepper(secret))
    if any(record.tenant == FIRST_TENANT for record in await keyring.all()):
        return None
    key, _ = await keyring.create(tenant=FIRST_TENANT, env="test", scopes=DEFAULT_SCOPES, expires_ms=None)
    return key


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
