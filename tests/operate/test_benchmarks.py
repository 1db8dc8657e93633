"""The benchmarks run: a figure nobody can measure again is worth nothing."""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.console import Console

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "benchmarks" / "results.json"


@pytest.fixture(autouse=True)
def _from_the_checkout(monkeypatch):
    """The benchmarks are not installed with amp."""
    monkeypatch.syspath_prepend(ROOT)


def kept():
    return KEPT.read_bytes() if KEPT.exists() else None


def test_a_quick_run_of_a_part_tells_figures_target_and_machine_and_leaves_the_kept_results_alone():
    before = kept()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "decision", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["machine"]["python"]
    decision = found["benchmarks"]["decision"]
    *steps, whole = next(row[1:] for row in decision["rows"] if row[0] == "20 rows, alone, effects")
    assert all(step > 0 for step in steps)
    assert sum(steps) == pytest.approx(whole)
    target = decision["targets"][0]
    assert target["value"] == steps[0]
    assert target["met"] == (target["value"] <= target["limit"])
    assert decision["title"] in done.stderr
    assert kept() == before


def test_a_missed_target_is_printed_as_missed(capsys):
    from benchmarks.report import Section, Target, show

    targets = [
        Target("speed", 0.5, 1.0, "times", at_least=True),
        Target("size", 1400.0, 1300.0, "bytes"),
        Target("delay", 12.0, 20.0, "us"),
    ]
    show(Console(width=120), Section("Figures", ["what", "value"], [["speed", 0.5]], targets))
    printed = capsys.readouterr().out
    assert "missed: speed 0.5 times (aim: at least 1)" in printed
    assert "missed: size 1,400 bytes (aim: at most 1,300)" in printed
    assert "met: delay 12 us (aim: at most 20)" in printed


async def test_the_load_generator_puts_answers_together_and_counts_each_once():
    from benchmarks import load

    async with answering("200 OK") as (port, answered):
        done = await asyncio.to_thread(load.drive, port, "/x", [b"{}"], "key", 0.1)
        latencies_ms = await asyncio.to_thread(load.pace, port, "/x", [b"{}"] * 50, "key", 1000.0)
    assert len(latencies_ms) == 50
    assert min(latencies_ms) > 0
    under_way = load.CONNECTIONS  # asked when the time was up
    assert done.requests <= answered() - 50 <= done.requests + under_way


async def test_the_load_generator_refuses_to_count_what_is_not_a_200():
    from benchmarks import load

    async with answering("503 Service Unavailable") as (port, _):
        with pytest.raises(load.Refused, match="503"):
            await asyncio.to_thread(load.drive, port, "/x", [b"{}"], "key", 0.1)


@asynccontextmanager
async def answering(status):
    """A server that sends every answer in four pieces: its port, and how many it sent."""
    count = 0

    async def serve(reader, writer):
        nonlocal count
        try:
            while await reader.readuntil(b"\r\n\r\n{}"):
                head, body = f"HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\n".encode(), b"{  }"
                count += 1
                for piece in (head[:9], head[9:], body[:2], body[2:]):
                    writer.write(piece)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], lambda: count


def test_streams_are_measured():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.streams", "--streams", "40", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row[0]: row[1:] for row in found["rows"]}
    assert all(0 < median <= p99 for median, p99, _ in rows.values())
    assert rows["memory with 40 open, MB"][0] >= rows["memory of the worker before, MB"][0]
    assert found["targets"][0]["what"] == "memory of a worker with 40 open streams"


_BRIEF_ROLES = """
from benchmarks import grading
grading.WORK_S = grading.GRADING_S = 0.2
grading.typer.run(grading.main)
"""


def test_the_loop_is_measured():
    done = subprocess.run(
        [sys.executable, "-c", _BRIEF_ROLES, "--sessions", "4", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row[0]: row[1:] for row in found["rows"]}
    whole, writes = (
        rows["an iteration beyond its roles' time, ms"],
        rows["  of it its two durable writes, ms"],
    )
    assert all(0 < part < all_ for part, all_ in zip(writes, whole, strict=True))
    assert rows["round trips of the loop an iteration"][0] >= 2
    assert found["targets"][0]["what"].startswith("4 sessions")
