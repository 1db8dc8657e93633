"""One worker of any ASGI application, as `amp serve` would run it, in a process and on a core of its own.

And what runs beside it, on the other cores.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

from amp import followers
from amp.beside import NICENESS, SOCKET
from amp.serve import WORKER, WORKER_ENVIRONMENT

_START_S, _STOP_S = 30.0, 15.0


class Server(NamedTuple):
    """A running worker."""

    port: int
    pid: int


@contextmanager
def served(
    application: str,
    *,
    cores: set[int],
    http: str = "httptools",
    environment: Mapping[str, str] | None = None,
) -> Generator[Server]:
    """Serves `module:factory` on a free port of 127.0.0.1 until the block ends; `http` is uvicorn's."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        port: int = listener.getsockname()[1]
        arguments = [",".join(map(str, cores)), application, http, str(listener.fileno())]
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.served", *arguments],
            pass_fds=[listener.fileno()],
            env=os.environ | WORKER_ENVIRONMENT | dict(environment or {}),
        )
    try:
        _wait(port)
        yield Server(port, process.pid)
    finally:
        _end(process)


@contextmanager
def followed(environment: Mapping[str, str], cores: set[int]) -> Generator[int]:
    """Runs the followers as `amp serve` does, at low priority, until the block ends: their process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.served", ",".join(map(str, cores))],
        env=os.environ | WORKER_ENVIRONMENT | dict(environment),
    )
    try:
        yield process.pid
    finally:
        _end(process)


@contextmanager
def drawn(environment: Mapping[str, str], cores: set[int]) -> Generator[dict[str, str]]:
    """Runs the process of the pages as `amp serve` does, until the block ends: what workers have to know."""
    with tempfile.TemporaryDirectory(prefix="amp-pages-") as folder:
        told = {SOCKET: f"{folder}/socket"}
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.served", ",".join(map(str, cores))],
            env=os.environ | WORKER_ENVIRONMENT | dict(environment) | told,
        )
        try:
            until_s = time.monotonic() + _START_S
            while not Path(told[SOCKET]).exists():
                if process.poll() is not None or time.monotonic() > until_s:
                    raise RuntimeError("the process of the pages does not come up")
                time.sleep(0.01)
            yield told
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def service() -> Any:
    """The service as a worker of `amp serve` has it; without a process of pages it has none."""
    from amp import app  # noqa: PLC0415  only the process that serves needs it
    from amp.serve import passing_on  # noqa: PLC0415  as above

    return (
        passing_on(os.environ[SOCKET]) if SOCKET in os.environ else app.application(lambda _: app.Upstairs())
    )


def _wait(port: int) -> None:
    """Until it answers anything; who connects before it is up waits in the listener's backlog."""
    with socket.create_connection(("127.0.0.1", port), timeout=_START_S) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        if not connection.recv(1):
            raise RuntimeError("the server ended instead of serving; what it said stands above")


def _serve(application: str, http: str, listener: str) -> None:
    options: dict[str, Any] = WORKER | {"http": http}
    config = uvicorn.Config(application, factory=True, timeout_graceful_shutdown=1, **options)
    uvicorn.Server(config).run([socket.socket(fileno=int(listener))])


def _beside() -> None:
    if SOCKET in os.environ:
        from amp.dashboard import beside  # noqa: PLC0415  followers need none of it

        beside.run(os.environ[SOCKET])
    else:
        os.nice(NICENESS)
        followers.main()


if __name__ == "__main__":
    _, ours, *what = sys.argv
    os.sched_setaffinity(0, {int(core) for core in ours.split(",")})
    if what:
        _serve(*what)
    else:
        _beside()
