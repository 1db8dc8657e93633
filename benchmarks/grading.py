"""`python -m benchmarks.grading`: what the loop of graded outcomes adds to an iteration.

Scripted roles work and grade for known times, on a store that writes to disk before it answers. What an
iteration takes beyond those times is overhead: two durable writes, and what the loop does around them. The
loop runs in a process of its own, as it is served; sessions begin spread over the length of an iteration, as
they do in life, or all at the same moment.
"""

import asyncio
import json
import multiprocessing
import os
import secrets
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from statistics import median
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.console import Console

from amp.grading import loop, shelf_store
from amp.grading import store as session_store
from amp.grading.ids import new_id, now_us
from amp.grading.lanes import Lanes
from amp.grading.receiving import received
from amp.grading.store import SessionStore
from amp.grading.times import microseconds
from amp.grading.types import Change, Event, Head, Pen, Session, State
from amp.settings import Settings
from amp.store.connection import LineStore, Store, connect
from amp.store.functions import Functions
from amp.tenancy import tenant
from benchmarks import machine, report, world
from benchmarks.report import Section, Target

SESSIONS, ITERATIONS = 200, 6
WORK_S, GRADING_S = 1.0, 1.0
OVERHEAD_MS_MAX = 10.0
WRITE_BYTES = 3000
"""Of a bare write: state and events of one of the loop's are about as many."""
OWNER = tenant("bench", "test")
AGENT = {"id": "agent_1", "type": "agent", "name": "writer", "version": 1, "model": {"id": "script"}}
OUTCOME = {
    "type": "user.define_outcome",
    "description": "Write a report",
    "rubric": {"type": "text", "content": "\n".join(f"- It says {number}" for number in range(10))},
    "max_iterations": ITERATIONS,
}

_spawn = multiprocessing.get_context("spawn")


class Found(NamedTuple):
    """Of one run; times in milliseconds, one for each iteration."""

    overhead: list[float]
    """Beyond the roles' times."""
    waits: list[float]
    """Of it, waiting for the iteration's two writes."""
    cpu: float
    """Of the loop's process, an iteration."""
    store_cpu: float
    core_wait: float
    """The loop could run and had no core, an iteration: what else the machine does."""
    trips: float
    """Round trips to the store an iteration, of the loop."""

    @property
    def own(self) -> list[float]:
        return [whole - wait for whole, wait in zip(self.overhead, self.waits, strict=True)]


def main(
    *,
    sessions: Annotated[int, typer.Option(help="Sessions at once.")] = SESSIONS,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON on stdout.")] = False,
) -> None:
    """Measure the loop's overhead: about a minute."""
    console = Console(stderr=as_json)
    section = run(quick=False, sessions=sessions)
    report.show(console, section)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(report.plain(section)) + b"\n")


def run(*, quick: bool, sessions: int = SESSIONS) -> Section:
    """Sessions that begin spread out, then sessions that begin together."""
    count = min(sessions, 20) if quick else sessions
    load = os.getloadavg()[0]
    with machine.shared_out() as cores:
        bare = _floor(cores.server, count)
        spread = _run(cores.server, count, WORK_S + GRADING_S)
        together = _run(cores.server, count, 0.0)
    return Section(
        "The loop of graded outcomes",
        ["", "median", "p99", "highest"],
        [
            ["an iteration beyond its roles' time, ms", *_told(spread.overhead)],
            ["  of it its two durable writes, ms", *_told(spread.waits)],
            ["  of it the rest, ms", *_told(spread.own)],
            ["all in step: beyond the roles' time, ms", *_told(together.overhead)],
            ["  of it all but the writes, ms", *_told(together.own)],
            ["two bare writes of that size, ms", *_told(bare)],
            *(
                [f"{what} an iteration", value, value, value]
                for what, value in (
                    ("CPU of the loop, ms", spread.cpu),
                    ("CPU of the store, ms", spread.store_cpu),
                    ("the loop waits for a core, ms", spread.core_wait),
                    ("round trips of the loop", spread.trips),
                )
            ),
        ],
        targets=[
            Target(
                f"{count} sessions, an iteration beyond its roles' time, median",
                median(spread.overhead),
                OVERHEAD_MS_MAX,
                "ms",
            ),
            Target(
                f"{count} sessions, an iteration beyond two bare writes, median",
                median(spread.overhead) - median(bare),
                OVERHEAD_MS_MAX,
                "ms",
            ),
            Target(f"{count} sessions, CPU of the loop an iteration", spread.cpu, OVERHEAD_MS_MAX, "ms"),
        ],
        note=(
            f"{count} sessions on one loop, {ITERATIONS} iterations each of {WORK_S:g} s of scripted work "
            f"and {GRADING_S:g} s of scripted grading, 10 criteria; a durable store. The loop has one core, "
            "the store and who asks share the other. CPU counts all that the process does, leases too. "
            "Bare writes at the same pace are what machine and disk ask of any loop that writes twice. "
            f"Load of the machine before: {load:.1f}."
        ),
    )


def _told(found: list[float]) -> tuple[float, float, float]:
    ordered = sorted(found)
    return median(ordered), ordered[int(0.99 * len(ordered))], ordered[-1]


def _run(cores: set[int], count: int, spread_s: float) -> Found:
    with world.durable_store() as settings, _looping(settings, cores) as (process, pipe):
        pipe.recv()
        return asyncio.run(_measured(settings, process.pid, pipe, count, spread_s))


def _floor(cores: set[int], count: int) -> list[float]:
    """What sleeping and writing alone take beyond the sleeps, in a process as the loop's."""
    ours, theirs = _spawn.Pipe()
    with world.durable_store() as settings:
        process = _spawn.Process(target=_bare, args=(settings, cores, count, theirs), daemon=True)
        process.start()
        try:
            return ours.recv()
        finally:
            process.kill()
            process.join()


