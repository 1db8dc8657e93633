"""The brake lets go of everybody as soon as one request is answered."""

import threading
import time

import pytest
from faults import FaultServer

from amp.client import AMP, brake, senders
from amp.client.delivery import Result
from amp.client.failures import Unexpected
from amp.client.wire import Reply, Request

REFUSED = Result([], Unexpected("no answer of amp's"), whole=True)
ANSWERED = Result([], None)
SOON_S = 5.0


@pytest.fixture
def server():
    server = FaultServer()
    yield server
    server.end()


def waiting(braked, count):
    """So many threads with a request each; one that has been posted is no longer alive."""
    threads = [
        threading.Thread(target=braked.post, args=(Request("POST", "/"),), daemon=True) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    return threads


def all_end(threads):
    until_s = time.monotonic() + SOON_S
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def test_who_waits_for_a_turn_goes_on_when_another_is_answered_and_no_turn_is_left_over(monkeypatch):
    monkeypatch.setattr(brake, "EVERY_S", 60.0)
    posted = threading.Semaphore(0)

    def post(_):
        posted.release()
        return Reply(200, {}, b"")

    braked = brake.Brake(post, lambda: False)
    for _ in range(brake.STRIKES):
        braked.told(REFUSED)
    threads = waiting(braked, senders.THREADS)
    assert posted.acquire(timeout=SOON_S), "one is asked at once"
    assert not posted.acquire(timeout=0.2), "the others have a turn in a minute or later"
    braked.told(ANSWERED)
    assert all_end(threads)
    for _ in range(brake.STRIKES):
        braked.told(REFUSED)
    assert all_end(waiting(braked, 1))


@pytest.mark.parametrize("fault", ["nowhere", "garbage"])
def test_what_a_server_refused_until_just_before_the_end_arrives_at_the_end(server, fault):
    """Eight batches that no file keeps: each thread has one, and a turn of up to four seconds later."""
    server.fault = lambda _: fault
    amp = AMP("k", server.url)
    for number in range(800):
        amp.report_outcome_background(f"req_{number}", started=True)
    until_s = time.monotonic() + 20
    while server.requests <= brake.STRIKES and time.monotonic() < until_s:
        assert not amp.flush(0.05)
    well = threading.Timer(0.6, lambda: setattr(server, "fault", lambda _: None))
    well.start()
    amp.close()
    well.join()
    told = amp.counters
    assert (told.sent + told.failed, told.dropped) == (800, 0)
    assert told.failed < 30, "a few that were refused by themselves meanwhile"
