"""The command `amp` as a process, and waiting for what it does."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import amp

COMMAND = (sys.executable, "-c", "from amp.cli import main; main()")


@contextmanager
def serving(data, *arguments, **environ):
    """`amp serve` on this folder: the process, and what it announced. Stopped as systemd would.

    `environ` goes into its environment.
    """
    command = [*COMMAND, "serve", "--json", "--port", "0", "--data", str(data), *arguments]
    process = subprocess.Popen(
        command, env=environment() | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        announced = process.stdout.readline()
        if not announced:
            pytest.fail(f"amp serve announced nothing:\n{process.communicate()[1]}")
        yield process, json.loads(announced)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


class Patient(httpx.HTTPTransport):
    """Asks again where a busy machine's store did not answer in time, as whoever fills a service would."""

    def handle_request(self, request):
        for _ in range(50):
            answer = super().handle_request(request)
            if answer.status_code != 503:
                break
            answer.close()
            time.sleep(0.1)
        return answer


def calling(announced, key=None):
    """A patient client of what `serving` announced, by its first key or by this one."""
    headers = {"Authorization": f"Bearer {key or announced['key']}"}
    return httpx.Client(base_url=announced["url"], headers=headers, transport=Patient(), timeout=20)


def environment():
    """Ours, with the amp under test to be found from whatever folder the test runs in."""
    return os.environ | {"PYTHONPATH": str(Path(amp.__file__).parents[1])}


def until(condition, *, within_s=20.0):
    """The first true answer of `condition`; the test fails when there is none in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.01)
    pytest.fail(f"it did not come true within {within_s} s")


def alive(pid):
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid):
    """The process ids of a process's children."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def refused(url):
    """Whether nobody listens there any more."""
    try:
        httpx.get(url + "/livez", timeout=5)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        return False
    return False
