"""How fast reports answer over many jobs, and what the sums that they come from take.

Jobs are written through the store's real functions, then folded as the service folds them; what is measured
is a whole report with its JSON. Every second time a job's record is written first, and is in the report.

    python -m benchmarks.ledger_report
"""

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Annotated, NamedTuple

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import msgspec
import typer
from msgspec import structs
from rich.console import Console

from amp.errors import StoreUnavailable
from amp.ledger import book_store, report_wire, rollup_store
from amp.ledger import store as ledger_store
from amp.ledger.book_store import BookStore
from amp.ledger.books import PriceLists
from amp.ledger.cells import DAY_MS
from amp.ledger.entries import Completion, Outcome, ToolEvent, pack
from amp.ledger.filters import Filters, Window
from amp.ledger.grouping import Question, read_by
from amp.ledger.job import added
from amp.ledger.jobs import Jobs
from amp.ledger.once import remembered
from amp.ledger.reports import Reports
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.ledger.store import LedgerStore, Said, Write
from amp.settings import Settings
from amp.store.connection import Store, connect
from amp.store.functions import Functions
from amp.store.ledger_keys import bucket_of, job_keys, ledger_cells
from amp.tenancy import tenant
from benchmarks import machine, readme, report, world
from benchmarks.report import Section, Target

OWNER = tenant("bench", "live")
TYPES = ("sales", "support", "coding", "research", "triage", "billing")
ENVIRONMENTS = ("prod", "staging", "dev")
AGENTS = 40
SQUADS = 8
DAYS = 90
APPROACHES = 16
FIRST_DAY = 20_500
AIM_MS = 50.0
_PIPELINE = 200
FULL = 1_000_000
README = Path(__file__).parent.parent / "README.md"
_TIMES = 15
_AGAIN = 30
"""Times a write is sent again: the store may be long at rewriting its log."""
_MANY = 4096
"""Entries folded at a time: nobody else waits here."""


class World(NamedTuple):
    """The room, as one worker has it."""

    store: Store
    ledger: LedgerStore
    rollups: RollupStore
    jobs: Jobs
    lists: PriceLists

    def reports(self, step: int = _MANY) -> Reports:
        """Of a worker that holds no cells yet."""
        return Reports(Rollup(self.rollups, self.ledger, step=step), self.rollups, self.jobs, self.lists)


def run(*, jobs: int) -> Section:
    """Seeds, folds and asks."""
    with world.durable_store() as settings:
        return asyncio.run(_measure(settings, jobs))


async def _measure(settings: Settings, jobs: int) -> Section:
    room = await room_of(settings)
    try:
        began = time.perf_counter()
        entries = await seed(room, jobs)
        seeded_s = time.perf_counter() - began
        reports = room.reports()
        held_mb = _resident_mb()
        began = time.perf_counter()
        await folded(reports)
        folded_s = time.perf_counter() - began
        gc.collect()
        held_mb, load = _resident_mb() - held_mb, os.getloadavg()
        rows = [[name, *await _timed(room, reports, question)] for name, question in QUESTIONS.items()]
        fresh = [await _fresh(room) for _ in range(5)]
        rows.append(["(a worker's first report: reads all cells)", "", median(fresh), max(fresh)])
        cells, cell_bytes, used_mb = await _cells(room.store)
    finally:
        await room.store.close()
    kept = [row for row in rows if str(row[0]) in AIMED]
    note = (
        f"{jobs:,} jobs, {entries:,} entries: written in {seeded_s:,.0f} s, folded in {folded_s:,.0f} s "
        f"({entries / folded_s:,.0f} entries/s). {len(TYPES)} types, {len(ENVIRONMENTS)} environments, "
        f"{AGENTS} agents, {DAYS} days, {APPROACHES} approaches: {cells:,} cells, "
        f"{cell_bytes / 1e6:.1f} MB in the store, {held_mb:,.0f} MB in a worker. "
        f"The store holds {used_mb:,.0f} MB, all entries in it. "
        f"Load: {load[0]:.1f} before, {os.getloadavg()[0]:.1f} after, on {os.cpu_count()} cores."
    )
    targets = [Target(f"report by {row[0]}, median", float(row[2]), AIM_MS, "ms") for row in kept]
    columns = ["by", "rows", "median ms", "worst of 15, ms"]
    return Section(f"Reports over {jobs:,} jobs", columns, rows, targets, note)


