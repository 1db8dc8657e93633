"""Workers and whole services are replaced under load, and no request fails."""

import asyncio
import os
import random
import re
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from running import alive, children, refused, serving, until

from amp.beside import END_WITHIN_S, NICENESS

AT_WORK, PAUSES_S = 4, (0.0, 0.02)
NOW_AND_THEN, LONG_PAUSES_S = 6, (0.3, 2.0)
"""Clients that keep an idle connection, each of them shorter than the service waits for it."""
DRAIN = {"AMP_DRAIN": "6s"}


class Load:
    """Clients that decide and report, each on a connection it keeps; nothing is ever sent twice."""

    def __init__(self, announced, urls=None):
        self.urls = urls or [announced["url"]]
        self.key = announced["key"]
        self.failed, self.contexts, self.outcomes = [], 0, 0
        self.closed = 0
        self.late = 0
        self.stopping = asyncio.Event()

    async def client(self, number, pauses_s):
        chance = random.Random(number)
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(base_url=self.urls[0], headers=headers, timeout=20) as http:
            while not self.stopping.is_set():
                user = f"user-{number}-{chance.randrange(50)}"
                decided = await self.ask(http, "/v1/context", {"userId": user, "task": "roll"})
                if decided is not None:
                    self.contexts += 1
                    request = decided.json()["requestId"]
                    report = {"requestId": request, "started": True, "completed": True}
                    if await self.ask(http, "/v1/outcome", report) is not None:
                        self.outcomes += 1
                await asyncio.sleep(chance.uniform(*pauses_s))

    async def ask(self, http, path, body):
        """The answer; a store that is late on a busy machine is asked again, as any client does."""
        try:
            answer = await http.post(path, json=body)
            while answer.status_code == 503 and "STORE_UNAVAILABLE" in answer.text:
                self.late += 1
                answer = await http.post(path, json=body)
        except httpx.HTTPError as error:
            self.failed.append(f"{path}: {error!r}")
            return None
        self.closed += answer.headers.get("connection") == "close"
        if answer.status_code != 200:
            self.failed.append(f"{path}: {answer.status_code} {answer.text}")
            return None
        return answer


@asynccontextmanager
async def under(load):
    async with asyncio.TaskGroup() as group:
        for number in range(AT_WORK):
            group.create_task(load.client(number, PAUSES_S))
        for number in range(AT_WORK, AT_WORK + NOW_AND_THEN):
            group.create_task(load.client(number, LONG_PAUSES_S))
        try:
            yield
        finally:
            load.stopping.set()


def said(service, words):
    for line in service.stderr:
        if words in line:
            return
    pytest.fail(f"the service never said {words!r}")


def counted(client, name):
    """The sum of the samples whose line begins so."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def metrics_of(service):
    """Where the processes of a service share their metrics."""
    worker = next(pid for pid in children(service.pid) if b"PROMETHEUS" in environ_of(pid))
    return Path(re.search(rb"PROMETHEUS_MULTIPROC_DIR=([^\0]+)", environ_of(worker))[1].decode())


def counter_files(service):
    return list(metrics_of(service).glob("counter_*.db"))


def environ_of(pid):
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_workers_are_replaced_twice_under_load_without_one_failed_request(data):
    """Contexts and outcomes on kept connections, busy and idle ones, and not one is repeated."""
    with serving(data, "--workers", "2", **DRAIN) as (service, announced):
        load = Load(announced)
        async with under(load):
            await asyncio.sleep(1)
            for _ in range(2):
                before = load.contexts
                service.send_signal(signal.SIGHUP)
                await asyncio.to_thread(said, service, "The workers are replaced.")
                assert load.contexts > before
            await asyncio.sleep(1)
        assert load.failed == []
        assert load.contexts == load.outcomes > 300
        assert load.closed >= 4  # answers that told a client to let go of its connection
        with httpx.Client(base_url=announced["url"]) as client:
            until(lambda: counted(client, "amp_contexts_total") == load.contexts)
            outcomes = counted(client, 'amp_outcomes_total{result="new"}')
            assert load.outcomes - load.late <= outcomes <= load.outcomes
            answered = counted(client, 'amp_http_request_duration_seconds_count{route="/v1/context"')
            assert load.contexts <= answered <= load.contexts + load.late
            assert counted(client, "amp_workers ") == counted(client, "amp_build_info") == 2
            assert counted(client, "amp_draining") == 0
        assert len(counter_files(service)) <= 2 + 4 + 1  # workers, what runs beside, and all that ended


GIVING_WAY = 3
"""The background fit, the followers and the pages, once these are up."""


def hung(service):
    """Stops what gives way to the worker, so that none of it ends when it is told to; who that is."""
    until(lambda: len(niced(service)) == GIVING_WAY)
    stopped = niced(service)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    return stopped


def niced(service):
    return [pid for pid in children(service.pid) if os.getpriority(os.PRIO_PROCESS, pid) == NICENESS]


def told_to_end(pid):
    """Whether SIGTERM waits for a process that is stopped."""
    pending = re.search(r"ShdPnd:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())[1]
    return bool(int(pending, 16) & 1 << signal.SIGTERM - 1)


@pytest.mark.timeout(120)
def test_who_waits_for_what_runs_beside_the_workers_hears_the_next_signal(data):
    """SIGTERM while processes that do not end are replaced: the port closes long before they go."""
    with serving(data) as (service, announced):
        stopped = hung(service)
        service.send_signal(signal.SIGHUP)
        until(lambda: any(told_to_end(pid) for pid in stopped))
        began = time.monotonic()
        service.terminate()
        until(lambda: refused(announced["url"]))
        service.terminate()  # the second time: at once
        assert service.wait(20) == 0
        assert time.monotonic() - began < END_WITHIN_S


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_does_not_end_when_it_is_to_be_replaced_is_killed_and_replaced_quietly(data):
    with serving(data) as (service, _):
        stopped = hung(service)
        service.send_signal(signal.SIGHUP)
        lines = []
        for line in service.stderr:
            lines.append(line)
            if "The workers are replaced." in line:
                break
        assert not any("has ended" in line for line in lines), lines
        assert not any(alive(pid) for pid in stopped)
        until(lambda: len(niced(service)) == GIVING_WAY)
