"""A log that `amp log export` wrote, read back, and pyarrow where it is Parquet."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from amp.exits import CommandFailed
from amp.learning.logline import LogLine

MAPS = ("offered", "exclude")
"""Columns of options by dimension, which Parquet has as lists of pairs."""
_PARQUET = b"PAR1"
"""How such a file begins."""


def lines(file: Path) -> Iterator[LogLine]:
    """Every decision of the file, in its order.

    Raises:
        CommandFailed: it cannot be read or is no log, or pyarrow is missing.
    """
    try:
        with file.open("rb") as opened:
            parquet = opened.read(len(_PARQUET)) == _PARQUET
        yield from _of_parquet(file) if parquet else _of_jsonl(file)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror or error}.") from error


def pyarrow() -> Any:
    """The library with its Parquet.

    Raises:
        CommandFailed: it is not installed.
    """
    try:
        import_module("pyarrow.parquet")
    except ImportError as missing:
        raise CommandFailed("Parquet needs pyarrow: pip install 'amp[parquet]'.") from missing
    return import_module("pyarrow")


def _of_jsonl(file: Path) -> Iterator[LogLine]:
    decoder = msgspec.json.Decoder(LogLine)
    with file.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise CommandFailed(
                    f"{file}, line {number}: {error}; a log is what amp log export writes."
                ) from error


def _of_parquet(file: Path) -> Iterator[LogLine]:
    arrow = pyarrow()
    try:
        for batch in arrow.parquet.ParquetFile(file).iter_batches():
            for columns in batch.to_pylist():
                yield msgspec.convert(_plain(columns), LogLine)
    except (arrow.ArrowInvalid, msgspec.ValidationError) as error:
        raise CommandFailed(f"{file}: {error}; a log is what amp log export writes.") from error


def _plain(columns: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: a map is a list of pairs here, and an approach names the dimensions of every layout."""
    for name in MAPS:
        columns[name] = dict(columns.get(name) or ())
    for name in ("approach", "shadow"):
        if columns.get(name):
            columns[name] = {each: option for each, option in columns[name].items() if option is not None}
    return columns
