"""How many metered records one worker takes in, beside an empty handler, and what each takes in the store."""

import asyncio
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from statistics import median
from typing import Any, NamedTuple

import msgspec

from amp.ledger import store as ledger_store
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.ledger.store import LedgerStore
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.functions import Functions
from benchmarks import load, machine, world, wrk
from benchmarks.report import Section, Target
from benchmarks.served import Server, followed, served
from benchmarks.throughput import LITESTAR, RAW, Round

COMPLETION, TOOL = "POST /meter/v2/ai/completions", "POST /meter/v2/tool/events"
BATCH = "POST /v1/ledger/meter/batch, records"
_PATHS = {COMPLETION: COMPLETION[5:], TOOL: TOOL[5:], BATCH: "/v1/ledger/meter/batch"}
AIM_TIMES, AIM_BYTES = 0.6, 450
A_JOB = 6
"""Records: three calls and three tools, as in the sales scenario."""
A_BATCH = 20
_WARM_S = 1.0
_RATE_MAX = 40_000
"""Records a second that no worker reaches: so many are made."""


class Room(NamedTuple):
    """The service, and what it holds until now."""

    settings: Settings
    server: Server
    key: str
    drive: Callable[..., load.Load]


class Held(NamedTuple):
    """What the store has."""

    entries: int
    bytes: int


class Taken(NamedTuple):
    """A turn: what it cost the worker, and what the store."""

    round: Round
    store_us: float
    """CPU of a record."""


def run(*, quick: bool) -> Section:
    """All contenders in turn, several rounds."""
    rounds, seconds = (3, 1.0) if quick else (7, 3.0)
    drive, generator = (wrk.drive, "wrk") if shutil.which("wrk") else (load.drive, "built in (load.py)")
    with (
        machine.shared_out() as cores,
        world.durable_store() as settings,
        served(
            "amp.app:application",
            cores=cores.server,
            http="amp.http.protocol:HotProtocol",
            environment=settings.environment(),
        ) as ours,
        served("benchmarks.empty:raw", cores=cores.server) as raw,
        served("benchmarks.empty:litestar", cores=cores.server) as litestar,
        followed(settings.environment(), cores.others) as followers,
    ):
        room = Room(settings, ours, asyncio.run(world.new_key(settings)), drive)
        sample = list(islice(_completions(), 1000))
        turns = {
            RAW: partial(_empty, room, raw, sample),
            LITESTAR: partial(_empty, room, litestar, sample),
            **{name: partial(_metered, room, name) for name in _PATHS},
        }
        for turn in turns.values():
            turn(_WARM_S)
        before = asyncio.run(_held(settings))
        asyncio.run(_folded(settings))
        folding_s = machine.cpu_s(followers)
        found = {name: list[Taken]() for name in turns}
        for _ in range(rounds):
            for name, turn in turns.items():
                found[name].append(turn(seconds))
        after = asyncio.run(_held(settings))
        asyncio.run(_folded(settings))
        folding_s = machine.cpu_s(followers) - folding_s
    entries = after.entries - before.entries
    return _section(
        found, (after.bytes - before.bytes) / entries, entries, (generator, folding_s / entries * 1e6)
    )


def _empty(room: Room, server: Server, bodies: list[bytes], seconds: float) -> Taken:
    before_s = machine.cpu_s(server.pid)
    done = room.drive(server.port, "/empty", bodies, room.key, seconds, once=_once())
    cpu_s = machine.cpu_s(server.pid) - before_s
    return Taken(Round(done.requests / done.seconds, cpu_s / done.requests * 1e6, cpu_s / done.seconds), 0.0)


def _metered(room: Room, name: str, seconds: float) -> Taken:
    """A turn; what is counted is what stands in the ledger afterwards.

    Raises:
        RuntimeError: a record is not there though it was acknowledged, or was sent twice.
    """
    each = A_BATCH if name == BATCH else 1
    records = islice(_tools() if name == TOOL else _completions(), int(_RATE_MAX * seconds))
    bodies = list(_batches(records)) if name == BATCH else list(records)
    store = int((room.settings.data / "store.lock").read_text())
    held, before_s = asyncio.run(_held(room.settings)), machine.cpu_s(room.server.pid)
    store_s = machine.cpu_s(store)
    once = "" if name == BATCH else _once()
    done = room.drive(room.server.port, _PATHS[name], bodies, room.key, seconds, once=once)
    cpu_s, store_s = machine.cpu_s(room.server.pid) - before_s, machine.cpu_s(store) - store_s
    stored = asyncio.run(_held(room.settings)).entries - held.entries
    if stored < each * done.requests or done.requests > len(bodies):
        raise RuntimeError(f"{each * done.requests} acknowledged, {stored} in the ledger")
    taken = each * done.requests
    round_ = Round(taken / done.seconds, cpu_s / taken * 1e6, cpu_s / done.seconds)
    return Taken(round_, store_s / taken * 1e6)


