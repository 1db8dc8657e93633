"""The end of the process: what is queued then has two seconds, all clients together.

At exit; in the children of multiprocessing, which do not run exit handlers; and on SIGTERM where nobody else
has said what is to happen: the process then ends by that signal as it would have, only later.
"""

import atexit
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Protocol

EXIT_S = 2.0


class Ending(Protocol):
    """A client's reporter."""

    def begin_end(self) -> None:
        """Sends all it can from now on, with all its threads."""
        ...

    def await_end(self, until_s: float) -> None:
        """Waits for it."""
        ...

    def stop(self) -> None:
        """Counts what is lost."""
        ...

    def say_lost(self) -> None:
        """Says what is lost, and touches nothing that the interrupted thread may hold."""
        ...


_open: list[Ending] = []


def watch(reporter: Ending, *, sigterm: bool) -> None:
    """Ends it with the process."""
    if not _open:
        atexit.unregister(_at_exit)
        atexit.register(_at_exit)
    _open.append(reporter)
    free = threading.current_thread() is threading.main_thread()
    if sigterm and free and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def watch_child() -> None:
    """In a child of multiprocessing: ends all with it."""
    processes = sys.modules.get("multiprocessing.process")
    finalizers = sys.modules.get("multiprocessing.util")
    if processes and finalizers and processes.parent_process() is not None:
        finalizers.Finalize(None, _at_exit, exitpriority=100)


def forget(reporter: Ending) -> None:
    """It has ended."""
    if reporter in _open:
        _open.remove(reporter)


def _at_exit() -> None:
    ending = list(_open)
    _await(ending)
    for reporter in ending:
        reporter.stop()


def _on_sigterm(number: int, _: FrameType | None) -> None:
    ending = list(_open)
    _await(ending)
    for reporter in ending:
        reporter.say_lost()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _await(ending: list[Ending]) -> None:
    until_s = time.monotonic() + EXIT_S
    for reporter in ending:
        reporter.begin_end()
    for reporter in ending:
        reporter.await_end(until_s)
