"""`amp log export`: one line a decision with an outcome, as JSONL or Parquet."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec

from amp.exits import CommandFailed
from amp.learning.approaches import Approaches
from amp.learning.journal import Entry
from amp.learning.logline import LogLine
from amp.learning.policies import InForce
from amp.learning.prior import Prior
from amp.learning.replay import REASONS, Reason
from amp.settings import Settings
from amp.tenancy import tenant
from amp.terminal import talk
from amp.terminal.reading import Take, read, since

Write = Callable[[LogLine], None]
_GROUP_LINES = 10_000
"""Lines of a Parquet row group: what is in memory at a time."""


def run(settings: Settings, name: str, env: str, *, out: str | None, form: str, since: str | None) -> None:
    """Writes the log, and says what is in it and what is not.

    Raises:
        CommandFailed: an option is not understood, pyarrow is missing, or the file cannot be written.
        StoreUnavailable: there is no answer.
        InvalidInput: no such tenant can be.
    """
    check_form(form, out)
    export = Export(settings, name, env, since)
    if out is None:
        export.to(_jsonl(sys.stdout.buffer))
        sys.stdout.flush()
    else:
        file = Path(out)
        with drafted(file) as draft:
            export.into(draft, form)
    talk.say(export.told(out))


class Export:
    """One run, and what it has seen."""

    def __init__(self, settings: Settings, name: str, env: str, after: str | None) -> None:
        self._settings = settings
        self._owner = tenant(name, env)
        self._since_ms = since(after)
        self._where = f"--tenant {name} --env {env}"
        self.seen: Counter[Reason | None] = Counter()

    def to(self, write: Write) -> None:
        """Every decision, to one writer."""
        self._read(lambda _: write)

    def into(self, file: BinaryIO, form: str) -> None:
        """Every decision, into a file."""
        if form == "jsonl":
            self.to(_jsonl(file))
            return
        with _Parquet(file) as parquet:
            self._read(parquet.of)

    def _read(self, writer: Callable[[Approaches], Write]) -> None:
        def start(ruled: InForce, _: Prior) -> Take:
            write = writer(ruled.approaches)

            def take(told: LogLine, entry: Entry) -> None:
                self.seen[entry.reason] += 1
                write(told)

            return take

        read(self._settings, self._owner, self._since_ms, start)

    def told(self, out: str | None) -> str:
        """What was written, what has no propensity and why, and what to do next."""
        known, total = self.seen[None], self.seen.total()
        said = [f"{total:,} decisions with an outcome, {known:,} with a propensity."]
        said += [f"  {count:,} {reason}: {REASONS[reason]}" for reason, count in self._missing()]
        if out and known:
            said.append(f"Next: amp evaluate --policy FILE --log {out}, or without --log {self._where}")
        return "\n".join(said)

    def _missing(self) -> list[tuple[Reason, int]]:
        return [(reason, count) for reason, count in self.seen.most_common() if reason]


def check_form(form: str, out: str | None) -> None:
    if form not in {"jsonl", "parquet"}:
        raise CommandFailed(f"--format: must be jsonl or parquet, not {form!r}.")
    if form == "parquet" and out is None:
        raise CommandFailed("--format parquet needs --out FILE: it is no text for a terminal.")
    if form == "parquet":
        pyarrow()


def pyarrow() -> Any:
    try:
        import_module("pyarrow.parquet")
    except ImportError as missing:
        raise CommandFailed("Parquet needs pyarrow: pip install 'amp[parquet]'.") from missing
    return import_module("pyarrow")


@contextmanager
def drafted(file: Path) -> Generator[BinaryIO]:
    """A file beside the one that is meant, which it becomes when all of it is written and on disk."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        try:
            with draft.open("wb") as opened:
                yield opened
                opened.flush()
                os.fsync(opened.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}.") from error


def _jsonl(file: BinaryIO) -> Write:
    encoder = msgspec.json.Encoder()

    def write(told: LogLine) -> None:
        file.write(encoder.encode(told) + b"\n")

    return write


class _Parquet:
    """Writes row groups, so that few lines are in memory at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._arrow = pyarrow()
        self._lines: list[LogLine] = []
        self._writer: Any = None
        self._schema: Any = None

    def __enter__(self) -> Self:
        return self

    def of(self, approaches: Approaches) -> Write:
        """The writer for a log of these approaches."""
        self._schema = _schema(self._arrow, approaches)
        self._writer = self._arrow.parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        return self._write

    def _write(self, told: LogLine) -> None:
        self._lines.append(told)
        if len(self._lines) == _GROUP_LINES:
            self._flush()

    def _flush(self) -> None:
        plain: list[dict[str, Any]] = msgspec.to_builtins(self._lines, builtin_types=[datetime])
        for each in plain:
            each["exclude"] = list(each["exclude"].items())
        self._writer.write_table(self._arrow.Table.from_pylist(plain, self._schema))
        self._lines.clear()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        if kind is None and self._lines:
            self._flush()
        self._writer.close()


def _schema(arrow: Any, approaches: Approaches) -> Any:
    """The columns of a log line, as `LogLine` names them on the wire."""
    text, moment = arrow.string(), arrow.timestamp("ms", tz="UTC")
    flag, number = arrow.bool_(), arrow.float64()
    layouts = (approaches.layout, *(each.dimensions for each in approaches.layouts))
    names = dict.fromkeys(name for layout in layouts for name, _ in layout)
    approach = arrow.struct([(name, text) for name in names])
    signals = [("started", flag), ("completed", flag), ("timeToStart", number), ("flowState", flag)]
    return arrow.schema(
        [
            ("user", text),
            ("decidedAt", moment),
            ("reportedAt", moment),
            (
                "context",
                arrow.struct([("taskType", text), ("complexity", text), ("hour", arrow.int8())]),
            ),
            ("approach", approach),
            ("exclude", arrow.map_(text, arrow.list_(text))),
            ("locked", arrow.list_(text)),
            ("group", text),
            *((name, flag) for name in ("floored", "explored", "degraded")),
            ("propensity", number),
            ("propensityReason", text),
            ("signals", arrow.struct([*signals, ("satisfaction", number)])),
            ("reward", number),
            ("final", flag),
            ("step", arrow.int16()),
            ("policyVersion", arrow.int64()),
            ("priorVersion", arrow.int64()),
            ("nonce", text),
            ("shadow", approach),
        ]
    )
