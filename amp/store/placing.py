"""Puts what was made ready beside a data folder's content in its place, in one step as far as anybody sees.

The new lies in `.restore` in the folder. Once `.restore/ready` is on disk it will take the old one's place:
whoever owns the folder next goes on with moving if the one who began was killed. Before that, nothing in the
folder has changed. The old is moved aside, never deleted.
"""

import os
import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, json

NEW = ".restore"
_READY = "ready"
CONTENT = ("secret", "ledger", "files", "store")
"""What a data folder may hold that nobody wants to lose."""


class _Plan(Struct):
    """What takes whose place."""

    replaced: tuple[str, ...]
    new: tuple[str, ...]
    """Those of them that something new takes the place of."""
    aside: str
    """The folder that the old goes to."""


@contextmanager
def made_ready(folder: Path) -> Generator[Path]:
    """An empty folder for the new; gone at the end, unless it is on its way into its place."""
    new = folder / NEW
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700, parents=True)
    try:
        yield new
    finally:
        if not (new / _READY).exists():
            shutil.rmtree(new, ignore_errors=True)


def held(folder: Path, names: Iterable[str] = CONTENT) -> list[str]:
    """Which of these there are in the folder, with something in them."""
    return [name for name in names if _is_there(folder / name)]


def place(folder: Path, names: tuple[str, ...], aside: str) -> None:
    """The new takes the place of all of these; what was there lies in the folder's folder `aside`."""
    new = folder / NEW
    _sync_all(new)
    draft = new / f"{_READY}.draft"
    draft.write_bytes(
        json.encode(_Plan(names, tuple(name for name in names if (new / name).exists()), aside))
    )
    _sync(draft)
    draft.replace(new / _READY)
    _sync(new)
    finish(folder)


def pending(folder: Path) -> bool:
    """Whether somebody began to move and did not come to the end."""
    return (folder / NEW / _READY).exists()


def finish(folder: Path) -> None:
    """Goes on with moving, from wherever it was left; what was never ready goes. For the owner."""
    new = folder / NEW
    if not new.exists():
        return
    if pending(folder):
        plan = json.decode((new / _READY).read_bytes(), type=_Plan)
        for name in plan.replaced:
            if name not in plan.new or (new / name).exists():  # else it is in its place already
                _put_aside(folder / name, folder / plan.aside)
            if (new / name).exists():
                (new / name).replace(folder / name)
        _sync(folder)
        (new / _READY).unlink()
    shutil.rmtree(new)


def _put_aside(old: Path, aside: Path) -> None:
    if _is_there(old):
        aside.mkdir(mode=0o700, exist_ok=True)
        old.replace(aside / old.name)
    elif old.exists():
        old.rmdir()


def _is_there(path: Path) -> bool:
    """Whether it is a file, or a folder that is not empty."""
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _sync_all(folder: Path) -> None:
    for at, _, names in os.walk(folder):
        for name in names:
            _sync(Path(at) / name)
        _sync(Path(at))


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
