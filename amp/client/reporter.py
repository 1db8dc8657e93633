"""Reports behind the caller's back. The caller pays for an append, or with a spool for a write on disk."""

import random
import time
from collections.abc import Callable

from amp.client import ending, forking
from amp.client.backlog import Backlog
from amp.client.delivery import Post
from amp.client.entries import Entry, Fields, Kind
from amp.client.fallback import LOCAL_PREFIX
from amp.client.senders import LINGER_S, Senders
from amp.client.tally import Tally
from amp.errors import AmpError, InvalidParameter


class Reporter:
    """`post` sends one request, raising AmpError when no answer comes; it is called by threads of its own."""

    def __init__(
        self,
        post: Post,
        tally: Tally,
        backlog: Backlog,
        *,
        chance: Callable[[], float] = random.random,
        sigterm: bool = True,
    ) -> None:
        self._tally = tally
        self._backlog = backlog
        self._put = backlog.put
        self._senders = Senders(post, tally, backlog, chance)
        self._closed = False
        ending.watch(self, sigterm=sigterm)
        forking.watch(self)
        if backlog.kept:  # the last process may have left something
            self._senders.wake()

    @property
    def queued(self) -> int:
        return self._backlog.count

    def put(self, kind: Kind, fields: Fields) -> bool:
        """Queue one report or record as it came; false when it was dropped. Never raises.

        In one piece: after a pause of the host every function that is called is a cold one.
        """
        try:
            request_id = fields.get("request_id")
            if type(request_id) is str and request_id.startswith(LOCAL_PREFIX):
                self._tally.add("dropped_local")
                return False
            if self._closed or not self._put(kind, fields):
                return self._dropped(1)
        except AmpError as refused:
            return self._unfit(Entry(kind, fields), refused)
        except Exception as odd:  # noqa: BLE001  whatever the host passes must not come back to it from here
            return self._unfit(Entry(kind, fields), InvalidParameter("body", type(odd).__name__))
        if self._senders.asleep:
            self._senders.wake()
        return True

    def flush(self, timeout_s: float) -> bool:
        """Wait until every report is settled, or the time is up (false)."""
        until_s = time.monotonic() + timeout_s
        self._senders.nudge()
        with self._senders.settled:
            while not self._backlog.empty:
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    return False
                # of a shared spool nobody tells us what others have sent
                self._senders.settled.wait(min(left_s, LINGER_S) if self._backlog.kept else left_s)
        return True

    def close(self, timeout_s: float = ending.EXIT_S) -> None:
        """Flush, then end the threads; what is still queued is lost and counted, or stays in the spool."""
        if self._closed:
            return
        until_s = time.monotonic() + timeout_s
        self.begin_end()
        self.await_end(until_s)
        self.stop()

    def begin_end(self) -> None:
        """Takes no more, and sends all it can. Safe in a signal's handler, as are the next two."""
        self._closed = True
        self._senders.begin_end()

    def await_end(self, until_s: float) -> None:
        """Waits until that is done, or until then by the monotonic clock."""
        self._senders.await_end(until_s)

    def say_lost(self) -> None:
        """Counts and says what the end of the process takes along."""
        if lost := self._backlog.fleeting:
            self._dropped(lost)

    def stop(self) -> None:
        """Ends the threads, and counts what nobody has taken in hand."""
        ending.forget(self)
        self._closed = True
        self._senders.stop()
        if lost := self._backlog.close():
            self._dropped(lost)

    def before_fork(self) -> None:
        self._backlog.before_fork()

    def after_fork(self) -> None:
        self._backlog.after_fork()

    def in_child(self) -> None:
        """What is queued, in hand and counted is the parent's."""
        self._tally.renew()
        self._backlog.in_child()
        self._senders.renew()

    def _dropped(self, lost: int) -> bool:
        self._tally.add("dropped", lost)
        self._tally.warn_once(
            "dropped", "outcome reports are lost: the queue is full, or time ran out at exit"
        )
        return False

    def _unfit(self, entry: Entry, error: AmpError) -> bool:
        self._tally.failed(error.code)
        self._backlog.bury(entry, error)
        return False
