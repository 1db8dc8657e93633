"""What a long outage costs on disk: reports queued by the client while nobody answers."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

from amp.client import AMP
from amp.settings import Settings
from benchmarks import world
from benchmarks.client import dead_port
from benchmarks.report import Section, Target

AIM_MB = 64.0
_SETTLE_S, _LOOK_S = 120.0, 5.0


class _Found(NamedTuple):
    peak_mb: float
    """All files of the spool together, while reports came."""
    rest_mb: float
    """After the client was closed."""
    put_us: float
    id_bytes: float


def run(*, quick: bool) -> Section:
    """As many reports without a taskType, and with one."""
    count = 100_000 if quick else 1_000_000
    logging.getLogger("amp").setLevel(logging.ERROR)
    found = {
        how: _filled(count, task_type)
        for how, task_type in (("without taskType", ""), ("with one of 6 letters", world.TASK_TYPES[0]))
    }
    note = (
        f"{count:,} calls of report_outcome_background with five signals, users' ids of 11 characters, "
        "against a dead server. A requestId is sealed: its bytes do not compress, so they are the floor. "
        "MB are 1,000,000 bytes. The aim is for the first row: in the second the ids alone are larger."
    )
    rows: list[list[str | float]] = [
        [how, each.rest_mb, each.peak_mb, each.id_bytes * count / 1e6, each.put_us]
        for how, each in found.items()
    ]
    plain = next(iter(found.values()))  # with a taskType the ids alone are more than the aim
    targets = [Target(f"{count:,} queued reports", plain.rest_mb, AIM_MB * count / 1e6, "MB")]
    columns = ["a spool of reports", "MB", "MB at most meanwhile", "MB of requestIds", "us a call, mean"]
    return Section("Spool on disk", columns, rows, targets, note)


def _filled(count: int, task_type: str) -> _Found:
    chance, spent_s, peak, id_bytes = Random(1), 0.0, 0, 0
    with TemporaryDirectory(prefix="amp-spool-") as folder:
        path = Path(folder, "reports")
        with AMP("k", f"http://127.0.0.1:{dead_port()}", spool=path) as client:
            for number, request_id in enumerate(_ids(count, task_type)):
                id_bytes += (len(request_id) - 4) * 3 // 4
                began_s = time.perf_counter()
                queued = client.report_outcome_background(
                    request_id,
                    started=True,
                    completed=chance.random() < 0.7,
                    time_to_start=round(chance.lognormvariate(3, 1), 1),
                    flow_state=chance.random() < 0.3,
                    satisfaction=chance.randint(1, 5) / 5,
                )
                spent_s += time.perf_counter() - began_s
                if not queued:
                    raise RuntimeError("the spool did not take a report")
                if number % 10_000 == 0:
                    peak = max(peak, _bytes(folder))
            peak = max(peak, _settled(folder))
        return _Found(peak / 1e6, _bytes(folder) / 1e6, spent_s / count * 1e6, id_bytes / count)


def _settled(folder: str) -> int:
    """Waits until the client has packed what it packs; the bytes at most meanwhile."""
    sizes = [_bytes(folder)]
    while len(sizes) * _LOOK_S < _SETTLE_S and (len(sizes) < 4 or len(set(sizes[-4:])) > 1):
        time.sleep(_LOOK_S)
        sizes.append(_bytes(folder))
    return max(sizes)


def _ids(count: int, task_type: str) -> Iterator[str]:
    settings = Settings(secret="a secret of the benchmarks, long enough")
    return world.request_ids(settings, world.names(5000), count, task_type)


def _bytes(folder: str) -> int:
    return sum(file.stat().st_size for file in Path(folder).iterdir())
