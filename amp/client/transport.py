"""The only file that meets httpx: a request sent, and its reply or the AmpError that stands for none."""

import asyncio
import threading
from typing import Any

import httpx

from amp.client import forking
from amp.client.deadline import Workers
from amp.client.failures import TimedOut, Unreachable
from amp.client.wire import Reply, Request
from amp.errors import AmpError

_workers = Workers(most=100)  # as many as an httpx client has connections
forking.watch(_workers)


def send(http: httpx.Client, request: Request, timeout_s: float) -> Reply:
    """Send and hear; `timeout_s` is for each of connecting, writing and each read.

    Raises:
        Unreachable: no answer came.
    """
    try:
        return _reply(http.request(request.method, request.path, content=request.body, timeout=timeout_s))
    except Exception as error:  # a transport's trouble, whatever its class, is no answer
        raise _unheard(error) from error


def send_within(http: httpx.Client, request: Request, timeout_s: float) -> Reply:
    """As `send`, but `timeout_s` is for all of it."""
    return _workers.within(timeout_s, lambda: send(http, request, timeout_s))


async def send_async(http: httpx.AsyncClient, request: Request, timeout_s: float) -> Reply:
    """As `send_within`, on the event loop."""
    try:
        async with asyncio.timeout(timeout_s):
            return _reply(
                await http.request(request.method, request.path, content=request.body, timeout=timeout_s)
            )
    except Exception as error:  # a transport's trouble, whatever its class, is no answer
        raise _unheard(error) from error


class Background:
    """The reporter's own connections, made when a thread of it first sends."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._http: httpx.Client | None = None
        self._making = threading.Lock()
        self._inherited: list[object] = []
        forking.watch(self)

    def post(self, request: Request) -> Reply:
        if self._http is None:
            with self._making:
                self._http = self._http or httpx.Client(**self._settings)
        return send(self._http, request, self._settings["timeout"])

    def before_fork(self) -> None:
        pass

    def after_fork(self) -> None:
        pass

    def in_child(self) -> None:
        self._inherited.append(self._http)  # not closed: the parent is still talking
        self._http = None
        self._making = threading.Lock()

    def close(self) -> None:
        if self._http is not None:
            self._http.close()


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


def _unheard(error: Exception) -> AmpError:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return TimedOut("No answer in time.")
    return Unreachable(f"No answer: {type(error).__name__}: {error}")
