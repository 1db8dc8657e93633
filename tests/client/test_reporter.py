"""The background reporter, with a function in the place of the network."""

import json
import logging
import threading
import time
from itertools import chain

import pytest

from amp.client import senders as senders_module
from amp.client.backlog import Memory
from amp.client.failures import Unreachable
from amp.client.reporter import Reporter
from amp.client.senders import Senders
from amp.client.spool import Spool
from amp.client.tally import Tally
from amp.client.wire import Reply

TAKEN = {"success": True, "message": "ok"}


class Network:
    """Answers each batch by `answer(request ids)`: a list of item answers, a Reply, or an error to raise."""

    def __init__(self, answer=lambda ids: [TAKEN for _ in ids]):
        self.answer = answer
        self.batches = []
        self.called = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def __call__(self, request):
        ids = [item["requestId"] for item in json.loads(request.body)["items"]]
        self.batches.append(ids)
        self.called.set()
        assert self.open.wait(5)
        answer = self.answer(ids)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(200, {}, json.dumps({"items": answer}).encode())


@pytest.fixture
def started():
    """Makes reporters, and ends them."""
    reporters, networks = [], []

    def start(network, *, queue_size=10_000):
        tally = Tally()
        networks.append(network)
        reporters.append(Reporter(network, tally, Memory(queue_size), chance=lambda: 0.0))
        return reporters[-1], lambda: tally.counters(reporters[-1].queued)

    yield start
    for network in networks:
        network.open.set()  # a thread that still waits for it would fail in somebody else's test
    for reporter in reporters:
        reporter.close(timeout_s=0.0)


def report(name, **signals):
    return {"request_id": name, "started": True, **signals}


def test_a_burst_leaves_as_full_batches_in_order(started):
    network = Network()
    reporter, counters = started(network)
    assert all(reporter.put("outcome", report(f"req_{n}")) for n in range(250))
    assert reporter.flush(5)
    assert list(chain.from_iterable(network.batches)) == [f"req_{n}" for n in range(250)]
    assert max(map(len, network.batches)) == 100
    assert (counters().sent, counters().queued) == (250, 0)


def test_a_full_queue_says_so_counts_and_warns_once(started, caplog):
    network = Network()
    network.open.clear()
    reporter, counters = started(network, queue_size=3)
    reporter.put("outcome", report("req_first"))
    assert network.called.wait(5), "the thread now waits for the network"
    with caplog.at_level(logging.WARNING, "amp.client"):
        taken = [reporter.put("outcome", report(f"req_{n}")) for n in range(5)]
    assert taken == [True, True, True, False, False]
    assert (counters().dropped, counters().queued) == (2, 4)
    assert len(caplog.records) == 1
    network.open.set()
    assert reporter.flush(5)
    assert counters().sent == 4


def test_only_the_reports_that_may_yet_succeed_are_sent_again(started):
    busy = {"error": {"code": "STORE_UNAVAILABLE", "message": "later"}}
    gone = {"error": {"code": "REQUEST_EXPIRED", "message": "too old"}}
    answers = [[TAKEN, busy, gone], [TAKEN]]
    network = Network(lambda _: answers.pop(0))
    reporter, counters = started(network)
    for name in ("req_a", "req_b", "req_c"):
        reporter.put("outcome", report(name))
    assert reporter.flush(5)
    assert network.batches == [["req_a", "req_b", "req_c"], ["req_b"]]
    assert (counters().sent, counters().failed, counters().failed_codes) == (2, 1, {"REQUEST_EXPIRED": 1})


@pytest.mark.parametrize(
    "trouble",
    [Unreachable("down"), Reply(503, {}, b""), Reply(429, {"retry-after": "0"}, b""), Reply(408, {}, b"")],
    ids=["down", "503", "429", "408"],
)
def test_a_server_that_is_away_is_waited_for_without_giving_up(started, trouble):
    answers = [trouble] * 20
    network = Network(lambda ids: answers.pop() if answers else [TAKEN for _ in ids])
    reporter, counters = started(network)
    reporter.put("outcome", report("req_a"))
    assert reporter.flush(5)
    assert len(network.batches) == 21
    assert (counters().sent, counters().failed) == (1, 0)


def test_a_report_that_breaks_the_server_is_given_up_and_the_next_ones_go_on(started):
    broken = {"error": {"code": "INTERNAL", "message": "oops"}}
    network = Network(lambda ids: [broken if name == "req_bad" else TAKEN for name in ids])
    reporter, counters = started(network)
    reporter.put("outcome", report("req_bad"))
    reporter.flush(5)
    reporter.put("outcome", report("req_good"))
    assert reporter.flush(5)
    assert 8 <= network.batches.count(["req_bad"]) <= 16, "a flush begins the count anew, once"
    assert (counters().sent, counters().failed_codes) == (1, {"INTERNAL": 1})


