"""The data folder: what lies where in it, and who owns it.

owner.lock   held by the process that owns the folder, which is named in it
store.lock   held by the store process itself, so that two can never append to one log
socket       where the store listens: a short private temporary path, kept from start to start
secret       what keys and request ids are sealed with (0600)
store/       the append-only log, and store.log beside it
"""

import fcntl
import json
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from amp.exits import SettingsRefused
from amp.store import placing

_OWNER = "owner.lock"
SOCKET_BYTES_MAX = 103  # macOS allows 103, Linux 107: a longer path cannot be bound


class Lock:
    """An advisory lock on a file; the system gives it back when its last holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> bool:
        """Whether we hold it now; never waits."""
        if self._file is None:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            self._file = file
        return True

    def give_back(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def held(self) -> bool:
        return self._file is not None

    @property
    def file(self) -> int:
        """The descriptor; a child that inherits it holds the lock too."""
        assert self._file is not None, "the lock is not held"
        return self._file

    def sign(self, note: str) -> None:
        """Leaves a note for those who find the lock taken."""
        written = os.pwrite(self.file, note.encode(), 0)
        os.ftruncate(self.file, written)  # last: who reads meanwhile never finds nothing

    def note(self) -> str:
        return self._path.read_text(encoding="utf-8") if self._path.exists() else ""


class Owner(NamedTuple):
    """Who holds the folder; `lasting` when it serves until it is stopped, and others may use its store."""

    pid: int
    lasting: bool


class DataFolder:
    """A folder we can write to.

    Raises:
        SettingsRefused: it cannot be made or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / "store"
        self.log = path / "store.log"
        self.owner_lock = Lock(path / _OWNER)
        self.store_lock = Lock(path / "store.lock")
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.store.mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=path), tempfile.TemporaryFile(dir=self.store):
                pass
        except OSError as error:
            raise SettingsRefused(
                f"The data folder {path} cannot be written to ({error.strerror}). "
                "Choose another with --data or AMP_DATA, or give this user the right to write there."
            ) from error

    def own(self, *, lasting: bool) -> bool:
        """Whether the folder is ours now; never waits."""
        if not self.owner_lock.take():
            return False
        self.owner_lock.sign(json.dumps({"pid": os.getpid(), "lasting": lasting}))
        placing.finish(self.path)  # of a restore that was killed
        return True

    def settle(self) -> None:
        """Ends what a restore that was killed left half-way, unless somebody is at it."""
        if placing.pending(self.path) and self.own(lasting=False):
            self.owner_lock.give_back()

    def owner(self) -> Owner | None:
        """Who says to own it; None when nobody does or the one who did is dead."""
        return owner_of(self.path)

    def socket(self) -> Path:
        """Where the store listens, or will; made when there is none yet. Only for the owner."""
        recorded = self.recorded_socket()
        if recorded and _make_private(recorded.parent):
            return recorded
        socket = Path(tempfile.mkdtemp(prefix="amp-")) / "store.sock"
        if len(os.fsencode(socket)) > SOCKET_BYTES_MAX:
            socket.parent.rmdir()
            socket = Path(tempfile.mkdtemp(prefix="amp-", dir="/tmp")) / "store.sock"
        _draft(self.path / "socket", str(socket)).replace(self.path / "socket")
        return socket

    def leave(self) -> None:
        """Gives the folder back, if it is ours, with nothing left in the temporary path."""
        if self.store_lock.held and (at := self.recorded_socket()):
            with suppress(OSError):  # the next start makes both again, at the same path
                at.unlink(missing_ok=True)
                at.parent.rmdir()
        self.store_lock.give_back()
        self.owner_lock.give_back()

    def recorded_socket(self) -> Path | None:
        with suppress(FileNotFoundError):
            return Path((self.path / "socket").read_text(encoding="utf-8"))
        return None

    def secret(self) -> str:
        """The service's secret, made at the first call.

        Raises:
            SettingsRefused: it is gone although keys that depend on it are there.
        """
        file = self.path / "secret"
        has_data = (
            self.store / "appendonlydir"
        ).exists()  # asked first: whoever starts a store makes the secret before
        if not file.exists():
            if has_data:
                raise SettingsRefused(
                    f"{file} is gone, and no key of this data works without it. "
                    "Put it back from a backup, or set AMP_SECRET to what it held."
                )
            draft = _draft(file, secrets.token_urlsafe(48))
            with suppress(FileExistsError):  # another process was first: its secret counts
                os.link(draft, file)
            draft.unlink()
        return file.read_text(encoding="utf-8").strip()


def owner_of(folder: Path) -> Owner | None:
    """Who says to own it; None when nobody does or the one who did is dead. Makes nothing, writes nothing."""
    with suppress(ValueError, TypeError, ProcessLookupError):
        owner = Owner(**json.loads(Lock(folder / _OWNER).note()))
        with suppress(PermissionError):  # alive, but another user's
            os.kill(owner.pid, 0)
        return owner
    return None


def _make_private(folder: Path) -> bool:
    """Whether it is now a folder of ours that nobody else can enter: /tmp may have been cleared."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(state.st_mode)
        and state.st_uid == os.getuid()
        and stat.S_IMODE(state.st_mode) == 0o700
        and os.access(folder, os.W_OK)  # not where systemd lets a service only read
    )


def _draft(file: Path, content: str) -> Path:
    """The content on disk beside the file it is for, readable by us alone, to be moved there in one step."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    return draft
