"""Reports that wait on disk: one SQLite file, which several processes may share.

A report is in the file when `put` returns (a WAL commit without fsync: it survives kill -9, and a power cut
unless it is of the last seconds). Whoever holds the lock file sends for all; the kernel frees it when its
holder dies. Sent rows are deleted in bulk, so after a kill some are sent again: nothing is counted twice.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from amp.client import letters
from amp.client.backlog import Memory
from amp.client.entries import Entry, Fields, Kind, pack, unpack
from amp.client.failures import Unexpected
from amp.client.tally import Tally
from amp.errors import AmpError

try:
    import fcntl
except ImportError:  # Windows: every process sends what it finds, and the server tells replays from news
    fcntl = None

BYTES_MAX = 256 << 20
DELETE_AT, DELETE_EVERY_S = 1000, 1.0
"""Rows: deleting holds up the callers of `put`, so it is done seldom."""
PAGE_BYTES = 1024
"""What a report adds to the WAL, at least; four times faster written than the usual 4 KiB."""
WAL_BYTES = 4 << 20
"""Then what is in the WAL is moved to the file, by a thread of ours."""
BUSY_S = 0.1
"""How long a caller waits for another process's write; then the report waits in memory."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY, entry BLOB NOT NULL)"


class Spool:
    """A backlog on disk. What the disk does not take waits in memory, and is said."""

    kept = True

    def __init__(
        self, path: str | os.PathLike[str], tally: Tally, *, memory: int, size: int = BYTES_MAX
    ) -> None:
        self.path = Path(path).absolute()
        self._tally = tally
        self._size = size
        self._memory = Memory(memory)
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._sender: int | None = None  # the lock file, open and locked
        self._held = set[int]()  # rows in hand
        self._gone = list[int]()  # rows that are settled and not deleted yet
        self._tried = dict[int, Entry]()  # rows given back, with what they went through
        self._closed = False
        self._deleted_s = 0.0
        self.renew_locks()
        with self._writing, self._said():
            self._written()

    def renew_locks(self) -> None:
        """After a fork: whoever held them is not in this process."""
        self._taking = threading.RLock()
        self._writing = threading.RLock()  # a signal's handler may come between

    @property
    def dead_letters(self) -> Path:
        """What can never be delivered, a JSON object a line."""
        return self._beside(".dead.jsonl")

    def put(self, kind: Kind, fields: Fields) -> bool:
        packed = pack(kind, fields)
        try:
            with self._writing:
                if self._closed:
                    return False
                self._written().execute("INSERT INTO waiting (entry) VALUES (?)", (packed,))
                return True
        except (sqlite3.Error, OSError) as error:
            self._say(error)
            return self._memory.put(kind, fields)

    def take(self, most: int) -> list[Entry]:
        taken = self._memory.take(most)
        if taken:
            return taken
        with self._taking, self._said():
            if self._closed or not self._may_send():
                return []
            busy = self._held.union(self._gone)
            rows = self._read().execute(
                "SELECT id, entry FROM waiting ORDER BY id LIMIT ?", (most + len(busy),)
            )
            found = [(row, packed) for row, packed in rows.fetchall() if row not in busy][:most]
            entries = list(chain.from_iterable(self._entry(*each) for each in found))
            self._held.update(entry.id for entry in entries)
            return entries
        return []

    def settle(self, entries: Sequence[Entry]) -> None:
        self._memory.settle([entry for entry in entries if not entry.id])
        with self._taking:
            rows = [entry.id for entry in entries if entry.id]
            self._held.difference_update(rows)
            self._gone += rows
            if len(self._gone) >= DELETE_AT:
                self._delete()

    def give_back(self, entries: Sequence[Entry]) -> None:
        self._memory.give_back([entry for entry in entries if not entry.id])
        with self._taking:
            self._held.difference_update(entry.id for entry in entries)
            self._tried.update((entry.id, entry) for entry in entries if entry.id)

    @property
    def waiting(self) -> bool:
        return self._memory.waiting or (self._may_send() and self._on_disk)

    @property
    def count(self) -> int:
        return self._memory.count + len(self._held) + self._rows(-1)

    @property
    def empty(self) -> bool:
        with self._taking:
            return self._memory.empty and not self._held and not self._on_disk

    def bury(self, entry: Entry, error: AmpError) -> None:
        letters.add(self.dead_letters, entry, error, self._tally)

    def tidy(self) -> None:
        """Deletes what is settled and moves the WAL into the file; for the reporter's thread."""
        with self._taking, self._said():
            if self._gone and time.monotonic() - self._deleted_s > DELETE_EVERY_S:
                self._delete()
            if self._wal_bytes() < WAL_BYTES or self._closed:
                return
            self._read().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # callers go on meanwhile
            if self._wal_bytes() > 4 * WAL_BYTES:  # they never stop for it to begin anew
                with self._writing:
                    self._read().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> int:
        with self._taking, self._writing:
            self._delete()
            self.let_go()
            self._closed = True
            if self._sender is not None:
                os.close(self._sender)
                self._sender = None
        return self._memory.close()

    def let_go(self) -> None:
        """Closes the file, to be opened again at need: SQLite must not be carried through a fork."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
        self._reader = self._writer = None

    def before_fork(self) -> None:
        """No thread is inside SQLite while the process doubles."""
        self._taking.acquire()
        self._writing.acquire()
        self.let_go()

    def after_fork(self) -> None:
        """In the parent."""
        self._writing.release()
        self._taking.release()

    def in_child(self) -> None:
        """The rows in hand and the right to send are the parent's."""
        self.renew_locks()
        self._memory.in_child()
        self._held.clear()
        self._gone.clear()
        self._tried.clear()
        if self._sender is not None:
            os.close(self._sender)
            self._sender = None

    @property
    def _on_disk(self) -> bool:
        return self._rows(len(self._held) + len(self._gone) + 1) > 0

    def _may_send(self) -> bool:
        if self._sender is None and fcntl is not None:
            file = os.open(self._beside(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)
                return False
            self._sender = file
        return True

    def _entry(self, row: int, packed: bytes) -> Iterator[Entry]:
        """Nothing of a row that nobody of us wrote; it is deleted."""
        if row in self._tried:
            yield self._tried.pop(row)
            return
        try:
            kind, body = unpack(packed)
            yield Entry(kind, body, row)
        except Exception:  # noqa: BLE001  whatever lies in the file must not stop what lies behind it
            self._tally.failed(Unexpected.code)
            self.bury(Entry("outcome", {"row": repr(packed)}, row), Unexpected("a row that is no report"))
            self._gone.append(row)

    def _delete(self) -> None:
        with self._said(), self._writing:
            if not self._gone:
                return
            written = self._written()
            with written:  # one transaction
                written.execute("BEGIN IMMEDIATE")
                written.executemany("DELETE FROM waiting WHERE id BETWEEN ? AND ?", _runs(self._gone))
            self._gone.clear()
            self._deleted_s = time.monotonic()

    def _rows(self, most: int) -> int:
        """How many wait beside those in hand and done with, counted up to `most` rows; -1: all."""
        with self._said(), self._taking:
            if self._closed:
                return 0
            counted = "SELECT count(*) FROM (SELECT 1 FROM waiting LIMIT ?)"
            (found,) = self._read().execute(counted, (most,)).fetchone()
            return max(0, found - len(self._held) - len(self._gone))
        return 0

    def _written(self) -> sqlite3.Connection:
        if self._writer is None:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._writer = self._opened()
            self._writer.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute(f"PRAGMA max_page_count = {max(self._size // PAGE_BYTES, 16)}")
            # Callers do not do it, unless no thread of ours does.
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {8 * WAL_BYTES // PAGE_BYTES}")
            self._writer.execute(_SCHEMA)
        return self._writer

    def _read(self) -> sqlite3.Connection:
        """A connection of its own: in WAL nobody who reads holds up who writes."""
        if self._reader is None:
            with self._writing:
                self._written()
            self._reader = self._opened()
        return self._reader

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _wal_bytes(self) -> int:
        with suppress(OSError):
            return self._beside("-wal").stat().st_size
        return 0

    @contextmanager
    def _said(self) -> Generator[None]:
        """Trouble with the file is said and goes no further."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._say(error)

    def _say(self, error: Exception) -> None:
        self._tally.warn_once("spool", "the spool fails, so reports wait in memory: %s", error)

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def _runs(rows: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for row in sorted(rows):
        if runs and row == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], row)
        else:
            runs.append((row, row))
    return runs
