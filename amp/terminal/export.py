"""`amp log export`: one line a decision with an outcome, as JSONL or Parquet."""

import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from amp.learning.approaches import Approaches
from amp.learning.journal import Entry
from amp.learning.logline import LogLine
from amp.learning.policies import InForce
from amp.learning.prior import Prior
from amp.learning.replay import REASONS, Reason
from amp.settings import Settings
from amp.tenancy import tenant
from amp.terminal import talk
from amp.terminal.logfile import MAPS
from amp.terminal.outfile import RowGroups, check_form, drafted
from amp.terminal.reading import Take, read, since

Write = Callable[[LogLine], None]


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
        with RowGroups(file, _plain) as parquet:
            self._read(lambda approaches: parquet.under(_schema(parquet.arrow, approaches)))

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


def _jsonl(file: BinaryIO) -> Write:
    encoder = msgspec.json.Encoder()

    def write(told: LogLine) -> None:
        file.write(encoder.encode(told) + b"\n")

    return write


def _plain(lines: list[LogLine]) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = msgspec.to_builtins(lines, builtin_types=[datetime])
    for each in plain:
        for name in MAPS:
            each[name] = list(each[name].items())
    return plain


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
            *((name, arrow.map_(text, arrow.list_(text))) for name in MAPS),
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
