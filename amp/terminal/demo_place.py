"""Where `amp demo` keeps its data: a folder that is marked as a demo's, which alone is ever removed."""

import shlex
import shutil
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import platformdirs

from amp.exits import CommandFailed
from amp.parse import without_password
from amp.settings import Settings
from amp.simulate.serving import throw_away
from amp.store.folder import DataFolder
from amp.terminal import talk

OWN_TENANT = "demo"
"""In a folder of its own; elsewhere each demo has another, beside whatever is there."""
MARK = "amp-demo"
"""The file that says so."""
_MARKED = "Made by `amp demo`. `amp demo --clean` removes this folder.\n"
_OURS = {MARK, "owner.lock", "store.lock", "socket", "secret", "store", "store.log", "ledger", "files"}


@dataclass(frozen=True)
class Site:
    """Where a demo runs: `given` by --data or --redis, else `own`, else thrown away."""

    asked: Settings
    given: bool
    own: bool

    @property
    def kept(self) -> bool:
        return self.given or self.own

    @property
    def data(self) -> Path:
        return self.asked.data if self.given else own_folder()

    @property
    def options(self) -> list[str]:
        """How other commands find it."""
        if self.given and self.asked.redis:
            return ["--redis", without_password(self.asked.redis)]
        return ["--data", str(self.data)]

    @property
    def told(self) -> str:
        return f"The data lies in {self.options[1]}."

    @property
    def rid(self) -> str:
        """How to get rid of it."""
        if self.own:
            return "Remove it with: amp demo --clean"
        if self.asked.redis or not _is_marked(self.data):
            return "It stays: other data is there too."
        return f"Remove it with: {shlex.join(['amp', 'demo', '--clean', *self.options])}"

    @contextmanager
    def settings(self) -> Generator[Settings]:
        """Ready to be served from.

        Raises:
            CommandFailed: the demo's own folder holds something else, or is in use.
            SettingsRefused: it cannot be written to.
        """
        if not self.kept:
            with throw_away(self.asked) as thrown:
                yield thrown
            return
        if self.own and remove(self.data):
            talk.say(f"Removed the last demo from {self.data}.")
        if not self.asked.redis or self.own:
            _mark(self.data)
        yield replace(self.asked, data=self.data, redis=None, secret=None) if self.own else self.asked


def own_folder() -> Path:
    """Of the demo of this user."""
    return Path(platformdirs.user_data_dir("amp-demo", appauthor=False))


def remove(folder: Path) -> bool:
    """Whether there was a demo's folder, which is gone now.

    Raises:
        CommandFailed: it is not a demo's, holds more than a demo's, or is in use.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not _is_marked(folder):
        raise CommandFailed(f"{folder} was not made by amp demo. Nothing was removed.")
    if strange := sorted(each.name for each in folder.iterdir() if each.name not in _OURS):
        raise CommandFailed(f"{folder} holds what no demo made: {', '.join(strange)}. Nothing was removed.")
    held = DataFolder(folder)
    if not held.own(lasting=False):
        owner = held.owner()
        who = f"process {owner.pid}" if owner else "another process"
        raise CommandFailed(f"A demo runs in {folder} ({who}). End it with Ctrl-C first.")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise CommandFailed(f"{folder} cannot be removed: {error.strerror}.") from error
    finally:
        held.leave()
    return True


def clean(folder: Path) -> None:
    """`amp demo --clean`.

    Raises:
        CommandFailed: see `remove`.
    """
    gone = remove(folder)
    talk.say(f"Removed {folder}." if gone else f"There is nothing to remove: {folder} is not there.")


def stay() -> None:
    """Until Ctrl-C, or SIGTERM."""

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
        talk.say("\nEnding.")
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _mark(folder: Path) -> None:
    """Only what holds nothing yet becomes a demo's."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if any(_others(folder)):
            return
    DataFolder(folder)
    (folder / MARK).write_text(_MARKED, encoding="utf-8")


def _others(folder: Path) -> Iterator[Path]:
    return (each for each in folder.iterdir() if each.name != MARK)


def _is_marked(folder: Path) -> bool:
    return (folder / MARK).is_file()