def _question(by: str, **filters: object) -> Question:
    return Question(read_by(by), Filters(**filters))  # pyright: ignore[reportArgumentType]  by the caller's care


_MONTH = Window((FIRST_DAY + 30) * DAY_MS, (FIRST_DAY + 60) * DAY_MS)
AIMED = ("type", "environment", "day", "agent", "type x day")
QUESTIONS = {
    "everything": _question(""),
    "type": _question("type"),
    "environment": _question("environment"),
    "day": _question("day"),
    "agent": _question("agent"),
    "type x day": _question("type,day"),
    "approach": _question("approach"),
    "agent, of one month": _question("agent", window=_MONTH),
    "squad": _question("squad"),
    "agent x day": _question("agent,day"),
    "type of one agent (job by job)": _question("type", agent="agent 1"),
    "agent x type (job by job)": _question("agent,type"),
    "trace type (job by job)": _question("trace_type"),
}


async def _timed(room: World, reports: Reports, question: Question) -> list[str | float]:
    times: list[float] = []
    rows, rng = 0, Random(time.time_ns())
    for turn in range(_TIMES if question.in_cells else 3):
        if turn % 2:
            said = Said(type=rng.choice(TYPES), agent=f"agent {rng.randrange(AGENTS)}")
            name = f"late-{rng.randrange(10**12)}"
            at_ms = (FIRST_DAY + rng.randrange(DAYS)) * DAY_MS
            await _written(room, [_metered(_call(name, at_ms, rng, said), name, said)])
        began = time.perf_counter()
        found = await reports.report(OWNER, question)
        report_wire.encoded(found)
        times.append(1000 * (time.perf_counter() - began))
        rows = found.row_count
    return [rows, median(times), max(times)]


async def folded(reports: Reports) -> None:
    """Everything is in the cells; a silence of the store only makes it take longer."""
    for left in range(_AGAIN, -1, -1):
        try:
            await reports.report(OWNER, Question())
        except StoreUnavailable:
            if not left:
                raise
            await asyncio.sleep(_pause_s(left))
        else:
            return


async def _fresh(room: World) -> float:
    began = time.perf_counter()
    await room.reports().report(OWNER, Question(("type",)))
    return 1000 * (time.perf_counter() - began)


async def room_of(settings: Settings) -> World:
    """The room on this store, its functions loaded."""
    store = connect(settings.redis or "")
    libraries = [ledger_store.LIBRARY, rollup_store.LIBRARY, book_store.LIBRARY]
    functions = Functions(store, libraries)
    await functions.load()
    ledger = LedgerStore(store, functions)
    rollups, lists = RollupStore(store, functions), PriceLists(BookStore(store, functions))
    return World(store, ledger, rollups, Jobs(ledger), lists)


async def seed(room: World, jobs: int, told: Callable[[int], None] = lambda _: None) -> int:
    """Writes so many jobs: how many entries that are, which `told` hears as they come."""
    count = 0
    waiting: list[Write] = []
    for write in writes(jobs):
        waiting.append(write)
        if len(waiting) == _PIPELINE:
            count += await _written(room, waiting)
            waiting.clear()
            told(count)
    return count + await _written(room, waiting)


async def _written(room: World, writes: Sequence[Write]) -> int:
    """All of them, once: what is sent again after a silence of the store is a replay."""
    for left in range(_AGAIN, -1, -1):
        try:
            answers = await room.ledger.write(writes)
        except StoreUnavailable:
            if not left:
                raise
            await asyncio.sleep(_pause_s(left))
            continue
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return len(answers)
    raise AssertionError("every way out of the loop is above")


def _pause_s(left: int) -> float:
    """Longer each time: the store is given the time that it needs."""
    return min(10.0, 0.25 * 2.0 ** (_AGAIN - left))


