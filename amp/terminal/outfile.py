"""A file that a command writes: whole or not at all, as JSONL or Parquet."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Generic, Self, TypeVar

from amp.exits import CommandFailed
from amp.terminal.logfile import pyarrow

Line = TypeVar("Line")
_GROUP_LINES = 10_000
"""Lines of a Parquet row group: what is in memory at a time."""


def check_form(form: str, out: str | None) -> None:
    if form not in {"jsonl", "parquet"}:
        raise CommandFailed(f"--format: must be jsonl or parquet, not {form!r}.")
    if form == "parquet" and out is None:
        raise CommandFailed("--format parquet needs --out FILE: it is no text for a terminal.")
    if form == "parquet":
        pyarrow()


@contextmanager
def drafted(file: Path, *, mode: int = 0o666) -> Generator[BinaryIO]:
    """A file beside the one that is meant, which it becomes when all of it is written and on disk."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        try:
            created = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(created, "wb") as opened:
                yield opened
                opened.flush()
                os.fsync(opened.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}.") from error


class RowGroups(Generic[Line]):
    """Writes lines as Parquet, a row group at a time, so that few are in memory."""

    def __init__(self, file: BinaryIO, plain: Callable[[list[Line]], list[dict[str, Any]]]) -> None:
        """`plain` makes of lines what the columns take."""
        self.arrow = pyarrow()
        self._file = file
        self._plain = plain
        self._lines: list[Line] = []
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def under(self, schema: Any) -> Callable[[Line], None]:
        """The writer of lines with these columns; asked for once."""
        self._writer = self.arrow.parquet.ParquetWriter(self._file, schema, compression="zstd")
        return self._write

    def _write(self, line: Line) -> None:
        self._lines.append(line)
        if len(self._lines) == _GROUP_LINES:
            self._flush()

    def _flush(self) -> None:
        table = self.arrow.Table.from_pylist(self._plain(self._lines), self._writer.schema)
        self._writer.write_table(table)
        self._lines.clear()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        if kind is None and self._lines:
            self._flush()
        self._writer.close()
