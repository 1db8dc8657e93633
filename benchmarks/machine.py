"""The machine a run was made on, its cores shared out, and what a process has cost it."""

import os
import platform
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from amp.store.embedded import find_server

_TICKS_S = os.sysconf("SC_CLK_TCK")
_PACKAGES = ("uvicorn", "uvloop", "httptools", "litestar", "redis", "hiredis", "numpy", "msgspec", "httpx")


class Cores(NamedTuple):
    """Which cores the server under test has, and which its load generator and the store share."""

    server: set[int]
    others: set[int]

    @property
    def shared(self) -> bool:
        """With one core everybody competes, and the figures say little."""
        return self.server == self.others


@contextmanager
def shared_out() -> Generator[Cores]:
    """One core is kept for a server; we and all that we start have the others until the block ends."""
    ours = os.sched_getaffinity(0)
    *others, server = sorted(ours)
    cores = Cores({server}, set(others) or {server})
    os.sched_setaffinity(0, cores.others)
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, ours)


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def core_wait_s(pid: int) -> float:
    """How long a process could have run and had no core, so far, in seconds; of its first thread."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


def describe() -> dict[str, str]:
    """What somebody else needs to know to compare figures."""
    return {
        **hardware(),
        "store": find_server().label,
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "load at start": f"{os.getloadavg()[0]:.2f}",
    }


def hardware() -> dict[str, str]:
    """When and on what a run was made, for those that need no store."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
