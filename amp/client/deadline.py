"""A hard deadline for work that blocks: done by a thread that is left behind when it is late.

No socket option bounds a whole call: name look-ups have no timeout, and a server that drips a byte at a time
never lets a read time out. The threads are daemons, so what hangs in them holds up no exit.
"""

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TypeVar

from amp.client.failures import TimedOut
from amp.errors import AmpError

T = TypeVar("T")
Work = Callable[[], object]


class Workers:
    """Threads kept between calls, a new one whenever all are busy, up to `most`; measured: 0.1 ms a call."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.in_child()

    def before_fork(self) -> None:
        pass

    def after_fork(self) -> None:
        pass

    def in_child(self) -> None:
        """The threads stayed with the parent."""
        self._count = 0
        self._tasks = SimpleQueue[Work]()
        self._idle = threading.Semaphore(0)
        self._hiring = threading.Lock()

    def within(self, timeout_s: float, work: Callable[[], T]) -> T:
        """The result of `work`, which may raise AmpError and nothing else.

        Raises:
            TimedOut: the time is up; the work goes on until its own timeouts end it.
        """
        until_s = time.monotonic() + timeout_s
        done = SimpleQueue[T | AmpError]()

        def task() -> None:
            if time.monotonic() >= until_s:  # it waited for a thread until nobody wanted it any more
                return
            try:
                done.put(work())
            except AmpError as error:
                done.put(error)

        context = copy_context()  # tracing of the caller goes with the request
        if not self._hand_over(lambda: context.run(task)):
            return work()
        try:
            result = done.get(timeout=timeout_s)
        except Empty:
            raise TimedOut(f"No answer within {timeout_s:.3f} s.") from None
        if isinstance(result, AmpError):
            raise result
        return result

    def _hand_over(self, task: Work) -> bool:
        if not self._idle.acquire(blocking=False) and not self._hire():
            return False
        self._tasks.put(task)
        return True

    def _hire(self) -> bool:
        """False when there is nobody to be had at all: the interpreter is ending and starts no threads."""
        with self._hiring:
            if self._count == self._most:
                return True  # the task waits for the next one to be free
            try:
                threading.Thread(target=self._serve, name="amp-attempt", daemon=True).start()
            except RuntimeError:
                return self._count > 0
            self._count += 1
            return True

    def _serve(self) -> None:
        while True:
            self._tasks.get()()
            self._idle.release()
