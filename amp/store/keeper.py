"""Keeps a store running on a data folder: one owner, restarted when killed, handed on when the owner ends."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from typing import Self

from amp.exits import StoreMissing
from amp.settings import Settings
from amp.store.embedded import Server, ask, find_server, last_words, launch, ready, stop
from amp.store.folder import DataFolder

Say = Callable[[str], None]

_POLL_S = 0.05
_RETRY_S = 1.0
_CLAIM_S = 60.0


@contextmanager
def opened(settings: Settings, *, lasting: bool = False, say: Say = lambda _: None) -> Generator[Settings]:
    """The settings with a store that answers in `redis` and the service's `secret`, both always set.

    Raises:
        StoreMissing: no store can be started or reached.
        SettingsRefused: the data folder cannot be used.
    """
    if settings.redis:
        yield settings
        return
    folder = DataFolder(settings.data)
    folder.settle()
    _ = settings.secret or folder.secret()  # made, or found missing, before there is a store
    with Keeper(folder, durability=settings.durability, lasting=lasting, say=say) as keeper:
        # read again: a restore that we waited for may have put another in its place
        yield replace(settings, redis=keeper.url, secret=settings.secret or folder.secret())


class Keeper:
    """A store on a data folder for as long as the `with` block lasts.

    The first to come owns the folder and runs the store. A lasting owner's store is used by all who come
    later, and one of those who last too takes over, at the same socket, when the owner ends; a brief owner
    is waited for. All of it happens in one thread, because the store dies with the thread that started it.
    """

    def __init__(self, folder: DataFolder, *, durability: str, lasting: bool, say: Say) -> None:
        self._folder = folder
        self._durability = durability
        self._lasting = lasting
        self._say = say
        self._listens = Path()
        self._failure: Exception | None = None
        self._usable = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store keeper")

    @property
    def url(self) -> str:
        return f"unix://{self._listens}"

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._usable.wait()
        except BaseException:  # Ctrl-C while a long log loads: the store must not stay behind
            self._end()
            raise
        if self._failure:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            if self._claim() or self._inherit():
                self._keep()
        except Exception as failure:  # noqa: BLE001  whatever it is, it belongs to who waits in __enter__
            self._failure = failure
            if self._usable.is_set():
                self._say(f"The store cannot be kept running: {failure}")
        finally:
            self._folder.leave()
            self._usable.set()

    def _claim(self) -> bool:
        """Waits until the folder is ours, or (False) a lasting owner's store answers.

        Raises:
            StoreMissing: somebody holds the folder, and no store answers.
        """
        until = time.monotonic() + _CLAIM_S
        while not self._folder.own(lasting=self._lasting):
            owner, listens = self._folder.owner(), self._folder.recorded_socket()
            if owner and owner.lasting and listens and ready(listens):
                self._listens = listens
                return False
            if self._ending.wait(_POLL_S) or time.monotonic() > until:
                holder = f"process {owner.pid}" if owner else "another process"
                raise StoreMissing(f"{holder} holds {self._folder.path}, but its store does not answer.")
        return True

    def _inherit(self) -> bool:
        """Uses the owner's store; True when the owner has ended and the folder is ours."""
        self._usable.set()
        while not self._ending.wait(_POLL_S):
            if self._lasting and self._folder.own(lasting=True):
                self._say("The process that ran the store has ended; taking it over.")
                return True
        return False

    def _keep(self) -> None:
        server = find_server()
        self._listens = self._folder.socket()
        self._clear_orphan()
        process = self._start(server)
        self._say(f"Store: {server.label}, data in {self._folder.path}")
        self._usable.set()
        while not self._ending.wait(_POLL_S):
            if process.poll() is not None:
                self._say(f"The store has ended (exit code {process.returncode}); starting it again.")
                process = self._start_again(server, process)
        self._folder.own(lasting=False)  # who comes now waits for the end rather than use this store
        stop(process)

    def _clear_orphan(self) -> None:
        """Ends a store whose owner was killed; only then is the log ours.

        Raises:
            StoreMissing: it does not end.
        """
        until = time.monotonic() + _CLAIM_S
        while not self._folder.store_lock.take():
            ask(self._listens, "SHUTDOWN")
            if self._ending.wait(_POLL_S) or time.monotonic() > until:
                raise StoreMissing(
                    f"A store process of an earlier start (process {self._folder.store_lock.note()}) "
                    f"still writes to {self._folder.store}. End it, then try again."
                )

    def _start(self, server: Server) -> Popen[bytes]:
        """A store with its data loaded, however long that takes.

        Raises:
            StoreMissing: it ended instead; with the last lines of its log.
        """
        process = launch(server, self._folder, self._listens, self._durability)
        self._folder.store_lock.sign(str(process.pid))
        while not ready(self._listens) and not self._ending.wait(0.01):
            if process.poll() is not None:
                log = self._folder.log
                raise StoreMissing(f"The store does not start. The end of {log} says:\n{last_words(log)}")
        return process

    def _start_again(self, server: Server, ended: Popen[bytes]) -> Popen[bytes]:
        try:
            return self._start(server)
        except StoreMissing as failure:
            self._say(str(failure))
            self._ending.wait(_RETRY_S)
            return ended
