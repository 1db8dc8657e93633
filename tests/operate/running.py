"""The command `amp` as a process, and waiting for what it does."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

COMMAND = (sys.executable, "-c", "from amp.cli import main; main()")


def amp(*arguments):
    """One command, to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@contextmanager
def serving(data, *arguments):
    """`amp serve` on this folder: the process, and what it announced."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--json", "--port", "0", "--data", str(data), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=20)


def until(condition, *, within_s=8.0):
    """The first true answer of `condition`; the test fails when there is none in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.01)
    pytest.fail(f"{condition.__name__} did not come true within {within_s} s")
