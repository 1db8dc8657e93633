"""Where reports wait: in memory here, on disk in spool.py."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from amp.client.entries import Entry, Fields, Kind


class Backlog(Protocol):
    """What waits, and what was taken and is not settled yet. Callers put; the reporter's threads do the rest."""

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
    def empty(self) -> bool:
        """Whether nothing waits and nothing is in hand."""
        ...

    def close(self) -> int:
        """Takes nothing more; how many that waited are lost."""
        ...


class Memory:
    """A bounded queue that dies with the process. Putting takes no lock: deques are safe by themselves."""

    kept = False

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue = deque[Entry]()
        self._in_hand = 0

    def put(self, kind: Kind, fields: Fields) -> bool:
        if len(self._queue) >= self._size:
            return False
        self._queue.append(Entry(kind, fields))
        return True

    def take(self, most: int) -> list[Entry]:
        taken: list[Entry] = []
        while len(taken) < most and self._queue:
            self._in_hand += 1  # before it leaves the queue, so that nobody ever sees neither
            try:
                taken.append(self._queue.popleft())
            except IndexError:
                self._in_hand -= 1
                break
        return taken

    def settle(self, entries: Sequence[Entry]) -> None:
        self._in_hand -= len(entries)

    def give_back(self, entries: Sequence[Entry]) -> None:
        self._queue.extendleft(reversed(entries))
        self._in_hand -= len(entries)

    @property
    def waiting(self) -> bool:
        return bool(self._queue)

    @property
    def count(self) -> int:
        return len(self._queue) + self._in_hand

    @property
    def empty(self) -> bool:
        return self.count == 0

    def close(self) -> int:
        lost = len(self._queue)
        self._queue.clear()
        return lost
