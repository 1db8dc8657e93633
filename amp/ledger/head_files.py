"""Writes where chains end to files outside the store, each second, and reads them all back.

A worker holds one file of the folder, `heads-0.log` and so on: the first that nobody else holds and that is
not full. It goes on from that file's last line. Files are never shortened, but for a line that a crash or a
full disk left unfinished.
"""

import asyncio
import fcntl
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

from msgspec import Struct

from amp.clock import Clock, iso, now_ms
from amp.errors import StoreUnavailable
from amp.ledger.alarm import Alarm
from amp.ledger.chain import Head
from amp.ledger.heads import FIRST, Evidence, Line, Place, line, mac_of, read
from amp.observe import HEAD_ERRORS
from amp.tenancy import Tenant

EVERY_S = 1.0
FULL_BYTES = 64 << 20
FOLDER = "ledger"
"""In the data folder."""

_log = logging.getLogger(__name__)


class HeadsReply(Struct, rename="camel"):
    """How the files of heads stand, of all tenants together."""

    files: int
    bytes: int
    written_at: str | None
    """When one was last written to, by any worker; null: none ever was."""
    waiting: int
    """Chains whose newest head the worker that answers has yet to write."""
    failing: bool
    """A worker could not write in the last seconds: the disk is full, or the folder is gone."""


class Heads:
    """The newest heads that this worker saw, on their way to a file."""

    def __init__(self, folder: Path, key: bytes, alarm: Alarm, *, clock: Clock = now_ms) -> None:
        self._file = HeadFile(folder, key, clock)
        self._alarm = alarm
        self._folder = folder
        self._changed: dict[Place, Head] = {}
        self._failing = False

    def heard(self, tenant: Tenant, bucket: int, head: Head) -> None:
        """A chain ends there now; of two calls the longer chain counts."""
        place = tenant.tag, bucket
        known = self._changed.get(place)
        if known is None or head.length > known.length:
            self._changed[place] = head

    async def follow(self) -> None:
        """Writes what has changed, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Writes what has changed; what cannot be written now is written the next time."""
        changed, self._changed = self._changed, {}
        if not changed:
            return
        try:
            await asyncio.to_thread(self._file.append, changed)
        except OSError as error:
            self._keep(changed)
            HEAD_ERRORS.inc()
            with suppress(StoreUnavailable):
                await self._alarm.sound()
            if not self._failing:
                self._failing = True
                _log.warning("Chain heads cannot be written to %s: %s; trying on.", self._folder, error)
        except asyncio.CancelledError:
            self._keep(changed)  # nobody knows; a head may be there twice
            raise
        else:
            if self._failing:
                self._failing = False
                _log.warning("Chain heads are written to %s again.", self._folder)

    async def state(self) -> HeadsReply:
        """How the files stand now; without the folder there are none.

        Raises:
            StoreUnavailable: there is no answer.
        """
        try:
            found = await asyncio.to_thread(_looked, self._folder)
        except OSError:
            found = []
        newest_s = max((each.st_mtime for each in found), default=None)
        return HeadsReply(
            files=len(found),
            bytes=sum(each.st_size for each in found),
            written_at=None if newest_s is None else iso(int(newest_s * 1000)),
            waiting=len(self._changed),
            failing=await self._alarm.sounds(),
        )

    async def close(self) -> None:
        """Writes the last heads and gives the file back."""
        await self.flush()
        self._file.close()

    def _keep(self, unwritten: dict[Place, Head]) -> None:
        self._changed, newer = unwritten, self._changed
        for place, head in newer.items():
            if place not in unwritten or head.length > unwritten[place].length:
                unwritten[place] = head


class HeadFile:
    """The file that one worker appends to."""

    def __init__(self, folder: Path, key: bytes, clock: Clock = now_ms) -> None:
        self._folder = folder
        self._key = key
        self._clock = clock
        self._lock = threading.Lock()
        self._path = folder
        self._file: int | None = None
        self._after = FIRST

    def append(self, heads: Mapping[Place, Head]) -> None:
        """One line with these heads, on disk when it returns.

        Raises:
            OSError: it is not, and no part of a line is left.
        """
        with self._lock:
            file = self._opened()
            raw = line(self._key, self._after, self._clock(), heads)
            size = os.fstat(file).st_size
            try:
                whole = os.write(file, raw) == len(raw)
            except OSError:
                os.ftruncate(file, size)
                raise
            if not whole:
                os.ftruncate(file, size)
                raise OSError(f"{self._path}: only a part of a line could be written")
            self._after = mac_of(raw) or FIRST
            os.fsync(file)

    def close(self) -> None:
        with self._lock:
            self._give_back()

    def _opened(self) -> int:
        if self._file is not None and self._usable(self._file):
            return self._file
        self._give_back()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in count():
            self._path = self._folder / f"heads-{number}.log"
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.open(self._path, flags, 0o600)
            if self._take(file):
                self._file = file
                self._sync_folder()
                return file
            os.close(file)
        raise AssertionError("there is always another number")

    def _usable(self, file: int) -> bool:
        """Whether the file is still the one under its name, and not full."""
        ours = os.fstat(file)
        with suppress(FileNotFoundError):
            there = self._path.stat()
            return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev) and ours.st_size < FULL_BYTES
        return False

    def _take(self, file: int) -> bool:
        """Whether the file is ours now, to go on from its last line."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if os.fstat(file).st_size >= FULL_BYTES:
            return False
        with os.fdopen(os.dup(file), "rb") as opened:
            opened.seek(0)
            raw = opened.read()
        whole = raw.rfind(b"\n") + 1
        after = mac_of(raw[raw.rfind(b"\n", 0, max(0, whole - 1)) + 1 : whole]) if whole else FIRST
        if after is None:
            return False  # somebody else's words: they stay for `verify` to name
        if whole < len(raw):
            os.ftruncate(file, whole)
        self._after = after
        return True

    def _sync_folder(self) -> None:
        """So that a file that was just made is still there after a power cut."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _give_back(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def evidence(folder: Path, key: bytes) -> Evidence:
    """Every head in the folder's files.

    Raises:
        OSError: one cannot be read.
    """
    found = Evidence()
    for path in sorted(folder.glob("heads-*.log"), key=_number):
        found.add(path.name, _read(path, key))
    return found


def _looked(folder: Path) -> list[os.stat_result]:
    return [path.stat() for path in folder.glob("heads-*.log")]


def _read(path: Path, key: bytes) -> Iterator[Line | None]:
    with path.open("rb") as file:
        yield from read(key, file)


def _number(path: Path) -> tuple[int, str]:
    digits = path.stem.removeprefix("heads-")
    return (int(digits) if digits.isdigit() else 1 << 30, path.name)
