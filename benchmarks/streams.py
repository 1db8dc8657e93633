"""`python -m benchmarks.streams`: what many open streams cost a worker, and how soon a reader hears."""

import asyncio
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, NamedTuple

import httpx
import msgspec
import typer
from rich.console import Console

from benchmarks import machine, report, world
from benchmarks.report import Section, Target
from benchmarks.served import Server, served

STREAMS, SESSIONS, PROBES = 2000, 200, 300
MEMORY_MB_MAX, FIRST_BYTE_MS_MAX = 300.0, 20.0
_DIALS = 50
"""Streams that are opened at a time."""
_HEARD_S = 60.0


class Stream(NamedTuple):
    """An open stream and how long its first byte took."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    first_ms: float


def main(
    *,
    streams: Annotated[int, typer.Option(help="Streams that are open at once.")] = STREAMS,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON on stdout.")] = False,
) -> None:
    """Measure open streams: about a minute."""
    console = Console(stderr=as_json)
    section = run(quick=False, streams=streams)
    report.show(console, section)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(report.plain(section)) + b"\n")


def run(*, quick: bool, streams: int = STREAMS) -> Section:
    """Streams over some sessions: memory with all of them open, first bytes, and an event to each."""
    load = os.getloadavg()[0]
    with machine.shared_out() as cores, world.durable_store() as settings:
        key = asyncio.run(world.new_key(settings))
        with served(
            "benchmarks.served:service",
            cores=cores.server,
            http="amp.http.protocol:HotProtocol",
            environment=settings.environment(),
        ) as server:
            return asyncio.run(_measure(server, key, streams // 10 if quick else streams, load))


async def _measure(server: Server, key: str, count: int, load: float) -> Section:
    url, headers = f"http://127.0.0.1:{server.port}", {"x-api-key": key}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        sessions = await _sessions(client, min(SESSIONS, count))
        before_mb = _memory_mb(server.pid)
        paths = [f"/v1/sessions/{sessions[n % len(sessions)]}/events/stream" for n in range(count)]
        opened: list[Stream] = []
        for start in range(0, count, _DIALS):
            dialled = [_open(server.port, key, path) for path in paths[start : start + _DIALS]]
            opened += await asyncio.gather(*dialled)
        open_mb = _memory_mb(server.pid)
        alone_ms = [await _alone(server.port, key, path) for path in paths[:PROBES]]
        heard_ms = await _heard(client, sessions, opened)
        for stream in opened:
            stream.writer.close()
    p99_ms = quantiles(alone_ms, n=100)[98]
    return Section(
        "Open streams",
        ["", "median", "p99", "highest"],
        [
            [f"first byte, one more beside {count:,} open, ms", median(alone_ms), p99_ms, max(alone_ms)],
            [f"event to each of {count:,} readers, ms", *_told(heard_ms)],
            ["memory of the worker before, MB", before_mb, before_mb, before_mb],
            [f"memory with {count:,} open, MB", open_mb, open_mb, open_mb],
        ],
        targets=[
            Target(f"memory of a worker with {count:,} open streams", open_mb, MEMORY_MB_MAX, "MB"),
            Target("first byte of a stream, p99", p99_ms, FIRST_BYTE_MS_MAX, "ms"),
        ],
        note=(
            f"One worker on one core, {len(sessions)} sessions, a durable store; reader and store share the "
            "other core. An event goes to every session at once; each reader's time is from the first "
            f"request to its event. Load of the machine before: {load:.1f}."
        ),
    )


def _told(found_ms: Sequence[float]) -> tuple[float, float, float]:
    return median(found_ms), quantiles(found_ms, n=100)[98], max(found_ms)


async def _sessions(client: httpx.AsyncClient, count: int) -> list[str]:
    agent = (await _post(client, "/v1/agents", name="bench", model="script"))["id"]
    environment = (await _post(client, "/v1/environments", name="bench"))["id"]
    made = {"agent": agent, "environment_id": environment}
    return [(await _post(client, "/v1/sessions", **made))["id"] for _ in range(count)]


async def _post(client: httpx.AsyncClient, path: str, **body: str) -> dict[str, str]:
    answer = await client.post(path, json=body)
    answer.raise_for_status()
    return answer.json()


async def _open(port: int, key: str, path: str) -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.perf_counter()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: {key}\r\n\r\n".encode())
    status = await reader.readline()
    first_ms = (time.perf_counter() - began) * 1e3
    if b" 200 " not in status:
        raise RuntimeError(f"a stream was refused: {status!r}")
    await reader.readuntil(b": open\n\n")
    return Stream(reader, writer, first_ms)


async def _alone(port: int, key: str, path: str) -> float:
    stream = await _open(port, key, path)
    stream.writer.close()
    return stream.first_ms


async def _heard(client: httpx.AsyncClient, sessions: list[str], opened: list[Stream]) -> list[float]:
    began = time.perf_counter()

    async def hear(stream: Stream) -> float:
        await stream.reader.readuntil(b"session.updated")
        return (time.perf_counter() - began) * 1e3

    async with asyncio.timeout(_HEARD_S):
        listening = [asyncio.create_task(hear(stream)) for stream in opened]
        for session in sessions:
            await _post(client, f"/v1/sessions/{session}", title="heard")
        return list(await asyncio.gather(*listening))


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found, "Linux says what a process holds"
    return int(found[1]) / 1024


if __name__ == "__main__":
    typer.run(main)
