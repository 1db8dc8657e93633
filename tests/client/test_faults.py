"""Whatever the server does, reports arrive, are refused by name, or wait; and one bad one spoils no other."""

import json
from dataclasses import replace

import pytest
from faults import FaultServer, ended, started

from amp.client import AMP, brake, senders
from amp.client import letters as letters_file


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch):
    monkeypatch.setattr(senders, "PATIENCE", replace(senders.PATIENCE, backoff_s=0.002, backoff_s_max=0.02))
    monkeypatch.setattr(senders, "LINGER_S", 0.005)


@pytest.fixture
def server():
    server = FaultServer()
    yield server
    server.end()


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "reports.spool"


@pytest.fixture(params=["memory", "spool"])
def amp(request, server, spool):
    with AMP("k", server.url, timeout_s=0.3, spool=spool if request.param == "spool" else None) as client:
        yield client


def queue(amp, count=250, bad=None):
    for number in range(count):
        amp.report_outcome_background("req_bad" if number == bad else f"req_{number}", started=True)
    return {f"req_{number}" for number in range(count) if number != bad}


def letters(spool):
    path = spool.with_name(spool.name + ".dead.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("fault", ["hang", "reset", "garbage", 500, 429, (429, 1)], ids=str)
def test_a_fault_that_passes_costs_nothing(amp, server, fault):
    """The first request, whatever it carries, meets the fault; then all is well."""
    server.fault = lambda _: fault if server.requests == 1 else None
    expected = queue(amp)
    assert amp.flush(10)
    assert set(server.ids) == expected
    assert (amp.counters.sent, amp.counters.failed) == (250, 0)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (400, "INVALID_PARAMETER"),
        (409, "OUTCOME_ALREADY_REPORTED"),
        (413, "PAYLOAD_TOO_LARGE"),
        (500, "INTERNAL"),
        ("garbage", "UNEXPECTED"),
    ],
    ids=str,
)
def test_a_report_that_spoils_every_request_it_is_in_is_found_and_the_rest_flows(
    amp, server, spool, fault, code
):
    server.fault = lambda items: fault if any(item["requestId"] == "req_bad" for item in items) else None
    expected = queue(amp, bad=120)
    assert amp.flush(10)
    assert set(server.ids) == expected
    assert (amp.counters.sent, amp.counters.failed_codes) == (249, {code: 1})
    buried = [(letter["code"], letter["body"]["requestId"]) for letter in letters(spool)]
    assert buried == ([(code, "req_bad")] if spool.exists() else [])


def test_a_report_that_is_refused_by_itself_is_kept_where_a_person_finds_it(amp, server, spool):
    server.refuse = lambda item: "REQUEST_EXPIRED" if item["requestId"] == "req_bad" else None
    queue(amp, bad=7)
    assert not amp.report_outcome_background("req_odd", started=True, metadata={"x": object()}) or (
        not spool.exists()
    )
    assert amp.flush(10)
    assert amp.counters.failed_codes == {"REQUEST_EXPIRED": 1, "INVALID_PARAMETER": 1}
    if spool.exists():
        assert sorted(letter["code"] for letter in letters(spool)) == ["INVALID_PARAMETER", "REQUEST_EXPIRED"]
        assert (spool.stat().st_mode | spool.with_name(spool.name + ".dead.jsonl").stat().st_mode) & 0o77 == 0


@pytest.mark.parametrize("fault", ["garbage", "nowhere", 500], ids=str)
def test_a_server_that_refuses_everything_is_asked_a_little_at_a_time(amp, server, monkeypatch, fault):
    monkeypatch.setattr(brake, "EVERY_S", 0.2)
    server.fault = lambda _: fault
    expected = queue(amp)
    assert not amp.flush(2)
    assert brake.STRIKES < server.requests <= brake.STRIKES + senders.THREADS + 2 / 0.2 + 5
    lost, server.fault = amp.counters.failed, lambda _: None
    assert amp.flush(10)
    assert len(expected) - amp.counters.failed == amp.counters.sent == len(set(server.ids))
    assert amp.counters.failed <= lost + senders.THREADS
    assert lost == 0 or fault != "garbage", "it says nothing of the reports"


def test_the_file_of_dead_letters_grows_no_further_than_its_limit_and_what_it_lacks_is_counted(
    server, spool, monkeypatch
):
    monkeypatch.setattr(letters_file, "BYTES_MAX", 1000)
    server.refuse = lambda _: "REQUEST_EXPIRED"
    with AMP("k", server.url, spool=spool) as amp:
        queue(amp, 40)
        assert amp.flush(10)
        kept = letters(spool)
        assert 0 < len(kept) < 40
        assert spool.with_name(spool.name + ".dead.jsonl").stat().st_size <= 1000
        assert (amp.counters.failed, amp.counters.unkept) == (40, 40 - len(kept))


def test_a_request_that_is_too_large_for_a_proxy_is_sent_in_parts(amp, server):
    server.fault = lambda items: 413 if len(items) > 30 else None
    expected = queue(amp)
    assert amp.flush(10)
    assert set(server.ids) == expected
    assert amp.counters.failed == 0


def test_one_report_that_fails_again_and_again_holds_up_no_other(amp, server):
    server.refuse = lambda item: "INTERNAL" if item["requestId"] == "req_bad" else None
    expected = queue(amp, bad=0)
    assert amp.flush(10)
    assert set(server.ids) == expected
    assert amp.counters.failed_codes == {"INTERNAL": 1}


def test_a_refused_key_loses_no_report_that_is_spooled(server, spool):
    server.fault = lambda _: 401
    with AMP("old", server.url, spool=spool) as amp:
        expected = queue(amp)
        assert not amp.flush(0.2)
        assert (amp.counters.queued, amp.counters.failed) == (250, 0)
    server.fault = lambda _: None
    with AMP("new", server.url, spool=spool) as amp:
        assert amp.flush(10)
    assert set(server.ids) == expected


def test_what_arrived_but_was_not_yet_crossed_off_arrives_again_as_a_replay(server, spool):
    """The process dies between the answer and the deletion: at least once, and the server knows it."""
    script = """
        from amp.client import senders, spool
        senders.LINGER_S = 60
        spool.Spool.settle = lambda self, entries: os._exit(9)
        amp = AMP(spool=SPOOL); report(amp, 0, 150); amp.flush(20)
        """
    process = started(script, server.url, spool)
    ended(process)
    assert process.returncode == 9
    before = list(server.ids)
    assert len(before) >= 100
    with AMP("k", server.url, spool=spool) as amp:
        assert amp.flush(10)
    assert set(server.ids) == {f"req_{number}" for number in range(150)}
    assert len(server.ids) == 150 + len(before)


def test_processes_share_a_spool_and_the_others_send_what_a_killed_one_left(server, spool):
    script = "amp = AMP(spool=SPOOL); report(amp, {first}, 400); {end}"
    ends = ["os.kill(os.getpid(), signal.SIGKILL)", "pass", "amp.flush(10)", "os._exit(0)"]
    processes = [
        started(script.format(first=400 * number, end=end), server.url, spool)
        for number, end in enumerate(ends)
    ]
    said = [ended(process)[1] for process in processes]
    assert said == ["", "", "", ""]
    with AMP("k", server.url, spool=spool) as amp:
        assert amp.flush(10)
    assert set(server.ids) == {f"req_{number}" for number in range(1600)}
    assert len(server.ids) <= 1600 + 2000, "only what was under way when one was killed comes twice"
