"""Restores a backup: into a data folder, or into a store that is empty. All of it, or nothing has changed."""

import asyncio
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from amp.backup.archive import Watch, read
from amp.backup.layout import SECRET, Manifest, fingerprint
from amp.exits import CommandFailed
from amp.settings import Settings
from amp.store.folder import DataFolder
from amp.store.grading_keys import shelf_item
from amp.store.moving import move, patient, whole
from amp.store.placing import CONTENT, held, made_ready, pending, place
from amp.store.replicated import connected, replicated
from amp.store.scratch import SNAPSHOT, Loaded, scratch, to_log
from amp.tenancy import tenant

BESIDE = ("ledger", "files")
"""What lies in the data folder of a service whose store is elsewhere."""
_AT_ONCE = 1000


class Watches(NamedTuple):
    """Who is told how far it is."""

    unpacked: Watch
    """Bytes of the file."""
    loading: Callable[[int], None]
    """How many keys there are, when the store has them."""
    copied: Watch
    """Keys, into another store or a log."""


class Restored(NamedTuple):
    """What is there now."""

    manifest: Manifest
    keys: int
    expired: int
    """Keys whose time was over: they are not there."""
    unknown_files: int
    """Bytes of files that the store does not know: they were deleted before its snapshot."""
    aside: Path | None
    """Where the old lies."""


def restore(file: Path, settings: Settings, *, force: bool, aside: str, watches: Watches) -> Restored:
    """Into the data folder, or into the store that the settings name and the folder beside it.

    With `force` what the folder holds is moved into its folder `aside`, and a backup is taken whose secret is
    another.

    Raises:
        CommandFailed: the file is damaged, its secret is another, or the target holds something.
        SettingsRefused: the data folder cannot be used.
        StoreUnavailable: the store does not answer.
    """
    names = BESIDE if settings.redis else CONTENT
    with _owned(settings, names) as folder:
        there = held(folder, names)
        if set(there) - {SECRET} and not force:
            raise CommandFailed(
                f"{folder} holds {', '.join(there)}. Choose an empty folder with --data, or move what is "
                f"there into its folder {aside} with --force."
            )
        with made_ready(folder) as new:
            manifest = read(file, new, watches.unpacked)
            if _keeps_secret(manifest, settings, folder, force=force):
                names = tuple(name for name in names if name != SECRET)
                (new / SECRET).unlink(missing_ok=True)
            loaded, unknown = _prepared(new, manifest, settings, watches)
            _place(folder, names, aside)
            if settings.redis:
                asyncio.run(_whole(settings.redis))
    moved = folder / aside if set(there) & set(names) else None
    return Restored(manifest, loaded.keys, loaded.expired, unknown, moved)


def _keeps_secret(manifest: Manifest, settings: Settings, folder: Path, *, force: bool) -> bool:
    """Whether the secret that is used stays: the operator's, or the one that lies in the folder.

    Raises:
        CommandFailed: it is not the one that the backup's keys were made under, or there is none.
    """
    path = folder / SECRET
    there = settings.secret or (path.read_text(encoding="utf-8").strip() if path.exists() else None)
    if there is None and not manifest.has_secret:
        raise CommandFailed(
            "This backup does not carry its secret. Set AMP_SECRET to the one that the service had, or put "
            "its file `secret` into the data folder first."
        )
    if there is None:
        return False
    same = fingerprint(there) == manifest.secret
    if not same and not force:
        where = "AMP_SECRET" if settings.secret else path
        raise CommandFailed(
            f"{where} is not the secret of this backup: no API key and no request id of it would open, and "
            "`amp ledger verify` would not believe its heads. Give the one that the service had, or none if "
            "the backup carries its own; --force restores all the same."
        )
    return same or not manifest.has_secret or settings.redis is not None


def _prepared(new: Path, manifest: Manifest, settings: Settings, watches: Watches) -> tuple[Loaded, int]:
    """The unpacked, as it will lie in the data folder; what belongs into another store is there."""
    with scratch(new / "store", manifest.database) as loaded:
        watches.loading(loaded.keys)
        unknown = asyncio.run(_forget_unknown(loaded.url, new / "files"))
        if settings.redis:
            asyncio.run(_move(loaded.url, settings.redis, manifest, watches.copied, settings.ack_replicas))
        else:
            to_log(loaded.url)
            watches.copied(loaded.keys)
    (new / "store" / SNAPSHOT).unlink()
    if settings.redis:
        shutil.rmtree(new / "store")
        (new / SECRET).unlink(missing_ok=True)
    return loaded, unknown


@contextmanager
def _owned(settings: Settings, names: tuple[str, ...]) -> Generator[Path]:
    """The data folder, which nobody else uses meanwhile; gone again if it was not there and nothing came.

    Raises:
        CommandFailed: a service or a store runs on it.
    """
    made = not settings.data.exists()
    folder = DataFolder(settings.data)
    try:
        if not (folder.own(lasting=False) and folder.store_lock.take()):
            owner = folder.owner()
            who = f"process {owner.pid}" if owner else "another process"
            raise CommandFailed(f"{folder.path} is in use ({who}). Stop the service first.")
        yield folder.path
    finally:
        folder.leave()
        if made and not held(folder.path, names) and not pending(folder.path):
            with suppress(OSError):
                shutil.rmtree(folder.path)


def _place(folder: Path, names: tuple[str, ...], aside: str) -> None:
    try:
        place(folder, names, aside)
    except OSError as error:
        raise CommandFailed(
            f"What was restored cannot be put into its place in {folder}: {error}. Mend that and run the "
            "same command again."
        ) from error


async def _whole(url: str) -> None:
    target = patient(url)
    try:
        await whole(target)
    finally:
        await target.close()


async def _move(source_url: str, target_url: str, manifest: Manifest, watch: Watch, replicas: int) -> None:
    source, target = patient(source_url), patient(target_url)
    try:
        await connected(target, replicas)
        await move(source, target, f"{manifest.began_at} {manifest.secret}", watch)
        await replicated(target, replicas)  # before anybody may serve from it
    finally:
        await source.close()
        await target.close()


async def _forget_unknown(url: str, files: Path) -> int:
    """Removes bytes that no document of the store names; how many there were."""
    store, unknown = patient(url), 0
    try:
        for folder in _listed(files):
            owner, paths = tenant(*folder.name.split(".")), _listed(folder)
            for start in range(0, len(paths), _AT_ONCE):
                some = paths[start : start + _AT_ONCE]
                asked = [("EXISTS", shelf_item(owner, "file", path.name)) for path in some]
                for path, known in zip(some, await store.ask_all(asked), strict=True):
                    if not known:
                        path.unlink()
                        unknown += 1
            _remove_empty(folder)
        _remove_empty(files)
    finally:
        await store.close()
    return unknown


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
