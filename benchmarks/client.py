"""What `report_outcome_background` costs its caller, with a live server and with none.

Beside it at the same pace what no client can do without: an append, and with the spool an insert of SQLite.
"""

import logging
import os
import socket
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from amp.client import AMP
from amp.client.spool_file import PAGE_BYTES
from benchmarks import machine, world
from benchmarks.report import Section, Target
from benchmarks.throughput import service

AIM_US, SPOOLED_AIM_US = 20.0, 150.0
_PACE_S = 0.0002
_ROW = os.urandom(120)


def run(*, quick: bool) -> Section:
    """20,000 calls in a burst and as many at a pace, for a server that answers and one that is dead."""
    calls = 2000 if quick else 20_000
    logging.getLogger("amp").setLevel(logging.ERROR)  # that a dead server loses reports is no news here
    found: dict[str, list[float]] = {}
    targets: list[Target] = []
    with (
        machine.shared_out() as cores,
        service(cores, users=100) as amp,
        TemporaryDirectory(prefix="amp-spool-") as folder,
    ):
        ids = list(world.request_ids(amp.settings, amp.reporters, 4 * calls))
        for name, port in (("live", amp.server.port), ("dead", dead_port())):
            url = f"http://127.0.0.1:{port}"
            for spooled, aim_us in ((False, AIM_US), (True, SPOOLED_AIM_US)):
                spool = Path(folder, name) if spooled else None
                some = ids[2 * calls :] if spooled else ids[: 2 * calls]
                for how, taken_us in zip(("burst", "paced"), _both(url, amp.key, some, spool), strict=True):
                    row = f"{name} server, {'spooled, ' if spooled else ''}{how}"
                    found[row] = _quantiles(taken_us)
                    targets.append(Target(f"p99, {row}", found[row][1], aim_us, "us"))
        found["nothing but a dict and an append, paced"] = _quantiles(_bare_us(_append(), calls))
        with _bare_spool(Path(folder, "bare")) as insert:
            found["nothing but an insert of SQLite, paced"] = _quantiles(_bare_us(insert, calls))
    note = (
        f"{calls:,} calls each: back to back, and one each {_PACE_S * 1e6:.0f} us while the reporter's "
        "thread is at work. Client and server are on different cores. The last two rows are of no client: "
        "what the machine takes for a dict in a queue, and for a row in a file as the spool's, at that pace."
    )
    columns = ["us a call", "p50", "p99", "p99.9", "max"]
    return Section(
        "report_outcome_background",
        columns,
        [[name, *figures] for name, figures in found.items()],
        targets,
        note,
    )


def _both(url: str, key: str, ids: Sequence[str], spool: Path | None) -> tuple[list[float], list[float]]:
    half = len(ids) // 2
    with AMP(key, url, queue_size=len(ids), spool=spool) as client:
        burst = [_call_us(client, request_id) for request_id in ids[:half]]
        client.flush(1.0)
        paced: list[float] = []
        for request_id in ids[half:]:
            paced.append(_call_us(client, request_id))
            time.sleep(_PACE_S)
    return burst, paced


def _call_us(client: AMP, request_id: str) -> float:
    began = time.perf_counter_ns()
    queued = client.report_outcome_background(
        request_id, started=True, completed=True, time_to_start=12.5, satisfaction=0.75
    )
    taken_ns = time.perf_counter_ns() - began
    if not queued:
        raise RuntimeError("a report was dropped: what was measured was no queueing")
    return taken_ns / 1000


def _bare_us(put: Callable[[object], object], calls: int) -> list[float]:
    taken_us: list[float] = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        put(_ROW)
        taken_us.append((time.perf_counter_ns() - began) / 1000)
        time.sleep(_PACE_S)
    return taken_us


def _append() -> Callable[[object], object]:
    queue = deque[object]()

    def put(row: object) -> None:
        queue.append(
            {
                "request_id": row,
                "started": True,
                "completed": True,
                "time_to_start": 12.5,
                "satisfaction": 0.75,
            }
        )

    return put


@contextmanager
def _bare_spool(path: Path) -> Generator[Callable[[object], object]]:
    """Inserts into a file with the spool's settings, and nothing else."""
    connection = sqlite3.connect(path, isolation_level=None)
    for setting in (f"page_size = {PAGE_BYTES}", "journal_mode = WAL", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute(
        "CREATE TABLE waiting (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, entry BLOB NOT NULL)"
    )
    yield lambda row: connection.execute("INSERT INTO waiting (n, entry) VALUES (1, ?)", (row,))
    connection.close()


def _quantiles(taken_us: Sequence[float]) -> list[float]:
    found: list[float] = np.quantile(taken_us, [0.5, 0.99, 0.999, 1.0]).tolist()
    return found


def dead_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
