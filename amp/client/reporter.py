"""Reports outcomes behind the caller's back: a bounded queue and one daemon thread.

The caller pays for an append. Encoding, sending, retrying and counting are the thread's, which meets trouble
with patience: while the server is away, reports wait in the queue and only what does not fit is lost.
"""

import atexit
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from amp.client import calls, wire
from amp.client.failures import Unreachable, worth_retrying
from amp.client.fallback import is_local
from amp.client.tally import Tally
from amp.client.types import OutcomeReceipt
from amp.client.wire import Reply, Request
from amp.errors import AmpError, InvalidParameter, RateLimitExceeded, StoreUnavailable

LINGER_S = 0.05
"""From the first report to its sending: a burst leaves as full batches, and the caller is not interrupted."""
EXIT_S = 2.0
"""For what is queued when the process ends."""
PAUSE_S_MAX = 60.0
PATIENCE = wire.Patience(deadline_s=float("inf"), attempts=8, backoff_s=0.5, backoff_s_max=30.0)
"""`attempts` is for reports that the server fails on; a server that is away or busy is waited for."""

Fields = dict[str, Any]


class Reporter:
    """`post` sends one request, raising AmpError when no answer comes; it is called by the thread alone."""

    def __init__(
        self,
        post: Callable[[Request], Reply],
        tally: Tally,
        *,
        queue_size: int,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._post = post
        self._tally = tally
        self._queue_size = queue_size
        self._chance = chance
        self._queue = deque[Fields]()
        self._in_hand = 0  # taken off the queue and not settled yet
        self._work = threading.Event()  # something is queued
        self._nudge = threading.Event()  # somebody waits: do not linger, try again now
        self._settled = threading.Condition()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = self._stopped = False

    @property
    def queued(self) -> int:
        return len(self._queue) + self._in_hand

    def offer(self, fields: Fields) -> bool:
        """Queue one report as it came; false when it was dropped. Never raises."""
        if is_local(fields["request_id"]):
            self._tally.add("dropped_local")
            return False
        if self._closed or len(self._queue) >= self._queue_size:
            return self._dropped(1)
        self._queue.append(fields)
        if not self._work.is_set():
            self._wake()
        return True

    def flush(self, timeout_s: float) -> bool:
        """Wait until every report is settled, or the time is up (false)."""
        self._nudge.set()
        with self._settled:
            return self._settled.wait_for(lambda: self.queued == 0, timeout_s)

    def close(self, timeout_s: float = EXIT_S) -> None:
        """Flush, then end the thread; what is still queued is dropped and counted."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self.flush(timeout_s)
        self._stopped = True
        self._work.set()
        self._nudge.set()
        if left := len(self._queue):
            self._queue.clear()
            self._dropped(left)

    def _dropped(self, count: int) -> bool:
        self._tally.add("dropped", count)
        self._tally.warn_once(
            "dropped", "outcome reports are lost: the queue is full, or time ran out at exit"
        )
        return False

    def _wake(self) -> None:
        self._work.set()
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="amp-reporter", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread to be had now: the next report asks again
            self._work.clear()
            return
        self._thread = thread
        atexit.register(self.close)

    def _run(self) -> None:
        while not self._stopped:
            self._work.wait()
            self._work.clear()
            self._pause(LINGER_S)
            while self._queue and not self._stopped:
                for batch in wire.batches(self._take()):
                    self._deliver(batch)

    def _take(self) -> list[bytes]:
        bodies: list[bytes] = []
        while self._queue and len(bodies) < wire.BATCH_ITEMS:
            self._in_hand += 1  # before it leaves the queue, so that a flush never sees neither
            try:
                bodies.append(calls.outcome_body(self._queue.popleft()))
            except AmpError as refusal:
                self._refused(refusal.code)
            except Exception:  # noqa: BLE001  # whatever the host queued must not end the thread
                self._refused(InvalidParameter.code)
        return bodies

    def _deliver(self, bodies: Sequence[bytes]) -> None:
        attempt = 0
        while bodies:
            attempt += 1
            again: list[bytes] = []
            retry_after_s = 0
            for body, result in zip(bodies, self._sent(bodies), strict=True):
                if not isinstance(result, AmpError):
                    self._settle("sent")
                elif not _worth_waiting(result, attempt):
                    self._refused(result.code)
                else:
                    again.append(body)
                    retry_after_s = max(retry_after_s, result.retry_after_s or 0)
            bodies = again
            if bodies and self._pause(wire.backoff_s(PATIENCE, attempt, retry_after_s, self._chance())):
                attempt = 0
            if self._stopped:
                self._settle("dropped", len(bodies))
                return

    def _sent(self, bodies: Sequence[bytes]) -> Sequence[OutcomeReceipt | AmpError]:
        call = calls.outcomes(bodies)
        try:
            return wire.result(call, self._post(call.request))
        except AmpError as trouble:
            return [trouble] * len(bodies)

    def _refused(self, code: str) -> None:
        self._tally.failed(code)
        self._settle()

    def _settle(self, counted: str | None = None, count: int = 1) -> None:
        if counted is not None:
            self._tally.add(counted, count)
        with self._settled:
            self._in_hand -= count
            self._settled.notify_all()

    def _pause(self, pause_s: float) -> bool:
        """True when somebody cut it short."""
        nudged = self._nudge.wait(min(pause_s, PAUSE_S_MAX))
        if not self._stopped:
            self._nudge.clear()
        return nudged


def _worth_waiting(refusal: AmpError, attempt: int) -> bool:
    away = isinstance(refusal, Unreachable | StoreUnavailable | RateLimitExceeded)
    return worth_retrying(refusal) and (away or attempt < PATIENCE.attempts)
