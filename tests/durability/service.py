"""`amp serve` as a process on a folder, and its children to be killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import amp
from amp.beside import NICENESS

COMMAND = (sys.executable, "-c", "from amp.cli import main; main()")


class Service:
    """A running service; `url` and `key` are what it announced."""

    def __init__(self, process: subprocess.Popen[str], data: Path, announced: dict[str, str]) -> None:
        self.url, self.key = announced["url"], announced["key"]
        self._process = process
        self._data = data

    @property
    def store(self) -> int:
        """The store's process id."""
        return int((self._data / "store.lock").read_text())

    def kill_store(self) -> None:
        os.kill(self.store, signal.SIGKILL)

    def kill_workers(self) -> None:
        """Kills what was spawned to work: the HTTP worker and what runs beside it."""
        for pid in self._spawned():
            os.kill(pid, signal.SIGKILL)

    def kill_niced(self) -> int:
        """Kills what gives way to the worker: background fit, followers, pages; how many there were."""
        niced = [pid for pid in self._spawned() if os.getpriority(os.PRIO_PROCESS, pid) == NICENESS]
        for pid in niced:
            os.kill(pid, signal.SIGKILL)
        return len(niced)

    def _spawned(self) -> set[int]:
        others = self._children() - {self.store}
        return {pid for pid in others if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()}

    def _children(self) -> set[int]:
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return {int(child) for task in tasks for child in task.read_text().split()}


@contextmanager
def serving(data: Path) -> Iterator[Service]:
    """A service with one worker on an embedded store, ended and waited for at the end."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AMP_")}
    environ |= {"PYTHONPATH": str(Path(amp.__file__).parents[1])}
    command = [*COMMAND, "serve", "--json", "--port", "0", "--data", str(data)]
    with (data.parent / "serve.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            announced = process.stdout.readline()
            assert announced, (data.parent / "serve.log").read_text()
            yield Service(process, data, json.loads(announced))
        finally:
            process.terminate()
            process.communicate(timeout=20)
