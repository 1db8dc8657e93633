"""What runs beside the workers, each a process: background fit, loop of graded outcomes, followers, pages."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from amp import metric_files
from amp.store.keeper import Say

EVERY_S = 1.0
"""A process is started again at most this often."""

END_WITHIN_S = 10.0
"""A process that is to be replaced and has not ended by then is killed."""

NICENESS = 19
"""Whoever waits for an answer comes first."""

SOCKET = "PAGES_SOCKET"
"""The variable that tells workers where the process of the pages listens."""

_spawn = multiprocessing.get_context("spawn")


class Beside:
    """A process beside the workers, started again when it ends."""

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        self.name = name
        self.process: Any = None
        self._target = target
        self._since_s = 0.0
        self._replaced: Any = None
        """A process that was told to make room for another."""
        self._until_s = 0.0

    def keep(self, say: Say) -> None:
        """Starts it, unless it is alive or was started just now."""
        if self.process and not self._makes_room():
            if not self.is_due():
                return
            say(f"The {self.name} has ended (exit code {self.process.exitcode}); starting it again.")
        self._start()

    def is_due(self) -> bool:
        """Whether it has ended, and may be started again by now."""
        started = self.process and time.monotonic() >= self._since_s + EVERY_S
        return bool(started) and not self.process.is_alive()

    def renew(self) -> None:
        """Has it make room for another, of the release installed now: it gives its leases up first.

        Nobody waits for it here: `renewed` says when the other one was started.
        """
        self.end()
        self._replaced, self._until_s = self.process, time.monotonic() + END_WITHIN_S

    def renewed(self) -> bool:
        """Whether another was started since `renew`: now, if the old one has ended, or should have."""
        if self._makes_room():
            with deaf_to_ctrl_c():
                self._start()
        return self.process is not self._replaced

    def end(self) -> None:
        """Has it end; nobody waits for it here."""
        if self.process:
            self.process.terminate()

    def _makes_room(self) -> bool:
        """Whether the process was to make room, and is gone; out of patience with one, kills it."""
        if not self.process or self.process is not self._replaced:
            return False
        if self.process.is_alive() and time.monotonic() > self._until_s:
            self.process.kill()
            self.process.join()
        return not self.process.is_alive()

    def _start(self) -> None:
        if self.process:
            metric_files.ended(self.process.pid)
        self._since_s = time.monotonic()
        self.process = _spawn.Process(target=self._target, name=self.name)
        self.process.start()


@contextmanager
def deaf_to_ctrl_c() -> Generator[None]:
    """What is started here ignores Ctrl-C until it says otherwise: the supervisor ends it in good order."""
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def refit() -> None:
    """The process of the background fit."""
    end_with_parent()
    os.nice(NICENESS)
    from amp.learning import refit as room  # noqa: PLC0415  the parent never needs it

    room.main()


def loop() -> None:
    """The process that runs sessions of graded outcomes."""
    end_with_parent()
    from amp.grading import loop as room  # noqa: PLC0415  the parent never needs it

    room.main()


def followers() -> None:
    """The process of the followers."""
    end_with_parent()
    os.nice(NICENESS)
    from amp import followers as room  # noqa: PLC0415  the parent never needs it

    room.main()


def end_with_parent() -> None:
    """A killed supervisor must not leave workers behind that hold the port."""
    parent = multiprocessing.parent_process()
    assert parent, "runs in a child of the supervisor"

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