def writes(jobs: int) -> Iterator[Write]:
    """A completion and a tool's use of each job, and what came of nine in ten."""
    rng = Random(0)
    for number in range(jobs):
        job = f"job-{number:07}"
        at_ms = FIRST_DAY * DAY_MS + number * DAYS * DAY_MS // jobs
        decided = rng.random() < 0.25
        said = Said(
            type=rng.choice(TYPES),
            environment=rng.choice(ENVIRONMENTS),
            agent=f"agent {rng.randrange(AGENTS)}",
            squad=f"squad {rng.randrange(SQUADS)}",
            approach=f"approach {rng.randrange(APPROACHES)}" if decided else None,
            group="learned" if decided else None,
        )
        yield _metered(_call(job, at_ms, rng, said), f"c{number}", said)
        yield _metered(_tool(job, at_ms + 1, rng, said), f"t{number}", said)
        if rng.random() < 0.9:
            yield _outcome(job, at_ms + 2, rng)


def _call(job: str, at_ms: int, rng: Random, said: Said) -> Completion:
    tokens = (rng.randrange(100, 3000), rng.randrange(50, 800))
    return Completion(
        job,
        at_ms,
        "key",
        b"tx",
        at_ms,
        900,
        "openai",
        "gpt-4o",
        *tokens,
        sum(tokens),
        rng.randrange(10**6, 10**8),
        "USD",
        "list",
        **{name: value for name, value in structs.asdict(said).items() if value},
    )


def _tool(job: str, at_ms: int, rng: Random, said: Said) -> ToolEvent:
    cost, human = rng.randrange(10**7, 10**9), rng.random() < 0.2
    about = {name: value for name, value in structs.asdict(said).items() if value}
    return ToolEvent(job, at_ms, "key", b"tx", at_ms, 50, "crm", True, human, cost, "USD", "list", **about)


def _metered(entry: Completion | ToolEvent, transaction: str, said: Said) -> Write:
    kind = "c" if isinstance(entry, Completion) else "t"
    own = (remembered(kind, transaction), b"", b"", str(entry.began_ms), *added(entry))
    job = entry.job
    return Write("meter", bucket_of(job), job_keys(OWNER, job), job, entry.at_ms, pack(entry), said, own)


def _outcome(job: str, at_ms: int, rng: Random) -> Write:
    status = rng.choice(("SUCCESS", "SUCCESS", "SUCCESS", "FAILED"))
    kind = rng.choice(("CONVERTED", "DEFLECTED", "ESCALATED", "UNSUCCESSFUL"))
    value = rng.randrange(10**12) if kind in {"CONVERTED", "DEFLECTED"} else 0
    entry = Outcome(job, at_ms, "key", status, kind, value, "USD", None, None, None, "key")
    own = (status, kind, str(value), "USD")
    return Write("outcome", bucket_of(job), job_keys(OWNER, job), job, at_ms, pack(entry), Said(), own)


async def _cells(store: Store) -> tuple[int, int, float]:
    """How many there are, their bytes, and the megabytes of the whole store."""
    name = ledger_cells(OWNER.tag)
    count, size = await store.ask_all([("HLEN", name), ("MEMORY", "USAGE", name, "SAMPLES", 0)])
    told: bytes = await store.ask("INFO", "memory")
    used = next(line for line in told.decode().splitlines() if line.startswith("used_memory:"))
    return int(count), int(size), int(used.partition(":")[2]) / 1e6


def _resident_mb() -> float:
    words = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(
    jobs: Annotated[int, typer.Option(help="How many; each has two or three entries.")] = FULL,
) -> None:
    """Measure the ledger's reports on this machine; a run of the default size is kept, and README renewed."""
    found = run(jobs=jobs)
    report.show(Console(width=110), found)
    if jobs >= FULL:
        kept = {"machine": machine.hardware(), "reports": report.plain(found)}
        readme.REPORTS.write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
        text = README.read_text(encoding="utf-8")
        README.write_text(readme.with_reports(text, kept), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
