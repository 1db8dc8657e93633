"""`amp backup`: everything there is to lose, into one file, while it is served from; is one whole?"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from amp.backup.archive import read
from amp.backup.layout import Manifest
from amp.backup.taking import take
from amp.exits import CommandFailed
from amp.settings import Settings
from amp.terminal import talk
from amp.terminal.outfile import drafted
from amp.terminal.transfer import passing, stages


def run(settings: Settings, name: str, *, with_secret: bool, as_json: bool) -> None:
    """Takes a backup, and says what is in it.

    Raises:
        CommandFailed: the file is there already or cannot be written, or the store is a cluster.
        StoreMissing: no store can be started or reached, or it does not send its content.
    """
    file, began = _named(name), time.perf_counter()
    with drafted(file, mode=0o600) as draft, passing("Backing up") as watch:
        manifest = take(settings, draft, with_secret=with_secret, watch=watch)
    _tell(file, manifest, time.perf_counter() - began, as_json=as_json)
    talk.say(f"Next: amp restore --drill {file}")


def check(name: str, *, as_json: bool) -> None:
    """Reads a backup to its end, and says what is in it.

    Raises:
        CommandFailed: it is damaged, cut, or none.
    """
    file, began = Path(name), time.perf_counter()
    with stages() as stage:
        manifest = read(file, None, stage("Checking the file", size_of(file)))
    _tell(file, manifest, time.perf_counter() - began, as_json=as_json)
    talk.say("Every part is what the manifest says. Whether it can be restored tells: amp restore --drill")


def size_of(file: Path) -> int:
    """In bytes.

    Raises:
        CommandFailed: there is no such file.
    """
    try:
        return file.stat().st_size
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error


def told(manifest: Manifest) -> dict[str, Any]:
    """For machines: without the single parts, of which there is one for each file."""
    plain = msgspec.to_builtins(manifest)
    return plain | {"parts": len(manifest.parts), "partBytes": manifest.bytes}


def _named(name: str) -> Path:
    """The file; one with the time in its name where a folder is meant."""
    file = Path(name)
    if file.is_dir():
        file /= f"amp-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar.gz"
    if file.exists():
        raise CommandFailed(f"{file} is there already. Choose another name, or a folder.")
    return file


def _tell(file: Path, manifest: Manifest, took_s: float, *, as_json: bool) -> None:
    size = file.stat().st_size
    if as_json:
        talk.write_json(
            {"file": str(file), "bytes": size, "tookS": round(took_s, 3), "manifest": told(manifest)}
        )
        return
    heads, files = manifest.under("ledger/"), manifest.under("files/")
    inside = "in it: keep the file like a password" if manifest.has_secret else "not in it: keep it apart"
    keys = "unknown" if manifest.keys is None else f"{manifest.keys:,}"
    talk.write(str(file))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for row in (
        ("size", f"{decimal(size)}, {took_s:.1f} s"),
        ("as of", manifest.snapshot_at or "unknown"),
        ("store", f"{manifest.server}, durability {manifest.durability}"),
        ("keys", keys),
        ("chain heads", f"{len(heads):,} files, {decimal(sum(each.bytes for each in heads))}"),
        ("files", f"{len(files):,}, {decimal(sum(each.bytes for each in files))}"),
        ("secret", f"{inside} (fingerprint {manifest.secret[:8]})"),
        ("written by", f"amp {manifest.amp}, format {manifest.format}"),
    ):
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)
