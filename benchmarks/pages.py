"""`python -m benchmarks.pages`: every page of the dashboard over a million users and a million jobs.

What is told apart is the first visit after a start of worker and pages, and those after it. Then how long
`/v1/context` takes with dashboards open that follow what happens, against the same without.
"""

import asyncio
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple
from urllib.parse import quote, urlencode

# one BLAS thread, as in the workers; numpy reads it once, when it is loaded
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import httpx
import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from amp.grading.lists_store import SessionLists
from amp.learning.user_store import UserStore
from amp.ledger.cells import DAY_MS
from amp.settings import Settings
from amp.store.keyring import Keyring, pepper
from amp.tenancy import DEFAULT_SCOPES
from benchmarks import crowd, dashboards, ledger_report, load, machine, report, world
from benchmarks.dashboards import Pace, Site
from benchmarks.readme import PAGES, with_pages
from benchmarks.report import Section, Target
from benchmarks.seeded import Size, Told, seeded_store
from benchmarks.served import drawn, followed, served

FULL = 1_000_000
TIMES = 15
PAGE_MS_MAX, CONTEXT_TIMES_MAX = 150.0, 1.2
DASHBOARDS, ROUNDS = 20, 10
PER_S = 400.0
"""Contexts a second: of one worker, which answers outcomes and dashboards too."""
BESIDE = Pace(outcomes=50.0, jobs=3.0)
SECONDS = 8
_WARM = 400
README = Path(__file__).parent.parent / "README.md"


class Took(NamedTuple):
    """Visits of one page, in milliseconds."""

    name: str
    first_ms: float
    """Of a worker that was started for it."""
    later_ms: list[float]
    size: int
    """Bytes of the page."""


class Beside(NamedTuple):
    """Contexts of all rounds, in milliseconds, with dashboards open and without; how often these asked."""

    watched_ms: list[float]
    alone_ms: list[float]
    asked: list[int]


def run(size: Size, *, kept: Path | None, told: Told) -> Section:
    """Seeds, unless the folder `kept` is seeded already; serves, visits."""
    with world.durable_store(kept) as settings:
        key = asyncio.run(_key(settings))  # what learns looks at tenants that have one
        seeded = seeded_store(settings, size, kept and kept / "seeded.json", told)
        began_load = os.getloadavg()[0]
        used_mb = asyncio.run(_used_mb(settings))
        with machine.shared_out() as cores, followed(settings.environment(), cores.others):
            took = _visited(settings, cores, key, asyncio.run(_pages(settings, size)), told)
            beside = _beside(settings, cores, key, size, took, told=told)
    note = (
        f"{size.users:,} users with {crowd.reports_of(size.users):,} outcomes, {size.jobs:,} jobs, "
        f"{size.sessions:,} graded sessions: seeded in {seeded.seeded_s:,.0f} s, fitted and measured in "
        f"{seeded.learned_s:,.0f} s; the store holds {used_mb:,.0f} MB. One worker on one core; store, pages "
        "and who asks share the other; from the request to the last byte. First: the first visit after a "
        "start. "
        f"Contexts: {PER_S:g}/s in open loop, {ROUNDS} rounds of {SECONDS} s each way, in turn, beside "
        f"{BESIDE.outcomes:g} outcomes and {BESIDE.jobs:g} jobs a second, with {DASHBOARDS} dashboards open "
        f"(p99 {_p99(beside.watched_ms):.1f} ms, p50 {median(beside.watched_ms):.1f} ms, "
        f"{median(beside.asked):,.0f} refetches a round) and without "
        f"({_p99(beside.alone_ms):.1f} ms, p50 {median(beside.alone_ms):.1f} ms); of each way the p99 of all "
        f"its rounds together. Load: {began_load:.1f} before, "
        f"{os.getloadavg()[0]:.1f} after."
    )
    return _section(size, took, beside, note)


