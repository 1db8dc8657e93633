"""`amp ledger export`: a line a job, or a line an entry, as JSONL or Parquet; money stays exact in both."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from amp.clock import iso
from amp.exits import CommandFailed
from amp.ledger import filters
from amp.ledger.chain import Stored
from amp.ledger.entries import TAGS, Completion, ToolEvent, id_text, unpack
from amp.ledger.filters import Window
from amp.ledger.job import Job
from amp.ledger.report import decimal
from amp.settings import Settings
from amp.store.keys import BUCKETS
from amp.tenancy import Tenant, tenant
from amp.terminal import talk
from amp.terminal.ledger_report import Room, with_room
from amp.terminal.outfile import RowGroups, check_form, drafted

Line = dict[str, Any]
_PAGE = 1000
_encoder = msgspec.json.Encoder(decimal_format="number")


class Asked(NamedTuple):
    """What is exported."""

    owner: Tenant
    window: Window


def run(
    settings: Settings,
    name: str,
    env: str,
    *,
    out: str | None,
    form: str,
    what: str,
    since: str | None,
    until: str | None,
) -> None:
    """Writes the ledger out, and says how much of it.

    Raises:
        CommandFailed: an option is not understood, pyarrow is missing, or the file cannot be written.
        StoreUnavailable: there is no answer.
        InvalidInput: no such tenant can be, or a date is none.
    """
    check_form(form, out)
    if what not in _LINES:
        raise CommandFailed(f"--what: must be jobs or entries, not {what!r}.")
    query = {name: said for name, said in (("startDate", since), ("endDate", until)) if said}
    asked = Asked(tenant(name, env), filters.read(query).window)
    with ExitStack() as files:
        file = files.enter_context(drafted(Path(out))) if out else sys.stdout.buffer
        write = _jsonl(file)
        if form == "parquet":
            parquet = files.enter_context(RowGroups(file, _plain))
            write = parquet.under(parquet.arrow.schema(_columns(parquet.arrow, what)))
        count = with_room(settings, lambda room: _each(room, asked, what, write))
    sys.stdout.flush()
    talk.say(f"{count:,} {what}{f' in {out}' if out else ''}.")


async def _each(room: Room, asked: Asked, what: str, write: Callable[[Line], None]) -> int:
    count = 0
    async for line in _LINES[what](room, asked):
        write(line)
        count += 1
    return count


async def _jobs(room: Room, asked: Asked) -> AsyncIterator[Line]:
    """The oldest first."""
    async for listed in room.rollups.jobs(asked.owner, asked.window, oldest_first=True):
        for job in await room.jobs.find_all(asked.owner, [name for _, name in listed]):
            if job is not None:
                yield _job(job)


async def _entries(room: Room, asked: Asked) -> AsyncIterator[Line]:
    """Bucket by bucket, each in the order in which it was written; the window is of when it was."""
    for bucket in range(BUCKETS):
        after = 0
        while page := await room.ledger.run(asked.owner, bucket, after, _PAGE):
            after = page[-1].position
            for stored in page:
                line = _entry(bucket, stored)
                if asked.window.start_ms <= line["atMs"] < asked.window.end_ms:
                    yield line


_LINES = {"jobs": _jobs, "entries": _entries}


def _job(job: Job) -> Line:
    state = job.state
    return {
        "agenticJobId": job.id,
        "name": job.name,
        "type": job.type,
        "version": job.version,
        "environment": job.environment,
        "agent": job.agent,
        "squad": job.squad,
        "approach": job.approach,
        "group": job.group,
        "created": iso(job.created_ms),
        "firstEventAt": None if job.first_event_ms is None else iso(job.first_event_ms),
        "lastEventAt": None if job.last_event_ms is None else iso(job.last_event_ms),
        "executionStatus": state.status,
        "outcomeType": state.outcome,
        "outcomeValue": decimal(state.value_nanos),
        "outcomeCurrency": state.currency,
        "amendments": job.amendments,
        "costs": [
            {"kind": kind, "currency": currency, "amount": decimal(nanos)}
            for (kind, currency), nanos in sorted(state.cost_nanos.items())
        ],
        "completions": state.completions,
        "toolEvents": state.tool_events,
        "unpricedCompletions": state.unpriced_completions,
        "unpricedToolEvents": state.unpriced_tool_events,
        "inputTokens": state.input_tokens,
        "outputTokens": state.output_tokens,
        "totalTokens": state.total_tokens,
    }


def _entry(bucket: int, stored: Stored) -> Line:
    entry = unpack(stored.entry)
    said = {name: getattr(entry, name) for name in entry.__struct_fields__}
    job, at_ms = said.pop("job"), said.pop("at_ms")
    if isinstance(entry, Completion | ToolEvent):
        said["transaction"] = id_text(entry.transaction)
        said["trace"] = entry.trace and id_text(entry.trace)
        said["tags"] = entry.tags and {TAGS[number]: value for number, value in entry.tags.items()}
    for name in [name for name in said if name.endswith("_nanos")]:
        said[name.removesuffix("_nanos")] = decimal(said.pop(name))
    if "before" in said:
        before = said["before"]
        said["before"] = {
            "status": before.status,
            "outcome": before.outcome,
            "value": decimal(before.value_nanos),
            "currency": before.currency,
        }
    return {
        "bucket": bucket,
        "position": stored.position,
        "kind": type(entry).__name__.lower(),
        "agenticJobId": job or None,
        "atMs": at_ms,
        "said": {name: value for name, value in said.items() if value is not None},
        "link": stored.link.hex(),
    }


def _jsonl(file: BinaryIO) -> Callable[[Line], None]:
    def write(line: Line) -> None:
        file.write(_encoder.encode(line) + b"\n")

    return write


def _plain(lines: list[Line]) -> list[Line]:
    return [
        line | {"said": _encoder.encode(line["said"]).decode()} if "said" in line else line for line in lines
    ]


def _columns(arrow: Any, what: str) -> Sequence[tuple[str, Any]]:
    """The names of a line and their types; what an entry said is JSON, for each kind says other things."""
    text, whole, money = arrow.string(), arrow.int64(), arrow.decimal128(38, 9)
    if what == "entries":
        names = {"bucket": whole, "position": whole, "kind": text, "agenticJobId": text}
        return [*names.items(), ("atMs", whole), ("said", text), ("link", text)]
    costs = arrow.list_(arrow.struct([("kind", text), ("currency", text), ("amount", money)]))
    texts = ("agenticJobId", "name", "type", "version", "environment", "agent", "squad", "approach", "group")
    times = ("created", "firstEventAt", "lastEventAt", "executionStatus", "outcomeType")
    counts = ("completions", "toolEvents", "unpricedCompletions", "unpricedToolEvents")
    tokens = ("inputTokens", "outputTokens", "totalTokens")
    return [
        *((name, text) for name in (*texts, *times)),
        ("outcomeValue", money),
        ("outcomeCurrency", text),
        ("amendments", whole),
        ("costs", costs),
        *((name, whole) for name in (*counts, *tokens)),
    ]