def _bare(settings: Settings, cores: set[int], count: int, pipe: Connection) -> None:
    os.sched_setaffinity(0, cores)

    async def session(store: Store, number: int) -> list[float]:
        await asyncio.sleep(number * (WORK_S + GRADING_S) / count)
        found: list[float] = []
        for _ in range(ITERATIONS):
            began_s = time.perf_counter()
            for pause_s in (WORK_S, GRADING_S):
                await store.ask("SET", f"session {number}", b"x" * WRITE_BYTES)
                await asyncio.sleep(pause_s)
            found.append((time.perf_counter() - began_s - WORK_S - GRADING_S) * 1000)
        return found

    async def all_of() -> list[float]:
        store = connect(settings.redis or "")
        parts = await asyncio.gather(*(session(store, number) for number in range(count)))
        await store.close()
        return [each for part in parts for each in part]

    pipe.send(asyncio.run(all_of()))


@contextmanager
def _looping(settings: Settings, cores: set[int]) -> Generator[tuple[Any, Connection]]:
    """The process of the loop; it says when it has begun, and when it is asked what it has counted."""
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=_loop, args=(settings, cores, theirs), daemon=True)
    process.start()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()


async def _measured(settings: Settings, pid: int, pipe: Connection, count: int, spread_s: float) -> Found:
    store = connect(settings.redis or "")
    try:
        functions = Functions(store, [session_store.LIBRARY, shelf_store.LIBRARY])
        sessions, lanes = SessionStore(store, functions), Lanes(store)
        before, store_before = machine.cpu_s(pid), await _store_cpu_s(store)
        waited_before = machine.core_wait_s(pid)
        names = [await _begun(sessions, lanes, spread_s / count) for _ in range(count)]
        await asyncio.sleep(ITERATIONS * (WORK_S + GRADING_S) - spread_s)
        while any(  # noqa: ASYNC110  asked as a client would
            each and each.state.status != "idle" for each in await sessions.load_all(OWNER, names)
        ):
            await asyncio.sleep(1)
        used, store_used = machine.cpu_s(pid) - before, await _store_cpu_s(store) - store_before
        pipe.send("what have you counted?")
        trips, waits_of = pipe.recv()
        overhead: list[float] = []
        waits: list[float] = []
        for name in names:
            found = overheads_ms([each.event for each in await sessions.events(OWNER, name)])
            overhead += found
            # an iteration begins with the write of its model request and ends before that of its verdict
            waits += [sum(waits_of[name][2 * n : 2 * n + 2]) for n in range(len(found))]
        each_ms = 1000 / len(overhead)
        waited = machine.core_wait_s(pid) - waited_before
        return Found(
            overhead, waits, used * each_ms, store_used * each_ms, waited * each_ms, trips / len(overhead)
        )
    finally:
        await store.close()


async def _begun(sessions: SessionStore, lanes: Lanes, pause_s: float) -> str:
    """A session that begins with an outcome, and a pause."""
    verdicts = ["needs_revision"] * (ITERATIONS - 1) + ["satisfied"]
    script = json.dumps([{"v": verdicts, "a": WORK_S, "g": GRADING_S, "h": 5}])
    name, at_us = new_id("sesn"), now_us()
    head = Head(name, AGENT, "env_1", at_us, at_us, metadata={"outcome_script": script})
    change, _ = received(Session(0, 0, head, State()), [OUTCOME], Pen(0, 0, at_us, new_id))
    await sessions.create(OWNER, Change(*change[:3], head=head), secrets.token_hex(4))
    await lanes.wake(OWNER.tag, name)
    await asyncio.sleep(pause_s)
    return name


def overheads_ms(events: list[Event]) -> list[float]:
    """What each iteration took beyond its planned time, from the beginning of its turn to its verdict."""
    found: list[float] = []
    began_us = 0
    for event in events:
        if event["type"] == "span.model_request_start":
            began_us = microseconds(event["processed_at"])
        elif event["type"] == "span.outcome_evaluation_end":
            took_ms = (microseconds(event["processed_at"]) - began_us) / 1000
            found.append(took_ms - (WORK_S + GRADING_S) * 1000)
    return found


async def _store_cpu_s(store: Store) -> float:
    told: bytes = await store.ask("INFO", "cpu")
    fields = dict(line.split(":", 1) for line in told.decode().split() if ":" in line)
    return float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])


def _loop(settings: Settings, cores: set[int], pipe: Connection) -> None:
    os.sched_setaffinity(0, cores)
    asyncio.run(_counted(replace(settings, grading_scripts=1), pipe))


async def _counted(settings: Settings, pipe: Connection) -> None:
    """The loop as it is served, with its writes timed and its round trips counted."""
    waits_of: dict[str, list[float]] = {}
    trips = [0]
    commit, ask = SessionStore.commit, LineStore.ask_each

    async def timed(self: SessionStore, *given: Any, **more: Any) -> Any:
        began_s = time.perf_counter()
        written = await commit(self, *given, **more)
        waits_of.setdefault(given[1], []).append((time.perf_counter() - began_s) * 1000)
        return written

    async def counted(self: LineStore, commands: Any) -> Any:
        trips[0] += 1
        return await ask(self, commands)

    SessionStore.commit, LineStore.ask_each = timed, counted
    store = connect(settings.redis or "")
    async with loop.client(settings) as http:
        running = asyncio.ensure_future(loop.runner(settings, store, http).run())
        await asyncio.sleep(1)
        pipe.send("begun")
        await asyncio.get_running_loop().run_in_executor(None, partial(pipe.recv))
        pipe.send((trips[0], waits_of))
        await running


if __name__ == "__main__":
    typer.run(main)
