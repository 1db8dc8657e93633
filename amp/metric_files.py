"""Metrics that processes share by files: summed over all of them, and over those that have ended.

A process that ends leaves its files; what they count goes into one, so that no count is lost and no file
stays. A lock keeps a reader from seeing a count in both, or in neither.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which processes share their metrics: prometheus-client's own."""

_SUMMED = ("counter", "histogram")
_LOCK = "lock"


@contextmanager
def folder() -> Generator[Path]:
    """A folder for the processes that are started meanwhile."""
    with TemporaryDirectory(prefix="amp-metrics-") as name:
        # what cleans temporary folders of old files leaves alone what is locked (systemd-tmpfiles)
        held = os.open(name, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        os.environ[FOLDER] = name
        try:
            yield Path(name)
        finally:
            del os.environ[FOLDER]
            os.close(held)


def exposition() -> bytes | None:
    """The metrics of all processes as Prometheus text; None where they share no folder."""
    name = os.environ.get(FOLDER)
    if name is None:
        return None
    registry = CollectorRegistry()
    with _locked(Path(name), fcntl.LOCK_SH):
        MultiProcessCollector(registry, path=name)
        return generate_latest(registry)


def ended(process: int) -> None:
    """What a process that is gone has counted stays; what it was is forgotten."""
    name = os.environ.get(FOLDER)
    if name is None:
        return
    with _locked(Path(name), fcntl.LOCK_EX):
        for kind in _SUMMED:
            _add(Path(name) / f"{kind}_{process}.db", Path(name) / f"{kind}_ended.db")
        for gauge in Path(name).glob(f"gauge_*_{process}.db"):
            gauge.unlink()


def _add(left: Path, to: Path) -> None:
    with suppress(FileNotFoundError):
        kind: Any = MmapedDict  # the library does not say what its values are
        read, kept = kind.read_all_values_from_file(left), kind(str(to))
        for key, value, at, _ in read:
            kept.write_value(key, kept.read_value(key)[0] + value, at)
        kept.close()
        left.unlink()


@contextmanager
def _locked(place: Path, how: int) -> Generator[None]:
    held = os.open(place / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(held, how)
        yield
    finally:
        os.close(held)
