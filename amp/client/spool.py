"""Reports that wait on disk: one SQLite file, which several processes may share.

Whoever holds the lock file sends for all; the kernel frees it when its holder dies. What has arrived is
deleted in bulk, so after a kill some of it is sent again: the server knows it and counts nothing twice.
"""

import os
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from amp.client import entries as forms
from amp.client import letters
from amp.client.backlog import Memory
from amp.client.entries import Entry, Fields, Kind
from amp.client.failures import Unexpected
from amp.client.spool_file import SpoolFile, beside
from amp.client.tally import Tally
from amp.errors import AmpError

BYTES_MAX = 256 << 20
DELETE_AT, DELETE_EVERY_S = 1000, 1.0
"""Rows: deleting holds up the callers of `put`."""
BLOCK, BLOCKS_AT = 500, 20_000
"""Entries of a block, and how many wait before any are made: of an outage, not of a busy minute."""
LOOK_EVERY_S, TIDY_S = 1.0, 2.0
"""Between looks whether there are so many, and of making blocks in one go."""


class Spool:
    """A backlog on disk. What the disk does not take waits in memory, and is said."""

    kept = True

    def __init__(
        self, path: str | os.PathLike[str], tally: Tally, *, memory: int, size: int = BYTES_MAX
    ) -> None:
        self._file = SpoolFile(Path(path).absolute(), size)
        self._tally = tally
        self._memory = Memory(memory)
        self._open = deque[Entry]()  # of rows in hand, not taken yet or given back
        self._held = Counter[int]()  # rows in hand: how many of their entries are not settled
        self._done = Counter[int]()  # rows that are still there: how many of their entries are settled
        self._gone = list[int]()  # of these the rows that are settled as a whole
        self._deleted_s = self._looked_s = 0.0
        self._last_block = 0
        self._closed = False
        with self._said(), self._file.writing:
            self._file.written()

    @property
    def dead_letters(self) -> Path:
        """What can never be delivered, a JSON object a line."""
        return beside(self._file.path, ".dead.jsonl")

    def put(self, kind: Kind, fields: Fields) -> bool:
        packed = forms.pack(kind, fields)
        if self._closed:
            return False
        try:
            self._file.put(packed)
        except (sqlite3.Error, OSError) as error:
            self._say(error)
            return self._memory.put(kind, fields)
        return True

    def take(self, most: int) -> list[Entry]:
        taken = self._memory.take(most)
        if taken:
            return taken
        with self._file.reading, self._said():
            if self._closed or not self._file.may_send():
                return []
            if len(self._open) < most:
                self._read_on(most)
            return [self._open.popleft() for _ in range(min(most, len(self._open)))]
        return []

    def settle(self, entries: Sequence[Entry]) -> None:
        self._memory.settle([entry for entry in entries if not entry.id])
        with self._file.reading, self._said():  # a delete that fails is tried again with the next
            for entry in entries:
                if entry.id:
                    self._arrived(entry.id)
            if len(self._gone) >= DELETE_AT:
                self._delete()

    def give_back(self, entries: Sequence[Entry]) -> None:
        self._memory.give_back([entry for entry in entries if not entry.id])
        with self._file.reading:
            self._open.extendleft(entry for entry in reversed(entries) if entry.id)

    @property
    def waiting(self) -> bool:
        with self._file.reading, self._said():
            if self._memory.waiting or (self._open and not self._closed):
                return True
            return not self._closed and self._file.may_send() and self._more
        return False

    @property
    def count(self) -> int:
        with self._file.reading, self._said():
            on_disk = 0 if self._closed else self._file.entries()
            return self._memory.count + max(0, on_disk - self._done.total())
        return self._memory.count

    @property
    def fleeting(self) -> int:
        return self._memory.count

    @property
    def empty(self) -> bool:
        with self._file.reading, self._said():
            return self._memory.empty and not self._held and (self._closed or not self._more)
        return self._memory.empty

    def bury(self, entry: Entry, error: AmpError) -> None:
        letters.add(self.dead_letters, entry, error, self._tally)

    def tidy(self) -> None:
        """Deletes what has arrived, makes blocks of what waits long, and moves the WAL into the file."""
        with self._file.reading, self._said():
            if self._closed:
                return
            if self._gone and time.monotonic() - self._deleted_s > DELETE_EVERY_S:
                self._delete()
            now_s = time.monotonic()
            if now_s > self._looked_s + LOOK_EVERY_S:
                self._condense(now_s + TIDY_S)
                self._looked_s = time.monotonic()
            self._file.move_wal()

    def close(self) -> int:
        with self._file.reading, self._file.writing:
            with self._said():
                self._delete()
            self._file.let_go()
            self._file.unlock()
            self._closed = True
        return self._memory.close()

    def before_fork(self) -> None:
        """No thread is inside SQLite while the process doubles."""
        self._file.reading.acquire()
        self._file.writing.acquire()
        self._file.let_go()

    def after_fork(self) -> None:
        self._file.writing.release()
        self._file.reading.release()

    def in_child(self) -> None:
        """The rows in hand and the right to send are the parent's."""
        self._file.renew_locks()
        self._file.unlock()
        self._memory.in_child()
        self._open.clear()
        self._held.clear()
        self._done.clear()
        self._gone.clear()

    @property
    def _more(self) -> bool:
        """Whether there are rows beside those in hand and done with."""
        others = len(self._held) + len(self._gone)
        return self._file.rows(others + 1) > others

    def _read_on(self, most: int) -> None:
        busy = self._held.keys() | set(self._gone)
        for row, stored in self._file.first(most + len(busy)):
            if row in busy:
                continue
            for packed in self._entries(row, stored):
                self._held[row] += 1
                self._open.append(Entry(*packed, row))
            if len(self._open) >= most:
                return

    def _entries(self, row: int, stored: bytes) -> list[tuple[Kind, bytes]]:
        """Nothing of a row that nobody of us wrote: it is buried."""
        try:
            return [forms.unpack(packed) for packed in forms.unpack_row(stored)]
        except Exception:  # noqa: BLE001  whatever lies in the file must not stop what lies behind it
            error = Unexpected("a row that is no report")
            self._tally.failed(error.code)
            self.bury(Entry("outcome", {"row": repr(stored)}, row), error)
            self._done[row] += 1
            self._gone.append(row)
            return []

    def _arrived(self, row: int) -> None:
        self._done[row] += 1
        self._held[row] -= 1
        if self._held[row] <= 0:
            del self._held[row]
            self._gone.append(row)

    def _delete(self) -> None:
        if self._gone:
            self._file.delete(self._gone)
            for row in self._gone:
                del self._done[row]
            self._gone.clear()
            self._deleted_s = time.monotonic()

    def _condense(self, until_s: float) -> None:
        """Blocks of what waits long, and a smaller file."""
        if self._gone or not self._file.may_send():
            return
        rows = self._file.rows(BLOCKS_AT + 100 * BLOCK)
        while rows > BLOCKS_AT and self._make_block() and time.monotonic() < until_s:
            rows -= BLOCK - 1
            self._file.move_wal()
        while self._file.shrink() and time.monotonic() < until_s:
            self._file.move_wal()

    def _make_block(self) -> bool:
        """Makes one of the oldest that are none yet; false when there are too few."""
        after = max(self._last_block, max(self._held, default=0))
        singles = self._file.singles(after, BLOCK)
        if len(singles) < BLOCK:
            self._last_block = 0  # numbers begin anew when the file was empty
            return False
        rows, packed = zip(*singles, strict=True)
        self._file.merge(rows, forms.pack_block(packed))
        self._last_block = rows[0]
        return True

    @contextmanager
    def _said(self) -> Generator[None]:
        """Trouble with the file is said and goes no further."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._say(error)

    def _say(self, error: Exception) -> None:
        self._tally.warn_once("spool", "the spool fails, so reports wait in memory: %s", error)
