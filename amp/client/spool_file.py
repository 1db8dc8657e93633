"""The file of a spool: what SQLite is asked, and who may send what is in it.

A row that was put is there when `put` returns: a WAL commit without fsync, which survives kill -9, and a
power cut unless it is of the last seconds. Callers of `put` are held up as little as can be: reading has a
connection of its own, deleting and moving the WAL into the file are seldom.
"""

import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: every process sends what it finds, and the server tells replays from news
    fcntl = None

PAGE_BYTES = 1024
"""What a report adds to the WAL, at least; four times faster written than the usual 4 KiB."""
WAL_BYTES = 2 << 20
"""Then it is moved into the file."""
SPARE_PAGES = 512
"""Kept for what comes next."""
BUSY_S = 0.1
"""How long a caller waits for another process's write."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, entry BLOB NOT NULL)"
)


class SpoolFile:
    """Rows of `n` entries each, in the order in which they came; raises sqlite3.Error and OSError."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._lock: int | None = None
        self.renew_locks()

    def renew_locks(self) -> None:
        """After a fork: whoever held them is not in this process."""
        self.reading = threading.RLock()
        self.writing = threading.RLock()  # a signal's handler may come between

    def put(self, entry: bytes) -> None:
        with self.writing:
            self.written().execute("INSERT INTO waiting (n, entry) VALUES (1, ?)", (entry,))

    def first(self, most: int) -> list[tuple[int, bytes]]:
        """The first rows and their ids."""
        with self.reading:
            query = "SELECT id, entry FROM waiting ORDER BY id LIMIT ?"
            return self._read().execute(query, (most,)).fetchall()

    def singles(self, after: int, most: int) -> list[tuple[int, bytes]]:
        """The first rows after this one that hold one entry."""
        with self.reading:
            query = "SELECT id, entry FROM waiting WHERE id > ? AND n = 1 ORDER BY id LIMIT ?"
            return self._read().execute(query, (after, most)).fetchall()

    def rows(self, most: int) -> int:
        """How many rows there are, counted up to so many."""
        with self.reading:
            query = "SELECT count(*) FROM (SELECT 1 FROM waiting LIMIT ?)"
            (found,) = self._read().execute(query, (most,)).fetchone()
            return int(found)

    def entries(self) -> int:
        """How many there are in all rows."""
        with self.reading:
            (found,) = self._read().execute("SELECT coalesce(sum(n), 0) FROM waiting").fetchone()
            return int(found)

    def delete(self, rows: Sequence[int]) -> None:
        with self.writing, self.written() as written:  # one transaction
            written.execute("BEGIN IMMEDIATE")
            written.executemany("DELETE FROM waiting WHERE id BETWEEN ? AND ?", _runs(rows))

    def merge(self, rows: Sequence[int], block: bytes) -> None:
        """One row in the place of these."""
        with self.writing, self.written() as written:
            written.execute("BEGIN IMMEDIATE")
            written.executemany("DELETE FROM waiting WHERE id BETWEEN ? AND ?", _runs(rows))
            written.execute("INSERT INTO waiting VALUES (?, ?, ?)", (rows[0], len(rows), block))

    def shrink(self) -> bool:
        """Gives some of the room back that nothing is in; false when there is little."""
        with self.reading:
            (spare,) = self._read().execute("PRAGMA freelist_count").fetchone()
            if spare < SPARE_PAGES:
                return False
            with self.writing:
                self.written().execute("PRAGMA incremental_vacuum(256)").fetchall()
            return True

    def move_wal(self) -> None:
        """What is in the WAL, into the file, once there is enough of it."""
        with self.reading:
            if self._wal_bytes() < WAL_BYTES:
                return
            self._read().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # callers go on meanwhile
            if self._wal_bytes() > 4 * WAL_BYTES:  # they never stop for it to begin anew
                with self.writing:
                    self._read().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def may_send(self) -> bool:
        """Whether it is this file object that sends for all; it is from now on, if nobody else is."""
        if self._lock is None and fcntl is not None:
            lock = os.open(beside(self.path, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                return False
            self._lock = lock
        return True

    def unlock(self) -> None:
        """Another may send; in the child of a fork, the lock stays the parent's."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def let_go(self) -> None:
        """Closes the connections, to be opened again at need: SQLite must not be carried through a fork."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
        self._reader = self._writer = None

    def written(self) -> sqlite3.Connection:
        """The connection that writes; the file is made when there is none."""
        if self._writer is None:
            self._make()
            connection = self._opened()
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
            connection.execute(f"PRAGMA max_page_count = {max(self._size // PAGE_BYTES, 16)}")
            # Callers do not move it, unless no thread of ours does.
            connection.execute(f"PRAGMA wal_autocheckpoint = {4 * WAL_BYTES // PAGE_BYTES}")
            connection.execute(_SCHEMA)
            self._writer = connection
        return self._writer

    def _make(self) -> None:
        """For its owner alone. One that is there is not touched: to close a file frees what SQLite locked.

        Source: sqlite.org/howtocorrupt.html, 2.2.
        """
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    def _read(self) -> sqlite3.Connection:
        """In WAL nobody who reads holds up who writes."""
        if self._reader is None:
            with self.writing:
                self.written()
            self._reader = self._opened()
        return self._reader

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _wal_bytes(self) -> int:
        with suppress(OSError):
            return beside(self.path, "-wal").stat().st_size
        return 0


def beside(path: Path, ending: str) -> Path:
    """The file of this name with something added."""
    return path.with_name(path.name + ending)


def _runs(rows: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for row in sorted(rows):
        if runs and row == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], row)
        else:
            runs.append((row, row))
    return runs
