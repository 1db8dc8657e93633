"""The only file that meets httpx: a request sent, and its reply or the AmpError that stands for none."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any

import httpx

from amp.client.failures import TimedOut, Unreachable
from amp.client.wire import Reply, Request
from amp.errors import AmpError

THREADS_MAX = 100
"""As many as httpx keeps connections."""

_slots = threading.BoundedSemaphore(THREADS_MAX)


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
    """As `send`, but `timeout_s` is for all of it, name look-up and a dripping server included.

    No socket option gives that, so the attempt has a thread of its own, which is left behind when late.
    """
    until_s = time.monotonic() + timeout_s
    if not _slots.acquire(timeout=timeout_s):
        raise TimedOut(f"{THREADS_MAX} attempts are still under way.")
    heard = SimpleQueue[Reply | AmpError]()

    def attempt() -> None:
        try:
            heard.put(send(http, request, timeout_s))
        except AmpError as error:
            heard.put(error)
        finally:
            _slots.release()

    if not _started(attempt):
        _slots.release()
        return send(http, request, timeout_s)
    try:
        reply = heard.get(timeout=max(0.0, until_s - time.monotonic()))
    except Empty:
        raise TimedOut(f"No answer within {timeout_s:.3f} s.") from None
    if isinstance(reply, AmpError):
        raise reply
    return reply


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
    """The reporter's own connections, made when its thread first sends."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._http: httpx.Client | None = None

    def post(self, request: Request) -> Reply:
        if self._http is None:
            self._http = httpx.Client(**self._settings)
        return send(self._http, request, self._settings["timeout"])

    def close(self) -> None:
        if self._http is not None:
            self._http.close()


def _started(work: Callable[[], None]) -> bool:
    thread = threading.Thread(target=copy_context().run, args=(work,), name="amp-attempt", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending, or there are no threads left
        return False
    return True


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


def _unheard(error: Exception) -> AmpError:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return TimedOut("No answer in time.")
    return Unreachable(f"No answer: {type(error).__name__}: {error}")
