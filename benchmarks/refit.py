"""`python -m benchmarks.refit`: how long a fit of 20,000 users takes, and what it costs who asks meanwhile.

The fit runs in a process of its own, as in the service, again and again for as long as it is measured.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from statistics import median
from typing import Annotated

# one BLAS thread, as in the service; numpy reads it once, when it is loaded
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import msgspec
import numpy as np
import typer
from rich.console import Console

from amp.beside import NICENESS
from amp.learning import fit, prior
from amp.learning.approaches import PUBLISHED
from amp.learning.types import History, Policy
from amp.simulate import worlds
from amp.simulate.histories import Histories
from amp.simulate.streams import LIFETIMES, Turn
from benchmarks import load, machine, report, world
from benchmarks.report import Section, Target
from benchmarks.throughput import service

USERS, ASKED = 20_000, 4000
FIT_S_MAX, SLOWDOWN_MAX = 10.0, 2.0
PER_S, SECONDS, ROUNDS = 1000, 8, 3

_spawn = multiprocessing.get_context("spawn")


def main(
    *,
    users: Annotated[int, typer.Option(help="Users who are fitted.")] = USERS,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON on stdout.")] = False,
) -> None:
    """Measure the fit of the population prior: about three minutes."""
    console = Console(stderr=as_json)
    section = run(quick=False, users=users)
    report.show(console, section)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(report.plain(section)) + b"\n")


def run(*, quick: bool, users: int = USERS) -> Section:
    """A tenant's first fit and the next one, then /v1/context with and without fits, in turn."""
    histories = _histories(users // 10 if quick else users)
    outcomes = sum(map(len, histories))
    cold_s, warm_s = _fits_s(histories)
    quiet, busy = _latencies(users)
    slowdown = median(busy) / median(quiet)
    return Section(
        "The fit of the population prior",
        ["", "median", "lowest", "highest"],
        [
            [f"first fit of {len(histories):,} users, {outcomes:,} outcomes, s", cold_s, cold_s, cold_s],
            ["the next fit, s", warm_s, warm_s, warm_s],
            ["/v1/context p99 without a fit, ms", median(quiet), min(quiet), max(quiet)],
            ["/v1/context p99 during fits, ms", median(busy), min(busy), max(busy)],
        ],
        targets=[
            Target("the first fit, on one core", cold_s, FIT_S_MAX, "s"),
            Target("the next, on one core", warm_s, FIT_S_MAX, "s"),
            Target("p99 of /v1/context during fits against without", slowdown, SLOWDOWN_MAX, "times"),
        ],
        note=f"Open loop at {PER_S:,} requests/s for {SECONDS} s, {ROUNDS} rounds of each in turn.",
    )


def _histories(users: int) -> list[History]:
    """World c, lifetimes of learning.md section 2, combinations drawn evenly."""
    truth, rng = worlds.make("c", users, 1, PUBLISHED), np.random.default_rng(0)
    stays = rng.choice(list(LIFETIMES), users, p=list(LIFETIMES.values()))
    kept = Histories(users)
    for now in range(max(LIFETIMES)):
        present = np.flatnonzero(stays > now)
        contexts = rng.integers(len(worlds.CONTEXTS), size=len(present))
        chosen = rng.integers(PUBLISHED.count, size=len(present))
        told = worlds.emit(truth.utility(present, contexts, chosen), worlds.luck(rng, len(present)))
        turn = Turn(present, contexts, present + now * users)
        kept.append(present, Histories.rows(turn, now, chosen, told))
    return kept.all()


def _fits_s(histories: list[History]) -> tuple[float, float]:
    """Seconds of the first fit, and of the next, which is as warm as all but a tenant's first."""
    current, rng = prior.shipped(PUBLISHED), np.random.default_rng(1)
    taken_s: list[float] = []
    for _ in range(2):
        began = time.perf_counter()
        current = fit.fit(histories, current, Policy(), PUBLISHED, rng).prior
        taken_s.append(time.perf_counter() - began)
    return taken_s[0], taken_s[1]


def _latencies(users: int) -> tuple[list[float], list[float]]:
    """p99 in milliseconds of each round, without and with fits."""
    quiet: list[float] = []
    busy: list[float] = []
    with machine.shared_out() as cores, service(cores, users=ASKED) as amp:
        count = PER_S * SECONDS
        for _ in range(ROUNDS):
            bodies = world.context_bodies([amp.users[number % ASKED] for number in range(count)])
            quiet.append(_p99(load.pace(amp.server.port, "/v1/context", bodies, amp.key, PER_S)))
            with _fitting(users):
                busy.append(_p99(load.pace(amp.server.port, "/v1/context", bodies, amp.key, PER_S)))
    return quiet, busy


def _p99(latencies_ms: list[float]) -> float:
    return float(np.quantile(latencies_ms[len(latencies_ms) // 8 :], 0.99))


@contextmanager
def _fitting(users: int) -> Generator[None]:
    """A process that fits without end, once it has made its users."""
    ready = _spawn.Event()
    process = _spawn.Process(target=_fit_on, args=(users, ready), daemon=True)
    process.start()
    ready.wait(300)
    try:
        yield
    finally:
        process.kill()
        process.join()


def _fit_on(users: int, ready: Event) -> None:
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # wherever there is room, as in the service
    os.nice(NICENESS)
    histories = _histories(users)
    ready.set()
    while True:
        _fits_s(histories)


if __name__ == "__main__":
    typer.run(main)
