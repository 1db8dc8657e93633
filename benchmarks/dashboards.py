"""Open dashboards, as the script of the pages has them, and what happens meanwhile that they tell of.

A dashboard loads its page, listens to /live, and asks for the regions whose topic has another version.
Meanwhile outcomes of users and of jobs come in at a steady pace, and now and then a measurement is published.
Both run in a process of their own, on the cores that are not the server's.
"""

import asyncio
import html
import json
import os
import re
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any, NamedTuple

import httpx
import msgspec

from amp.beside import NICENESS
from amp.clock import iso, now_ms
from amp.learning.insight_store import InsightStore
from amp.learning.policies import Policies, first
from amp.settings import Settings
from benchmarks import crowd, world
from benchmarks.crowd import Count

MEASURED_EVERY_S = 5.0
_LIVE = re.compile(r'data-live="([^"]*)"')
_REGION = re.compile(r'data-region="([^"]*)" data-topics="([^"]*)"')
_spawn = crowd.spawn


class Site(NamedTuple):
    """A worker, and how one gets in."""

    port: int
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Pace(NamedTuple):
    """What comes in a second."""

    outcomes: float
    jobs: float


@contextmanager
def signed_in(site: Site) -> Generator[httpx.Client]:
    """A browser's session; redirects are not followed."""
    headers = {"Origin": site.url, "Accept": "text/html"}
    with httpx.Client(base_url=site.url, headers=headers, timeout=60) as client:
        answer = client.post("/sign-in", data={"key": site.key})
        if answer.status_code != 303:
            raise RuntimeError(f"nobody could sign in: {answer.status_code} {answer.text[:200]}")
        yield client


@contextmanager
def watched(site: Site, paths: Sequence[str]) -> Generator[Count]:
    """Dashboards on these pages until the block ends: how often they have asked for regions."""
    with signed_in(site) as client:
        session = client.cookies["amp_session"]
    count, ready = Count(), _spawn.Event()
    with _process(_watch, site, session, list(paths), count, ready):
        if not ready.wait(60):
            raise RuntimeError("the dashboards do not open")
        yield count


@contextmanager
def busy(site: Site, settings: Settings, users: int, pace: Pace) -> Generator[Count]:
    """Outcomes, jobs and measurements until the block ends: how many outcomes were acknowledged."""
    count, ready = Count(), _spawn.Event()
    with _process(partial(_happen, pace=pace), site, settings, users, count, ready):
        if not ready.wait(60):
            raise RuntimeError("nothing happens")
        yield count


@contextmanager
def _process(work: Any, *given: Any) -> Generator[None]:
    process = _spawn.Process(target=_on, args=(work, os.sched_getaffinity(0), *given), daemon=True)
    process.start()
    try:
        yield
        if process.exitcode is not None:
            raise RuntimeError("the load ended before its time; what it said stands above")
    finally:
        process.kill()
        process.join()


def _on(work: Any, cores: set[int], *given: Any) -> None:
    os.sched_setaffinity(0, cores)
    asyncio.run(work(*given))


async def _watch(site: Site, session: str, paths: Sequence[str], count: Count, ready: Any) -> None:
    os.nice(NICENESS)  # browsers are on other machines: they are not to delay who measures
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=site.url, cookies={"amp_session": session}, timeout=60, limits=limits
    ) as client:
        open_ = asyncio.Semaphore(0)
        tasks = [asyncio.ensure_future(_dashboard(client, path, open_, count)) for path in paths]
        opening = asyncio.gather(*(open_.acquire() for _ in paths))
        await asyncio.wait([opening, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            ready.set()
        await asyncio.gather(*tasks)


async def _dashboard(client: httpx.AsyncClient, path: str, opened: asyncio.Semaphore, count: Count) -> None:
    """One open page."""
    page = (await client.get(path)).raise_for_status().text
    told = _LIVE.search(page)
    assert told, "every page says what its data is as new as"
    versions: dict[str, str] = json.loads(html.unescape(told[1]))
    regions = [(name, set(topics.split())) for name, topics in _REGION.findall(page)]
    async with client.stream("GET", "/live", timeout=None) as stream:
        stream.raise_for_status()
        opened.release()
        async for now in _told(stream):
            changed = {topic for topic, version in now.items() if version != versions.get(topic)}
            versions |= now
            wanted = " ".join(name for name, topics in regions if topics & changed)
            if wanted:
                (await client.get(path, headers={"Amp-Region": wanted})).raise_for_status()
                count.tell(count.now() + 1)


async def _told(stream: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """What /live says; what came while regions were asked for is heard late, as by the script."""
    async for line in stream.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


async def _happen(
    site: Site, settings: Settings, users: int, count: Count, ready: Any, *, pace: Pace
) -> None:
    headers = {"Authorization": f"Bearer {site.key}"}
    async with httpx.AsyncClient(base_url=site.url, headers=headers, timeout=60) as client:
        ready.set()
        await asyncio.gather(
            _outcomes(client, settings, users, pace.outcomes, count),
            _worked(client, pace.jobs),
            _measured(settings),
        )


async def _outcomes(
    client: httpx.AsyncClient, settings: Settings, users: int, per_s: float, count: Count
) -> None:
    rng = Random(2)
    while True:
        some = [crowd.user_name(rng.randrange(users)) for _ in range(100)]
        for body in world.outcome_bodies(settings, some, 100):
            await asyncio.sleep(rng.expovariate(per_s))
            answer = await client.post(
                "/v1/outcome", content=body, headers={"Content-Type": "application/json"}
            )
            answer.raise_for_status()
            count.tell(count.now() + 1)


async def _worked(client: httpx.AsyncClient, per_s: float) -> None:
    """Jobs that are metered and end, spread over their kinds."""
    rng, run = Random(3), os.urandom(4).hex()
    number = 0
    while True:
        number += 1
        job = f"live-{run}-{number}"
        about = {"agenticJobId": job, "agenticJobType": rng.choice(("sales", "support"))}
        used = {"transactionId": job, "toolId": "crm", "durationMs": 50, "success": True, "costUsd": 1.0}
        moment = {"timestamp": iso(now_ms())}
        outcome = {"executionStatus": "SUCCESS", "outcomeType": "CONVERTED", "outcomeValue": 10.0}
        for path, body in (
            ("/meter/v2/tool/events", used | moment | about),
            (f"/profitstream/v2/api/jobs/{job}/outcome", outcome),
        ):
            (await client.post(path, json=body)).raise_for_status()
        await asyncio.sleep(rng.expovariate(per_s))


async def _measured(settings: Settings) -> None:
    """The newest measurement, published again as of now: its regions are asked for as of another."""
    policies = Policies(first(settings))
    async with crowd.opened(settings) as (store, functions):
        insights = InsightStore.of(settings, store, functions, policies)
        while True:
            newest = await insights.newest(world.TENANT)
            assert newest, "it was measured before"
            lift = msgspec.structs.replace(newest.lift, computed_at=iso(now_ms()))
            await insights.publish(world.TENANT, msgspec.structs.replace(newest, lift=lift))
            await asyncio.sleep(MEASURED_EVERY_S)
