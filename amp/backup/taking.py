"""Takes a backup of a store that is served from, or of one that rests.

The order is what makes it one moment. Files first, and those that came meanwhile at the end: a file's bytes
are there before the store knows it, and leave after the store forgot it. Chain heads next: what is on file is
in the store by then, so no head of the backup is ahead of its store. Then the store, as of the moment that
its process forks; it must not be a snapshot that was begun for somebody else before the heads were read.
"""

import asyncio
from pathlib import Path
from typing import BinaryIO, NamedTuple

from amp import __version__
from amp.backup.archive import Watch, Writer, writer
from amp.backup.layout import FORMAT, PIECE_BYTES, SECRET, Header, Manifest, Part, fingerprint, is_part, piece
from amp.clock import iso
from amp.exits import CommandFailed
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.durability import durability
from amp.store.keeper import opened
from amp.store.rdb import RdbHead, read_head
from amp.store.snapshot import Replica, database, replica

_HEAD_BYTES = 4 << 20
"""In which a snapshot's head is looked for: our function libraries, 100 KB, stand before its end."""


class _Told(NamedTuple):
    """What is asked of the store before."""

    server: str
    began_ms: int
    durability: str


def take(settings: Settings, file: BinaryIO, *, with_secret: bool, watch: Watch) -> Manifest:
    """Writes the backup; what it is.

    Raises:
        StoreMissing: no store can be started or reached, or it does not send its content.
        CommandFailed: it is a cluster, or a file cannot be read.
    """
    ours = settings.redis is None and settings.secret is None
    with opened(settings) as complete, writer(file) as into, replica(complete.redis or "") as store:
        told = _told(store, asyncio.run(_mode(complete.redis or "")))
        into.begin(Header(FORMAT, __version__))
        _add_files(into, settings.data, watch)
        _add_heads(into, settings.data)
        kept = with_secret and ours
        if kept:
            into.add(SECRET, (complete.secret or "").encode())
        store.at_rest()
        head = _add_snapshot(into, store, watch)
        _add_files(into, settings.data, watch)
        manifest = _manifest(complete, told, head, into.parts, has_secret=kept)
        into.end(manifest)
    return manifest


def _manifest(
    settings: Settings, told: _Told, head: RdbHead, parts: list[Part], *, has_secret: bool
) -> Manifest:
    number = database(settings.redis or "")
    return Manifest(
        format=FORMAT,
        amp=__version__,
        server=told.server,
        durability=told.durability,
        began_at=iso(told.began_ms),
        snapshot_at=None if head.saved_s is None else iso(head.saved_s * 1000),
        rdb=head.format,
        database=number,
        # the head tells only of the first database that has any
        keys=head.keys if head.database in {number, None} else None,
        secret=fingerprint(settings.secret or ""),
        has_secret=has_secret,
        parts=parts,
    )


async def _mode(url: str) -> str:
    store = connect(url)
    try:
        return (await durability(store)).mode
    finally:
        await store.close()


def _told(store: Replica, mode: str) -> _Told:
    info, (seconds, micros) = store.info(), store.ask("TIME")
    if info.get("cluster_enabled") == "1":
        raise CommandFailed(
            "This store is one node of a cluster. A backup is one moment of one store, and a cluster has "
            "none in common: use its host's snapshots of every node."
        )
    if info.get("role", "master") != "master":
        raise CommandFailed(
            "This store is a replica: it may be behind the chain heads on file. Back up its master."
        )
    valkey = info.get("valkey_version")
    server = f"Valkey {valkey}" if valkey else f"Redis {info.get('redis_version', '')}"
    return _Told(server, int(seconds) * 1000 + int(micros) // 1000, mode)


def _add_files(into: Writer, data: Path, watch: Watch) -> None:
    """Those that are not there yet."""
    there = {each.name for each in into.parts}
    for path in sorted((data / "files").glob("*/*")):
        name = f"files/{path.parent.name}/{path.name}"
        if name in there or not is_part(name):  # the latter is a draft that is being written
            continue
        content = _content(path)
        if content is not None:  # else it was forgotten meanwhile, by the store first
            into.add(name, content)
            watch(len(content))


def _add_heads(into: Writer, data: Path) -> None:
    for path in sorted((data / "ledger").glob("heads-*.log")):
        if content := _content(path):
            into.add(f"ledger/{path.name}", content[: content.rfind(b"\n") + 1])  # without a line under way


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}.") from error


def _add_snapshot(into: Writer, store: Replica, watch: Watch) -> RdbHead:
    number, held, first = 0, bytearray(), bytearray()
    for some in store.snapshot():
        watch(len(some))
        held += some
        if len(first) < _HEAD_BYTES:
            first += some
        while len(held) >= PIECE_BYTES:
            into.add(piece(number), bytes(held[:PIECE_BYTES]))
            number += 1
            del held[:PIECE_BYTES]
    if held:
        into.add(piece(number), bytes(held))
    head = read_head(bytes(first))
    if head is None:
        raise CommandFailed("What the store sent is no snapshot that amp knows.")
    return head