def test_a_refused_key_fails_the_reports_for_good(started):
    body = b'{"error":{"code":"UNAUTHORIZED","message":"no"}}'
    network = Network(lambda _: Reply(401, {}, body))
    reporter, counters = started(network)
    reporter.put("outcome", report("req_a"))
    reporter.put("outcome", report("req_b"))
    assert reporter.flush(5)
    assert (counters().failed, counters().failed_codes) == (2, {"UNAUTHORIZED": 2})


@pytest.mark.parametrize(
    "bad",
    [
        report("req_x", satisfied=1),
        report("req_x", metadata={"x": object()}),
        report("req_x", satisfaction=float("nan")),
        report("req_x", metadata={"x": "y" * 70_000}),
    ],
    ids=["misspelt", "no JSON", "NaN", "too large"],
)
def test_a_report_that_cannot_be_sent_is_counted_and_harms_no_other(started, bad):
    network = Network()
    reporter, counters = started(network)
    assert reporter.put("outcome", bad)
    assert reporter.put("outcome", report("req_good"))
    assert reporter.flush(5)
    assert network.batches == [["req_good"]]
    assert (counters().sent, counters().failed) == (1, 1)


def test_reports_on_fallback_contexts_never_leave(started):
    network = Network()
    reporter, counters = started(network)
    assert not reporter.put("outcome", report("req_local_1"))
    assert reporter.flush(0)
    assert network.batches == []
    assert counters().dropped_local == 1


def test_a_flush_that_runs_out_of_time_says_so_and_loses_nothing(started):
    network = Network()
    network.open.clear()
    reporter, counters = started(network)
    reporter.put("outcome", report("req_a"))
    assert not reporter.flush(0.05)
    network.open.set()
    assert reporter.flush(5)
    assert counters().sent == 1


def test_closing_drops_what_time_did_not_allow_and_counts_it(started):
    network = Network()
    network.open.clear()
    reporter, counters = started(network)
    reporter.put("outcome", report("req_a"))
    assert network.called.wait(5)
    for n in range(5):
        reporter.put("outcome", report(f"req_{n}"))
    reporter.close(timeout_s=0.05)
    assert (counters().dropped, counters().queued) == (6, 0)
    assert not reporter.put("outcome", report("req_late"))
    assert counters().dropped == 7
    network.open.set()
    until_s = time.monotonic() + 5
    while not counters().sent and time.monotonic() < until_s:
        time.sleep(0.001)
    assert counters().sent, "what was under way arrives after all"
    assert counters().sent + counters().dropped == 7


def test_a_report_that_comes_in_the_moment_of_closing_is_refused():
    backlog = Memory(10)
    backlog.close()
    assert not backlog.put("outcome", report("req_late"))
    assert backlog.empty


def test_what_a_stranger_answers_waits_where_there_is_a_limit(monkeypatch):
    monkeypatch.setattr(senders_module, "AGAIN_MAX", 3)
    backlog = Memory(5)
    senders = Senders(lambda _: Reply(200, {}, b"<html>"), Tally(), backlog, lambda: 1.0)
    assert all(backlog.put("outcome", report(f"req_{n}")) for n in range(5))
    pauses = [senders._send(backlog.take(1)) for _ in range(4)]
    assert pauses == [None, None, None, 0.5], (
        "the fourth waits in the queue again, and the server is left alone"
    )
    assert [backlog.put("outcome", report("req_x")) for _ in range(4)] == [True] * 3 + [False]
    assert backlog.count == 8


def test_what_the_disk_did_not_take_is_tried_until_the_end(tmp_path):
    ended_s = time.monotonic()

    def network(request):
        if time.monotonic() < ended_s + 0.3:
            raise Unreachable("away")
        return Reply(200, {}, json.dumps({"items": [TAKEN]}).encode())

    tally = Tally()
    spool = Spool(tmp_path / "nowhere" / "x.spool", tally, memory=9)
    reporter = Reporter(network, tally, spool, chance=lambda: 0.5)
    assert reporter.put("outcome", report("req_a"))
    reporter.close(2)
    assert (tally.counters(0).sent, tally.counters(0).dropped) == (1, 0)


def test_what_the_disk_did_not_take_is_lost_with_a_word(tmp_path, caplog):
    def away(request):
        raise Unreachable("away")

    tally = Tally()
    spool = Spool(tmp_path / "nowhere" / "x.spool", tally, memory=9)
    reporter = Reporter(away, tally, spool, chance=lambda: 0.5)
    assert reporter.put("outcome", report("req_a"))
    reporter.say_lost()
    assert tally.counters(0).dropped == 1
    assert "are lost" in caplog.text
    reporter.close(0)


def test_every_report_is_accounted_for_with_many_threads_offering(started):
    network = Network()
    reporter, counters = started(network, queue_size=300)
    workers = [
        threading.Thread(target=lambda: [reporter.put("outcome", report("req_a")) for _ in range(500)])
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert reporter.flush(5)
    assert counters().sent + counters().dropped == 2000
    assert sum(map(len, network.batches)) == counters().sent