def _section(size: Size, took: list[Took], beside: Beside, note: str) -> Section:
    targets = [Target(f"{each.name}, median", median(each.later_ms), PAGE_MS_MAX, "ms") for each in took]
    slowest = max(took, key=lambda each: each.first_ms)
    targets += [
        Target(
            f"the first visit after a start, slowest ({slowest.name})", slowest.first_ms, PAGE_MS_MAX, "ms"
        ),
        Target(
            f"p99 of /v1/context with {DASHBOARDS} dashboards against without",
            _p99(beside.watched_ms) / _p99(beside.alone_ms),
            CONTEXT_TIMES_MAX,
            "times",
        ),
    ]
    rows: list[list[str | float]] = [
        [each.name, each.first_ms, median(each.later_ms), max(each.later_ms), each.size / 1000]
        for each in took
    ]
    columns = ["page", "first ms", "median ms", f"worst of {TIMES}, ms", "kB"]
    return Section(f"Pages over {size.users:,} users and {size.jobs:,} jobs", columns, rows, targets, note)


async def _pages(settings: Settings, size: Size) -> dict[str, str]:
    """Every page's address, by what it is."""
    last = size.jobs - 1
    far_ms = (ledger_report.FIRST_DAY + 1) * DAY_MS
    async with crowd.opened(settings) as (store, functions):
        lists = SessionLists(store)
        ((_, session),) = await lists.listed(
            world.TENANT, None, low_us=0, high_us=10**16, newest_first=True, count=1
        )
        (heard,) = await UserStore(store, functions).recent(world.TENANT, 1)
    many = max(range(min(size.users, 20_000)), key=list(crowd.interactions(size.users)).__getitem__)
    return {
        "Overview": "/",
        "Approaches": "/approaches",
        "Approaches, a context": "/approaches?" + urlencode({"task": "coding", "complexity": "high"}),
        "Users": "/users",
        "Users, a hit": "/users?" + urlencode({"search": crowd.user_name(size.users // 2)}),
        "Users, a prefix": "/users?search=user-00000",
        "Users, a miss": "/users?search=nobody",
        "A user": "/users/user?" + urlencode({"id": heard}),
        "A user of many interactions": "/users/user?" + urlencode({"id": crowd.user_name(many)}),
        "ROI": "/roi",
        "ROI of a type": "/roi?only=type%3Asales",
        "ROI of an approach": "/roi?" + urlencode({"only": "approach:approach 3"}),
        "ROI, converted": "/roi?currency=EUR",
        "ROI of a month": "/roi?startDate=2026-03-18&endDate=2026-04-17",
        "Jobs": "/roi/jobs",
        "Jobs, filtered": "/roi/jobs?type=sales&executionStatus=SUCCESS&outcomeType=NOT_CONVERTED",
        "Jobs, far back": f"/roi/jobs?before={far_ms}",
        "Jobs, by id": "/roi/jobs?" + urlencode({"search": f"job-{last // 2:07}"}),
        "A job": f"/roi/jobs/job-{last // 2:07}",
        "Graded": "/graded",
        "A session": f"/graded/{quote(session)}",
        "Trust": "/trust",
    }


def _visited(
    settings: Settings, cores: machine.Cores, key: str, pages: dict[str, str], told: Told
) -> list[Took]:
    firsts: dict[str, float] = {}
    for done, (name, path) in enumerate(pages.items()):
        with _worker(settings, cores, key) as site, dashboards.signed_in(site) as client:
            firsts[name] = _visit(client, path)[0]
        told("first visits", done + 1)
    found: list[Took] = []
    with _worker(settings, cores, key) as site, dashboards.signed_in(site) as client:
        for name, path in pages.items():
            _, size = _visit(client, path)
            later = [_visit(client, path)[0] for _ in range(TIMES)]
            found.append(Took(name, firsts[name], later, size))
            told("visits", len(found))
    return found


def _visit(client: httpx.Client, path: str) -> tuple[float, int]:
    """Milliseconds and bytes."""
    began = time.perf_counter()
    answer = client.get(path)
    took_ms = 1000 * (time.perf_counter() - began)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
    return took_ms, len(answer.content)


@contextmanager
def _worker(settings: Settings, cores: machine.Cores, key: str) -> Generator[Site]:
    with (
        drawn(settings.environment(), cores.others) as told,
        served(
            "benchmarks.served:service",
            cores=cores.server,
            http="amp.http.protocol:HotProtocol",
            environment=settings.environment() | told,
        ) as server,
    ):
        yield Site(server.port, key)


def _beside(
    settings: Settings, cores: machine.Cores, key: str, size: Size, took: list[Took], *, told: Told
) -> Beside:
    """What comes first changes from round to round: the store's log grows meanwhile."""
    pages = asyncio.run(_pages(settings, size))
    paths = [pages[took[number % len(took)].name] for number in range(DASHBOARDS)]
    count = int(PER_S * SECONDS) + _WARM
    bodies = world.context_bodies([crowd.user_name(number % size.users) for number in range(count)])
    found = Beside([], [], [])
    with (
        _worker(settings, cores, key) as site,
        dashboards.busy(site, settings, size.users, BESIDE),
    ):
        for done in range(ROUNDS):
            for watched in (False, True) if done % 2 else (True, False):
                if not watched:
                    found.alone_ms.extend(_latencies_ms(site, bodies))
                    continue
                with dashboards.watched(site, paths) as asked:
                    before = asked.now()
                    found.watched_ms.extend(_latencies_ms(site, bodies))
                    found.asked.append(asked.now() - before)
            told("rounds", done + 1)
    return found


def _latencies_ms(site: Site, bodies: list[bytes]) -> list[float]:
    return load.pace(site.port, "/v1/context", bodies, site.key, PER_S)[_WARM:]


def _p99(latencies_ms: list[float]) -> float:
    return float(np.quantile(latencies_ms, 0.99))


async def _key(settings: Settings) -> str:
    """A key that opens the API and all pages."""
    async with crowd.opened(settings) as (store, _):
        keyring, owner = Keyring(store, pepper(settings.secret or "")), world.TENANT
        scopes = (*DEFAULT_SCOPES, "read")
        key, _ = await keyring.create(tenant=owner.name, env=owner.env, scopes=scopes, expires_ms=None)
        return key


async def _used_mb(settings: Settings) -> float:
    async with crowd.opened(settings) as (store, _):
        told: bytes = await store.ask("INFO", "memory")
    used = next(line for line in told.decode().splitlines() if line.startswith("used_memory:"))
    return int(used.partition(":")[2]) / 1e6


@contextmanager
def _bars(console: Console, size: Size) -> Generator[Told]:
    """A bar of each kind of work, from when it begins."""
    totals = {
        "users": crowd.reports_of(size.users),
        "entries": int(size.jobs * 2.9),
        "sessions": size.sessions,
        "rounds": ROUNDS,
    }
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def told(what: str, done: float) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=totals.get(what, 22))
            progress.update(bars[what], completed=done)

        yield told


def main(
    *,
    users: Annotated[int, typer.Option(help="How many; most have one to five interactions.")] = FULL,
    jobs: Annotated[int, typer.Option(help="How many; each has two or three entries.")] = FULL,
    kept: Annotated[
        Path | None, typer.Option("--folder", help="Where the store stays: the next run need not seed it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON on stdout.")] = False,
) -> None:
    """Measure the dashboard's pages; a run of the default size is kept in pages.json."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console.width = 110
    size = Size(users, jobs)
    with _bars(console, size) as told:
        section = run(size, kept=kept, told=told)
    report.show(console if as_json else Console(width=110), section)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(report.plain(section)) + b"\n")
    if users >= FULL and jobs >= FULL:
        figures = {"machine": machine.hardware(), "pages": report.plain(section)}
        PAGES.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")
        text = README.read_text(encoding="utf-8")
        README.write_text(with_pages(text, figures), encoding="utf-8")
        console.print(f"Written to {PAGES} and {README}")


if __name__ == "__main__":
    typer.run(main)
