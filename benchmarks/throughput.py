"""How many requests one worker answers, beside the same server answering nothing at all."""

import asyncio
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

from amp.settings import Settings
from benchmarks import load, machine, world, wrk
from benchmarks.report import Section, Target
from benchmarks.served import Server, served

HISTORY = 20
RAW, LITESTAR = "raw ASGI, empty", "Litestar, empty"
CONTEXT, OUTCOME = "POST /v1/context", "POST /v1/outcome"
_AIMS = {CONTEXT: 1.0, OUTCOME: 0.8}
_WARM_S = 1.0
_RATE_MAX = 40_000
"""Outcomes a second that no worker reaches: so many are made."""


class Service(NamedTuple):
    """amp, served on a durable store full of users."""

    server: Server
    settings: Settings
    users: list[str]
    """Asked for; each has 20 outcomes and gets no more."""
    reporters: list[str]
    """Reported on; each had 20 outcomes at the start."""
    key: str


class Contender(NamedTuple):
    """One line of the table."""

    name: str
    server: Server
    path: str
    bodies: Sequence[bytes] | None
    """Sent again and again; None for outcomes, each of which must be new."""


class Round(NamedTuple):
    """One contender's turn."""

    per_s: float
    cpu_us: float
    busy: float
    """Share of the time for which the server had its core; the rest it waited, or another had it."""


@contextmanager
def service(cores: machine.Cores, *, users: int) -> Generator[Service]:
    """The service, so many users to ask for and as many to report on, and the prior that they teach."""
    names = world.names(2 * users)
    with world.durable_store() as settings:
        asyncio.run(_populate(settings, names))
        key = asyncio.run(world.new_key(settings))
        asyncio.run(world.teach(settings))
        with served(
            "benchmarks.served:service",
            cores=cores.server,
            http="amp.http.protocol:HotProtocol",
            environment=settings.environment(),
        ) as server:
            yield Service(server, settings, names[:users], names[users:], key)


async def _populate(settings: Settings, users: Sequence[str]) -> None:
    async with world.facts(settings) as (_, learned):
        await world.live_through(
            learned, world.TENANT, users, interactions=HISTORY, task_types=world.TASK_TYPES
        )


def run(*, quick: bool) -> Section:
    """All contenders in turn, several rounds."""
    users, rounds, seconds = (500, 3, 1.0) if quick else (4000, 7, 3.0)
    drive, generator = (wrk.drive, "wrk") if shutil.which("wrk") else (load.drive, "built in (load.py)")
    with (
        machine.shared_out() as cores,
        service(cores, users=users) as amp,
        served("benchmarks.empty:raw", cores=cores.server) as raw,
        served("benchmarks.empty:litestar", cores=cores.server) as litestar,
    ):
        contexts = world.context_bodies(amp.users)
        contenders = [
            Contender(RAW, raw, "/empty", contexts),
            Contender(LITESTAR, litestar, "/empty", contexts),
            Contender(CONTEXT, amp.server, "/v1/context", contexts),
            Contender(OUTCOME, amp.server, "/v1/outcome", None),
        ]
        for each in contenders:
            _turn(each, amp, drive, _WARM_S)
        found = {each.name: list[Round]() for each in contenders}
        for _ in range(rounds):
            for each in contenders:
                found[each.name].append(_turn(each, amp, drive, seconds))
    return _section(found, generator, cores, users)


def _turn(each: Contender, amp: Service, drive: Callable[..., load.Load], seconds: float) -> Round:
    bodies = each.bodies or world.outcome_bodies(amp.settings, amp.reporters, int(_RATE_MAX * seconds))
    before_s = machine.cpu_s(each.server.pid)
    done = drive(each.server.port, each.path, bodies, amp.key, seconds)
    cpu_s = machine.cpu_s(each.server.pid) - before_s
    if each.bodies is None and done.requests > len(bodies):
        raise RuntimeError("outcomes were sent twice: what was measured were replays")
    return Round(done.requests / done.seconds, cpu_s / done.requests * 1e6, cpu_s / done.seconds)


def _section(found: dict[str, list[Round]], generator: str, cores: machine.Cores, users: int) -> Section:
    ratios = {
        name: [mine.per_s / base.per_s for mine, base in zip(rounds, found[LITESTAR], strict=True)]
        for name, rounds in found.items()
    }
    base_cpu_us = median(each.cpu_us for each in found[LITESTAR])
    rows = [
        [
            name,
            median(each.per_s for each in rounds),
            median(each.cpu_us for each in rounds),
            f"{median(each.busy for each in rounds):.0%}",
            f"{median(ratios[name]):.2f}",
            f"{min(ratios[name]):.2f}-{max(ratios[name]):.2f}",
            f"{base_cpu_us / median(each.cpu_us for each in rounds):.2f}",
        ]
        for name, rounds in found.items()
    ]
    targets = [
        Target(f"{name}, req/s against {LITESTAR}", median(ratios[name]), aim, "times", True)
        for name, aim in _AIMS.items()
    ]
    note = (
        f"Uvicorn with uvloop and httptools, {load.CONNECTIONS} connections; load by {generator}; "
        f"median of {len(found[LITESTAR])} interleaved rounds, the ratio's range beside it. "
        f"Contexts of {users:,} users of {HISTORY} outcomes, on a prior fitted to them; outcomes of as many "
        "others. Valkey on a Unix socket, appendfsync always. "
        f"{_sharing(cores)}"
    )
    columns = ["one worker", "req/s", "CPU us", "core busy", "x Litestar", "range", "by CPU"]
    return Section("Requests", columns, rows, targets, note)


def _sharing(cores: machine.Cores) -> str:
    if cores.shared:
        return "Server, store and load share one core: read nothing into it."
    return (
        "The server has one core, store and load generator the others. A core busy for much less than 100 % "
        "was shared with strangers or waited for the store: then compare CPU, not requests."
    )
