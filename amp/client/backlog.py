"""Where reports wait: in memory here, on disk in spool.py."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from amp.client.entries import Entry, Fields, Kind
from amp.errors import AmpError

Waiting = Entry | tuple[Kind, Fields]
"""The caller pays for a tuple; the entry is made when it is taken."""


class Backlog(Protocol):
    """What waits, and what is in hand: taken and not settled yet. Callers put; threads do the rest."""

    kept: bool
    """Whether what is not sent by the end of the process is sent by the next."""

    def put(self, kind: Kind, fields: Fields) -> bool:
        """False when there is no room.

        Raises:
            AmpError | TypeError: it can never be sent (found out here, or only when it is taken).
        """
        ...

    def take(self, most: int) -> list[Entry]:
        """The first that wait; they are in hand until settled or given back."""
        ...

    def settle(self, entries: Sequence[Entry]) -> None:
        """Done with, whatever came of them."""
        ...

    def give_back(self, entries: Sequence[Entry]) -> None:
        """They wait again, before all others."""
        ...

    @property
    def waiting(self) -> bool:
        """Whether `take` may find something."""
        ...

    @property
    def count(self) -> int:
        """Of what waits and what is in hand."""
        ...

    @property
    def fleeting(self) -> int:
        """Of these, how many the end of the process takes along. Safe in a signal's handler."""
        ...

    @property
    def empty(self) -> bool:
        """Whether nothing waits and nothing is in hand."""
        ...

    def close(self) -> int:
        """Takes nothing more; how many are lost, unless one in hand arrives yet."""
        ...

    def tidy(self) -> None:
        """What may be done when there is nothing else to do; by the reporter's thread."""
        ...

    def bury(self, entry: Entry, error: AmpError) -> None:
        """Keeps what can never be delivered, where there is a place for it."""
        ...

    def before_fork(self) -> None:
        """As in forking.py."""
        ...

    def after_fork(self) -> None: ...

    def in_child(self) -> None:
        """What waits is the parent's to send."""
        ...


class Memory:
    """A bounded queue that dies with the process. Putting takes no lock: deques are safe by themselves."""

    kept = False

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue = deque[Waiting]()
        self._in_hand = 0
        self._counting = threading.Lock()  # between the reporter's threads

    def put(self, kind: Kind, fields: Fields) -> bool:
        if len(self._queue) >= self._size:
            return False
        self._queue.append((kind, fields))
        return True

    def take(self, most: int) -> list[Entry]:
        with self._counting:
            count = min(most, len(self._queue))
            self._in_hand += count  # before they leave the queue, so that nobody ever sees neither
            taken = [self._queue.popleft() for _ in range(count)]
            return [each if isinstance(each, Entry) else Entry(*each) for each in taken]

    def settle(self, entries: Sequence[Entry]) -> None:
        with self._counting:
            self._in_hand = max(0, self._in_hand - len(entries))  # none are left after closing

    def give_back(self, entries: Sequence[Entry]) -> None:
        with self._counting:
            self._queue.extendleft(reversed(entries))
            self._in_hand = max(0, self._in_hand - len(entries))

    @property
    def waiting(self) -> bool:
        return bool(self._queue)

    @property
    def count(self) -> int:
        return len(self._queue) + self._in_hand

    @property
    def fleeting(self) -> int:
        return self.count

    @property
    def empty(self) -> bool:
        return self.count == 0

    def tidy(self) -> None:
        pass

    def bury(self, entry: Entry, error: AmpError) -> None:
        pass

    def before_fork(self) -> None:
        pass

    def after_fork(self) -> None:
        pass

    def in_child(self) -> None:
        self._queue = deque[Waiting]()
        self._in_hand = 0
        self._counting = threading.Lock()

    def close(self) -> int:
        with self._counting:
            lost, self._in_hand = self.count, 0
            self._size = 0  # a caller that comes too late is told so
            self._queue = deque[Waiting]()
        return lost