def _once() -> str:
    """The first 28 of a uuid's 36 characters."""
    return str(uuid.uuid4())[:28]


def _batches(records: Iterator[bytes]) -> Iterator[bytes]:
    while some := list(islice(records, A_BATCH)):
        yield b'{"items":[' + b",".join(some) + b"]}"


def _completions() -> Iterator[bytes]:
    """As the client sends them in the sales scenario."""
    for common in _of_jobs():
        yield msgspec.json.encode(
            common
            | {
                "completionStartTime": "2026-01-31T12:00:00.400Z",
                "costType": "AI",
                "inputTokenCount": 812,
                "isStreamed": False,
                "model": "claude-sonnet-4-5",
                "outputTokenCount": 133,
                "provider": "anthropic",
                "requestDuration": 1400,
                "requestTime": "2026-01-31T12:00:00.000Z",
                "responseTime": "2026-01-31T12:00:01.400Z",
                "stopReason": "END",
                "totalTokenCount": 945,
                "totalCost": 0.0355,
                "operationType": "CHAT",
                "taskType": "qualify",
            }
        )


def _tools() -> Iterator[bytes]:
    for common in _of_jobs():
        yield msgspec.json.encode(
            common
            | {
                "toolId": "zoominfo",
                "operation": "lookup",
                "durationMs": 400,
                "success": True,
                "timestamp": "2026-01-31T12:00:02.000Z",
                "costUsd": 1.0,
                "usageMetadata": {"records": 1},
            }
        )


def _of_jobs() -> Iterator[dict[str, Any]]:
    """What every record has: its job, and an id of its own."""
    run = os.urandom(4).hex()
    for number in count():
        job = number // A_JOB
        yield {
            "transactionId": str(uuid.UUID(bytes=os.urandom(16))),
            "agenticJobId": f"sales-{run}-{job:08}",
            "agenticJobName": "Sales outreach",
            "agenticJobType": "sales_outreach",
            "agenticJobVersion": "1.0",
            "environment": "production",
            "agent": "sdr-agent",
            "traceId": f"trace-{run}-{job:08}",
        }


async def _held(settings: Settings) -> Held:
    """Entries of the tenant, and the whole store's bytes."""
    store = connect(settings.redis or "")
    heads = await LedgerStore(store, Functions(store, [ledger_store.LIBRARY])).heads(world.TENANT)
    told: bytes = await store.ask("INFO", "memory")
    used = next(line for line in told.decode().splitlines() if line.startswith("used_memory:"))
    await store.close()
    return Held(sum(head.length for head in heads), int(used.partition(":")[2]))


async def _folded(settings: Settings) -> None:
    """Waits until all that was taken in is in the sums of reports."""
    store = connect(settings.redis or "")
    functions = Functions(store, [ledger_store.LIBRARY])
    rollup = Rollup(RollupStore(store, functions), LedgerStore(store, functions))
    while await rollup.behind(world.TENANT):  # noqa: ASYNC110  another process does it
        await asyncio.sleep(0.1)
    await store.close()


def _section(
    taken: dict[str, list[Taken]], record_bytes: float, entries: int, how: tuple[str, float]
) -> Section:
    generator, folding_us = how
    found = {name: [each.round for each in turns] for name, turns in taken.items()}
    base_cpu_us = median(each.cpu_us for each in found[LITESTAR])
    ratios = {
        name: [mine.per_s / base.per_s for mine, base in zip(rounds, found[LITESTAR], strict=True)]
        for name, rounds in found.items()
    }
    rows: list[list[str | float]] = [
        [
            name,
            median(each.per_s for each in rounds),
            median(each.cpu_us for each in rounds),
            median(each.store_us for each in taken[name]),
            f"{median(each.busy for each in rounds):.0%}",
            f"{median(ratios[name]):.2f}",
            f"{min(ratios[name]):.2f}-{max(ratios[name]):.2f}",
            f"{base_cpu_us / median(each.cpu_us for each in rounds):.2f}",
        ]
        for name, rounds in found.items()
    ]
    targets = [
        Target(f"{name}, against {LITESTAR}", median(ratios[name]), AIM_TIMES, "times", True)
        for name in _PATHS
    ]
    targets.append(Target("a record in the store, all in", record_bytes, AIM_BYTES, "bytes"))
    note = (
        f"As in Requests above; load by {generator}; median of {len(found[LITESTAR])} interleaved rounds. "
        f"Records as the client sends them, {A_JOB} a job, each with an idempotency key; in batches "
        f"{A_BATCH} a request, without keys, and counted one by one. What was acknowledged was counted in "
        f"the ledger. Bytes: growth of used_memory over {entries:,} entries. Beside the worker "
        f"the followers folded all of it into sums, as served: {folding_us:.0f} us of CPU a record."
    )
    columns = ["one worker", "records/s", "CPU us", "store us", "core busy", "x Litestar", "range", "by CPU"]
    return Section("Metering", columns, rows, targets, note)
