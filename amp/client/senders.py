"""The threads that send what waits, and what they do in trouble.

The first alone looks for work and waits while the server is away; the others help when answers are slow and
at the end, because an exit has two seconds whatever an answer takes.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue

from amp.client import ending, wire
from amp.client.backlog import Backlog
from amp.client.brake import Brake
from amp.client.delivery import ATTEMPTS, Post, Result, deliver, is_away, is_locked_out, may_succeed
from amp.client.entries import Entry
from amp.client.failures import worth_retrying
from amp.client.tally import Tally
from amp.errors import AmpError

LINGER_S = 0.05
"""From the first report to its sending: a burst leaves as full batches, and the caller is not interrupted."""
THREADS = 8
"""2,000 reports are 20 batches: three rounds of answers."""
PAUSE_S_MAX, END_PAUSE_S_MAX = 60.0, 0.25
"""The second at the end: a server has two seconds to come back."""
POLL_S = 1.0
"""Between looks into a spool for what other processes left there."""
AGAIN_MAX = 1000
"""Of those that the server failed on, apart from the queue: its limit is the host's memory's."""
SPLIT_AT = 3
"""Attempts of a batch that the server fails on, until its halves are tried apart."""
PATIENCE = wire.Patience(deadline_s=float("inf"), attempts=ATTEMPTS, backoff_s=0.5, backoff_s_max=30.0)

_NUDGE, _WORK = True, False


class Senders:
    """`post` sends one request, raising AmpError when no answer comes; it is called by the threads alone."""

    def __init__(self, post: Post, tally: Tally, backlog: Backlog, chance: Callable[[], float]) -> None:
        self._post = post
        self._tally = tally
        self._backlog = backlog
        self._chance = chance
        self._ending = self._stopped = False
        self.renew()

    def renew(self) -> None:
        """All that the threads have among themselves, as before the first of them."""
        self._bell = SimpleQueue[bool]()  # SimpleQueues: they may be used in a signal's handler
        self._help = SimpleQueue[None]()
        self._over = SimpleQueue[None]()
        self.settled = threading.Condition()
        self._starting = threading.Lock()
        self._again: list[tuple[float, int, Entry]] = []  # what the server failed on, by when to try again
        self._again_lock = threading.Lock()
        self._order = count()
        self._brake = Brake(self._post, lambda: self._stopped)
        self._threads: list[threading.Thread] = []
        self._at_work = set[int]()
        self._arrived = self._misses = 0
        self.asleep = True
        self._away = self._slow = self._finished = False

    def wake(self) -> None:
        self.asleep = False
        self._bell.put(_WORK)
        if not self._threads:
            with self._starting:
                if not self._threads:
                    self._start()

    def _start(self) -> None:
        names = ["amp-reporter", *["amp-reporter-help"] * (THREADS - 1)]
        targets = [self._run, *[self._assist] * (THREADS - 1)]
        started: list[threading.Thread] = []
        with suppress(RuntimeError):  # no more to be had now
            for name, target in zip(names, targets, strict=True):
                thread = threading.Thread(target=target, name=name, daemon=True)
                thread.start()
                started.append(thread)
        self._threads = started
        self.asleep = not started  # then the next report asks again
        ending.watch_child()

    def nudge(self) -> None:
        """Somebody waits: everything is tried now."""
        self._bell.put(_NUDGE)

    def begin_end(self) -> None:
        """All threads send what they can. Safe in a signal's handler, as is the next."""
        self._ending = True
        self._call_all()

    def await_end(self, until_s: float) -> None:
        """Waits until they have done so, or until then by the monotonic clock."""
        with suppress(Empty):
            while self._threads and (not self._finished or self._at_work):
                self._over.get(timeout=max(0.0, until_s - time.monotonic()))

    def stop(self) -> None:
        """Ends the threads once they have their answers."""
        self._stopped = True
        self._call_all()

    def _call_all(self) -> None:
        self._bell.put(_NUDGE)
        for _ in self._threads:
            self._help.put(None)

    def _run(self) -> None:
        while not self._stopped:
            self._sleep()
            if not self._ending:
                self._pause(LINGER_S)
            self._work_off()
            if self._ending:
                break
            self._backlog.tidy()
        self._finished = True
        self._over.put(None)

    def _assist(self) -> None:
        while not self._stopped:
            self._help.get()
            if self._work() is not None or self._again:
                self._bell.put(_WORK)  # there is trouble, which is the first thread's

    def _sleep(self) -> None:
        """Until there is something to do."""
        while not self._ending:
            self.asleep = True
            wait_s = self._wait_s()
            if self._backlog.waiting or wait_s == 0:
                break
            with suppress(Empty):
                if self._bell.get(timeout=wait_s) is _NUDGE:
                    self._hurry()
                break
        self.asleep = False

    def _wait_s(self) -> float | None:
        """For how long there is nothing to do unless somebody rings; None is for ever."""
        wait_s = POLL_S if self._backlog.kept else None
        with self._again_lock:
            return max(0.0, self._again[0][0] - time.monotonic()) if self._again else wait_s

    def _work_off(self) -> None:
        """Until nothing is left; while the server is away, until it is back."""
        while not self._stopped:
            pause_s = self._work()
            if self._ending and not self._backlog.fleeting:
                return  # what is on disk need not wait here for a server that is away
            if self._ending:  # None: the others have something in hand, or it is to be tried again
                pause_s = LINGER_S if pause_s is None else min(pause_s, END_PAUSE_S_MAX)
            if pause_s is None:
                return
            self._away = not self._ending
            if self._pause(pause_s):
                self._misses = 0
            self._away = False

    def _pause(self, pause_s: float) -> bool:
        """True when somebody cut it short, who wants everything tried now."""
        until_s = time.monotonic() + min(pause_s, PAUSE_S_MAX)
        while (left_s := until_s - time.monotonic()) > 0:
            if not self._ending:
                self._backlog.tidy()  # what waits long takes less room
            if self._ring(min(left_s, POLL_S)) is _NUDGE:
                self._hurry()
                return True
        return False

    def _ring(self, wait_s: float) -> bool | None:
        try:
            return self._bell.get(timeout=wait_s)
        except Empty:
            return None

    def _hurry(self) -> None:
        with self._again_lock:
            self._again = [(0.0, order, entry) for _, order, entry in self._again]

    def _due_now(self) -> list[Entry]:
        with self._again_lock:
            due: list[Entry] = []
            while self._again and self._again[0][0] <= time.monotonic() and len(due) < wire.BATCH_ITEMS:
                due.append(heappop(self._again)[2])
            return due

    def _work(self) -> float | None:
        """Sends until nothing is left (None), or for how long the server wants to be left alone."""
        me = threading.get_ident()
        self._at_work.add(me)
        try:
            while not (self._stopped or self._away):
                batch = self._due_now() or self._backlog.take(wire.BATCH_ITEMS)
                if not batch:
                    return None
                if self._slow and self._help.empty() and self._backlog.waiting:
                    self._help.put(None)
                if (pause_s := self._send(batch)) is not None:
                    return pause_s
            return None
        finally:
            self._at_work.discard(me)
            if self._ending:
                self._over.put(None)

    def _send(self, entries: Sequence[Entry]) -> float | None:
        began_s = time.monotonic()
        left = dict.fromkeys(entries)
        pauses: list[float] = []
        for result in deliver(self._brake.post, entries):
            self._brake.told(result)
            for entry in result.entries:
                del left[entry]
            if (pause_s := self._judge(result)) is not None:
                pauses.append(pause_s)
                if result.whole:
                    break
        self._backlog.give_back(list(left))
        self._slow = time.monotonic() - began_s > LINGER_S
        with self.settled:
            self.settled.notify_all()
        return max(pauses, default=None)

    def _judge(self, result: Result) -> float | None:
        """Settles it, or sees to it that it is tried again; how long to leave the server alone."""
        error, entries = result.error, result.entries
        if self._stopped:
            self._too_late(result)
            return None
        if error is None:
            self._misses = 0
            self._arrived += len(entries)
            self._tally.add("sent", len(entries))
            self._backlog.settle(entries)
            return None
        for entry in entries:
            entry.since = self._arrived if not entry.attempts else entry.since
            entry.attempts += 1
        return self._troubled(entries, error)

    def _troubled(self, entries: Sequence[Entry], error: AmpError) -> float | None:
        if is_away(error) or (is_locked_out(error) and self._backlog.kept) or self._crowded(error):
            return self._left_alone(entries, error)
        if len(entries) > 1 and not is_locked_out(error):
            if worth_retrying(error) and entries[0].attempts < SPLIT_AT:
                return self._left_alone(entries, error)
            return self._apart(entries)
        for entry in entries:
            if may_succeed(entry, error, self._arrived):
                self._later(entry, error)
            else:
                self._refused(entry, error)
        return None

    def _crowded(self, error: AmpError) -> bool:
        """Whether so many wait for another try that this one must wait where there is a limit."""
        return worth_retrying(error) and len(self._again) >= AGAIN_MAX

    def _too_late(self, result: Result) -> None:
        """An answer after the end: what has arrived was not lost after all."""
        if result.error is None:
            self._tally.add("sent", len(result.entries))
            if not self._backlog.kept:
                self._tally.add("dropped", -len(result.entries))

    def _left_alone(self, entries: Sequence[Entry], error: AmpError) -> float:
        self._misses += 1
        self._backlog.give_back(entries)
        if is_locked_out(error):
            self._tally.warn_once(
                error.code, "amp refuses the key (%s); reports stay in the spool", error.code
            )
            return PAUSE_S_MAX
        return wire.backoff_s(PATIENCE, self._misses, error.retry_after_s, self._chance())

    def _apart(self, entries: Sequence[Entry]) -> float | None:
        """Each half by itself: one bad report must not take the others along."""
        middle = len(entries) // 2
        if (pause_s := self._send(entries[:middle])) is not None:
            self._backlog.give_back(entries[middle:])
            return pause_s
        return self._send(entries[middle:])

    def _later(self, entry: Entry, error: AmpError) -> None:
        pause_s = wire.backoff_s(PATIENCE, entry.attempts, error.retry_after_s, self._chance())
        with self._again_lock:
            heappush(self._again, (time.monotonic() + pause_s, next(self._order), entry))

    def _refused(self, entry: Entry, error: AmpError) -> None:
        self._tally.failed(error.code)
        self._backlog.bury(entry, error)
        self._backlog.settle([entry])
