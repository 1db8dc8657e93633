"""The accurate report after an optimistic one: a function that is asked for it when its time has come.

A function cannot be kept on disk: what is not due when the process ends is never asked, and is counted as
dropped. The staged report (`final=False`) that went before it stands then, as one interaction.
"""

import asyncio
import inspect
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

from amp.client import ending, forking
from amp.client.signals import Outcome
from amp.client.tally import Tally

_log = logging.getLogger("amp.client")

FAILED = "LATER_FAILED"
"""Counted when a function raised, or gave what is no report, or its delay was none."""
WAIT_S_MAX = 3600.0
"""At a time: a lock cannot wait for centuries."""

Told = Mapping[str, Any] | None
Ask = Callable[[], "Told | Awaitable[Told]"]


class Later:
    """Asks each function in its time, in one thread, one after the other; `report` queues what it tells."""

    def __init__(self, report: Callable[[Outcome], object], tally: Tally) -> None:
        self._report = report
        self._tally = tally
        self._closed = False
        self.in_child()
        forking.watch(self)

    def put(self, request_id: str, delay_s: float, ask: Ask) -> None:
        """Ask `ask` after `delay_s` seconds."""
        if self._closed:
            self._drop(1)
            return
        due_s = _due_s(delay_s)
        if due_s is None:
            self._tally.failed(FAILED)
            return
        with self._lock:
            heappush(self._waiting, (due_s, next(self._order), request_id, ask))
            if self._thread is None:
                self._start()
        self._bell.put(None)

    def begin_end(self) -> None:
        """What is not due yet never will be, and what is asked now is not waited for."""
        self._closed = True
        lost, self._waiting = len(self._waiting) + self._asking, []
        self._asking = False
        self._bell.put(None)
        if lost:
            self._drop(lost)

    def await_end(self, until_s: float) -> None:
        """Nothing is waited for."""

    def say_lost(self) -> None:
        """Said already."""

    def stop(self) -> None:
        ending.forget(self)

    def close(self) -> None:
        """The same, before the process ends."""
        self.begin_end()
        self.stop()

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()

    def in_child(self) -> None:
        """What waits is the parent's."""
        self._lock = threading.Lock()
        self._bell = SimpleQueue[None]()
        self._waiting: list[tuple[float, int, str, Ask]] = []
        self._order = count()
        self._thread: threading.Thread | None = None
        self._asking = False
        """Whether a question waits for its answer; whoever ends this counts what came of it."""

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="amp-later", daemon=True)
        with suppress(RuntimeError):  # none to be had now: the next one asks again
            thread.start()
            self._thread = thread
            ending.watch(self, sigterm=False)

    def _drop(self, lost: int) -> None:
        self._tally.add("dropped", lost)
        self._tally.warn_once(
            "later", "reports for later were not due, or not answered, when the client ended: dropped"
        )

    def _run(self) -> None:
        while not self._closed:
            with self._lock:
                wait_s = self._waiting[0][0] - time.monotonic() if self._waiting else None
                due = heappop(self._waiting) if wait_s is not None and wait_s <= 0 else None
                self._asking = due is not None
            if due is not None:
                self._ask(due[2], due[3])
                continue
            with suppress(Empty):
                self._bell.get(timeout=None if wait_s is None else min(wait_s, WAIT_S_MAX))

    def _ask(self, request_id: str, ask: Ask) -> None:
        ours = False
        try:
            told = ask()
            if inspect.isawaitable(told):
                told = asyncio.run(_result(told))
            said: Any = None
            if told is not None:
                said = {**told, "request_id": request_id, "started": told["started"]}
            ours = self._answered()
            if ours and said is not None:
                self._report(said)
        except Exception:  # noqa: BLE001  the host's function must not end the thread, nor its error go unheard
            _log.warning("A later report's function failed; what was staged stands.", exc_info=True)
            if self._answered() or ours:
                self._tally.failed(FAILED)

    def _answered(self) -> bool:
        """False when the end has counted it already."""
        asking, self._asking = self._asking, False
        return asking


def _due_s(delay_s: object) -> float | None:
    """By the monotonic clock; None when the host passed what is no time."""
    if not isinstance(delay_s, int | float) or not math.isfinite(delay_s):
        return None
    return time.monotonic() + delay_s


async def _result(told: Awaitable[Told]) -> Told:
    return await told
