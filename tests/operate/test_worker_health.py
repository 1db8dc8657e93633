"""A worker that is gone is found gone at once."""

import multiprocessing
import os
import time
from types import SimpleNamespace

import pytest

from amp.worker import heard

SPAWN = multiprocessing.get_context("spawn")


def dies_when_asked(line):
    line.recv()
    os._exit(9)


def answers_once(line):
    line.recv()
    line.send(True)
    line.recv()


@pytest.fixture
def worker():
    """A worker as uvicorn keeps it: the parent holds both ends of the line, so its end shows nothing."""
    started = []

    def start(target):
        parent, child = SPAWN.Pipe()
        process = SPAWN.Process(target=target, args=(child,), daemon=True)
        process.start()
        started.append((process, parent, child))
        return SimpleNamespace(process=process, parent_conn=parent)

    yield start
    for process, parent, child in started:
        process.kill()
        process.join()
        parent.close()
        child.close()


def test_a_worker_that_dies_while_it_is_asked_is_not_waited_for(worker):
    """Killed between the look at its process and its answer, it used to hold up the restart for 15 s."""
    began = time.monotonic()
    assert not heard(worker(dies_when_asked), within_s=30)
    assert time.monotonic() - began < 10


def test_a_worker_that_answers_is_alive_and_one_that_does_not_is_hung(worker):
    one = worker(answers_once)
    assert heard(one, within_s=30)
    assert heard(one, within_s=0.0) is None
    one.process.join(10)
    assert not heard(one, within_s=30)
