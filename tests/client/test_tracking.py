"""What users do, as signals; and the accurate report after the optimistic one."""

import threading

import httpx
import pytest
from faults import FaultServer, ended, started
from stand_in import CONTEXT, RECEIPT, settled

from amp.client import detect_flow, satisfaction_from_stars


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
async def context(amp, server):
    server.answers = [httpx.Response(200, json=CONTEXT), httpx.Response(200, json=RECEIPT)]
    return await amp.get_context("u", "t")


async def test_nothing_done_is_never_started(context, server):
    await settled(context.track().report())
    assert server.bodies[1] == {"requestId": "req_abc", "started": False}


async def test_the_first_action_is_the_start_and_completing_is_said(context, server):
    clock = Clock()
    track = context.track(clock)
    clock.now_s += 12.5
    track.action()
    clock.now_s += 60
    track.action()
    await settled(track.report(satisfaction=0.8))
    assert server.bodies[1] == {
        "requestId": "req_abc",
        "started": True,
        "completed": False,
        "timeToStart": 12.5,
        "satisfaction": 0.8,
    }
    clock.now_s += 20
    track.complete()
    assert track.signals() == {"completed": True, "time_to_start": 12.5}
    assert (track.longest_pause_s, track.actions_per_minute) == (60, 2 * 60 / 80)


async def test_what_is_completed_at_one_go_was_started_then(context, server):
    clock = Clock()
    track = context.track(clock)
    clock.now_s += 3
    track.complete()
    assert (track.started, track.actions_per_minute, track.longest_pause_s) == (True, 0, 0)
    await settled(track.report(completed=None))
    assert server.bodies[1] == {"requestId": "req_abc", "started": True, "timeToStart": 3}


async def test_it_is_reported_in_the_background_as_well(context, amp, server):
    server.answers = [httpx.Response(200, json={"items": [RECEIPT]})]
    assert context.track().report_background(final=False)
    assert await amp.flush(5)
    assert server.bodies[1] == {"items": [{"requestId": "req_abc", "started": False, "final": False}]}


@pytest.mark.parametrize(
    ("session", "flows"),
    [
        ((29.9, 3.1, 1, 9.9), True),
        ((30.0, 3.1, 1, 9.9), True),
        ((29.9, 3.0, 1, 9.9), True),
        ((29.9, 3.1, 2, 9.9), True),
        ((29.9, 3.1, 1, 10.0), True),
        ((30.0, 3.0, 1, 9.9), False),
        ((29.9, 3.1, 2, 10.0), False),
        ((30.0, 3.0, 2, 10.0), False),
    ],
)
def test_three_of_the_four_published_signs_make_flow(session, flows):
    assert detect_flow(*session) is flows


@pytest.mark.parametrize(("stars", "of", "satisfaction"), [(4, 5, 0.8), (5, 5, 1), (0, 5, 0), (7, 10, 0.7)])
def test_stars_are_a_share_of_all_there_are(stars, of, satisfaction):
    assert satisfaction_from_stars(stars, of=of) == satisfaction


@pytest.mark.parametrize("stars", [-1, 6, float("nan"), float("inf")])
def test_stars_that_cannot_be_are_refused(stars):
    with pytest.raises(ValueError, match="stars must be from 0 to 5"):
        satisfaction_from_stars(stars)


async def test_the_accurate_report_comes_after_the_optimistic_one(context, amp, server):
    server.answers = [httpx.Response(200, json={"items": [RECEIPT]})]
    asked = threading.Event()

    async def abandoned():
        return {"started": True, "completed": False}

    def done():
        asked.set()
        return {"started": True, "completed": True}

    context.report_background(started=True, completed=True, final=False)
    assert await amp.flush(5)
    context.report_later(0.01, done)
    amp.client.report_outcome_later("req_b", 0.0, abandoned)
    assert asked.wait(5)
    while len([item for body in server.bodies[1:] for item in body["items"]]) < 3:
        await amp.flush(5)
    told = [item for body in server.bodies[1:] for item in body["items"]]
    assert told[0]["final"] is False
    assert {item["requestId"]: item["completed"] for item in told[1:]} == {"req_b": False, "req_abc": True}


async def test_a_question_that_has_no_answer_reports_nothing_and_one_that_fails_is_counted(
    amp, server, caplog
):
    asked = threading.Event()

    def fails():
        raise LookupError("of the host")

    for question in (lambda: None, fails, lambda: {"completed": True}, asked.set):
        amp.client.report_outcome_later("req_a", 0.0, question)
    assert asked.wait(5)
    assert amp.client.counters.failed_codes == {"LATER_FAILED": 2}
    assert "LookupError: of the host" in caplog.text
    assert server.requests == []


async def test_a_delay_that_is_none_is_counted_and_harms_no_other(amp, server):
    asked = threading.Event()
    for delay_s in ("1", None, float("nan"), float("inf")):
        amp.client.report_outcome_later("req_a", delay_s, lambda: pytest.fail("asked"))
    amp.client.report_outcome_later("req_a", 1e300, lambda: pytest.fail("asked too early"))
    amp.client.report_outcome_later("req_a", 0.0, asked.set)
    assert asked.wait(5)
    assert amp.client.counters.failed_codes == {"LATER_FAILED": 4}
    assert server.requests == []


async def test_what_is_not_due_at_the_end_is_dropped_and_said(amp, caplog):
    for _ in range(3):
        amp.client.report_outcome_later("req_a", 60, lambda: pytest.fail("asked too early"))
    await amp.close()
    amp.client.report_outcome_later("req_a", 0, lambda: pytest.fail("asked too late"))
    assert amp.client.counters.dropped == 4
    assert "not due" in caplog.text


async def test_a_question_that_is_being_asked_at_the_end_is_dropped_once_and_said(amp, server, caplog):
    asked, answer, answered = threading.Event(), threading.Event(), threading.Event()

    def question():
        asked.set()
        answer.wait(5)
        answered.set()
        return {"started": True}

    amp.client.report_outcome_later("req_a", 0.0, question)
    assert asked.wait(5)
    await amp.close()
    assert amp.client.counters.dropped == 1
    assert "not answered" in caplog.text
    answer.set()
    assert answered.wait(5)
    amp.client._later._thread.join(5)
    assert (amp.client.counters.dropped, amp.client.counters.failed, server.requests) == (1, 0, [])


def test_the_staged_report_stands_when_the_process_ends_first(tmp_path):
    server = FaultServer()
    script = """
        amp = AMP(spool=SPOOL)
        amp.report_outcome_background("req_1", started=True, completed=True, final=False)
        amp.report_outcome_later("req_1", 60, lambda: {"started": False})
        """
    _, err, _ = ended(started(script, server.url, tmp_path / "spool"))
    server.end()
    assert [item["final"] for item in server.arrived] == [False]
    assert "not due" in err


def test_a_fork_asks_what_the_parent_had_to_ask_only_once():
    server = FaultServer()
    script = """
        amp = AMP()
        amp.report_outcome_later("req_1", 0.3, lambda: {"started": True})
        if os.fork() == 0:
            amp.report_outcome_later("req_2", 0.0, lambda: {"started": True})
        time.sleep(0.5)
        """
    ended(started(script, server.url))
    assert server.until(2)
    server.end()
    assert sorted(server.ids) == ["req_1", "req_2"]
