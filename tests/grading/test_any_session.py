"""Whatever is sent, answered, lost or late: a session keeps its promises."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import INTERRUPT, message, outcome, shorts

from amp.errors import Conflict, InvalidParameter
from amp.grading import session as thinking
from amp.grading.draft import Message, Trouble, phase, request_of, ticket
from amp.grading.posted import as_judged, posted
from amp.grading.receiving import received
from amp.grading.rubric import Judged, merged
from amp.grading.types import Head, Mark, Pen, Session, State, Usage

HEAD = Head("sesn_1", {"model": {"id": "script"}}, "env_1", 1, 1)
TROUBLE = Trouble("unknown_error", "It broke.")


class Play:
    """A session in memory, its log, and a clock that stands still or jumps back."""

    def __init__(self):
        self.session = Session(1, 0, HEAD, State())
        self.log = []
        self.definitions = {}
        self.tickets = [""]
        self._ids = itertools.count(1)
        self.now_us = 1_000_000

    def pen(self):
        return Pen(
            self.session.seq, self.session.state.at_us, self.now_us, lambda kind: f"{kind}_{next(self._ids)}"
        )

    def take(self, change):
        if change is None:
            return False
        self.log += change.events
        self.definitions |= {each.outcome_id: each for each in change.definitions}
        self.session = Session(self.session.version + 1, len(self.log), HEAD, change.state)
        self.tickets.append(ticket(change.state))
        return True

    def send(self, *inputs):
        change, echoes = received(self.session, inputs, self.pen())
        self.take(change)
        return echoes

    def begin(self):
        wanted = {each.id for each in thinking.wants(self.session)}
        waiting = [each for each in self.log if each["id"] in wanted and each["processed_at"] is None]
        return self.take(thinking.begun(self.session, self.pen(), waiting))

    def answer(self, request, *, done=True):
        said = [Message("Hello.")]
        return self.take(thinking.answered(self.session, self.pen(), request, said, Usage(1, 1), done=done))

    def verdict(self, start, result):
        marks = [Mark(1, "One", result == "satisfied")]
        verdict = merged([], {}, Judged(result, "Because.", {}, {}, Usage(2, 2)))._replace(
            result=result, marks=marks
        )
        return self.take(thinking.decided(self.session, self.pen(), start, verdict))


def check(play):
    """The promises."""
    state = play.session.state
    assert sum(not each.over for each in state.outcomes) <= 1, "one outcome at a time"
    for each in state.outcomes:
        assert (each.completed_at is not None) == each.over, (
            "a record that is over has its time, and no other"
        )
        assert each.iteration < each.max_iterations
    ends = [each for each in play.log if each["type"] == "span.outcome_evaluation_end"]
    starts = [each for each in play.log if each["type"] == "span.outcome_evaluation_start"]
    graded = [(each["outcome_id"], each["iteration"]) for each in starts]
    assert len(set(graded)) == len(graded), "an iteration is graded once"
    results = [(each["outcome_id"], each["iteration"]) for each in ends]
    assert len(set(results)) == len(results), "an iteration has one result"
    ended = [each["outcome_evaluation_start_id"] for each in ends if each["outcome_evaluation_start_id"]]
    open_ = [each["id"] for each in starts if each["id"] not in ended]
    assert len(open_) == (phase(state) == "grading")
    over = [each["outcome_id"] for each in ends if each["result"] != "needs_revision"]
    assert over == [each.outcome_id for each in state.outcomes if each.over], "each outcome ends once"
    times = [each["processed_at"] for each in play.log if each["processed_at"]]
    assert times == sorted(set(times))
    idle = [each["type"] for each in play.log if each["type"].startswith("session.status_")]
    assert (state.status == "idle") == (not idle or idle[-1] == "session.status_idle")
    if state.active() or state.loop:
        assert state.status in {"running", "rescheduling"}
    requests = [each["id"] for each in play.log if each["type"] == "span.model_request_start"]
    closed = [each["model_request_start_id"] for each in play.log if each["type"] == "span.model_request_end"]
    assert sorted(closed) == sorted(set(closed)) == sorted(set(requests) - {request_of(state)})


STEPS = ["begin", "answer", "half", "ongoing", "agent_broke", "grader_broke", "retry", "resume"]
VERDICTS = ["satisfied", "needs_revision", "failed"]
SENT = st.lists(st.sampled_from(["outcome", "message", "interrupt", "system"]), min_size=1, max_size=3)
MOVES = st.one_of(
    st.tuples(st.just("send"), SENT),
    st.tuples(st.sampled_from(STEPS), st.integers(0, 6)),
    st.tuples(st.sampled_from(VERDICTS), st.integers(0, 6)),
    st.tuples(st.just("clock"), st.integers(-5, 5)),
)
INPUTS = {"outcome": outcome(iterations=2), "message": message(), "interrupt": INTERRUPT}
INPUTS["system"] = {"type": "system.message", "content": [{"type": "text", "text": "Note."}]}


def move(play, kind, value):
    """One move; a number picks how late an answer is: 0 answers what is open."""
    if kind == "send":
        try:
            play.send(*(INPUTS[each] for each in value))
        except InvalidParameter:
            assert "outcome" in value
        return
    if kind == "clock":
        play.now_us += value * 1000
        return
    late = play.tickets[-1 - min(value, len(play.tickets) - 1)]
    open_ = ticket(play.session.state)
    before = len(play.log)
    took = {
        "begin": play.begin,
        "answer": lambda: play.answer(late),
        "half": lambda: play.answer(late, done=False),
        "ongoing": lambda: play.take(thinking.ongoing(play.session, play.pen(), late)),
        "agent_broke": lambda: play.take(thinking.agent_broke(play.session, play.pen(), late, TROUBLE)),
        "grader_broke": lambda: play.take(thinking.grader_broke(play.session, play.pen(), late, TROUBLE)),
        "retry": lambda: play.take(thinking.retrying(play.session, play.pen(), late, TROUBLE)),
        "resume": lambda: play.take(thinking.resumed(play.session, play.pen())),
    }.get(kind, lambda: play.verdict(late, kind))()
    if kind not in {"begin", "resume"} and (late != open_ or not late):
        assert not took, "an answer to what is not open changes nothing"
        assert len(play.log) == before


@settings(max_examples=400, deadline=None)
@given(st.lists(MOVES, max_size=40))
def test_any_course_keeps_the_promises(moves):
    play = Play()
    for kind, value in moves:
        move(play, kind, value)
        check(play)


@settings(max_examples=200, deadline=None)
@given(st.lists(MOVES, max_size=25))
def test_from_anywhere_a_patient_loop_comes_to_rest(moves):
    play = Play()
    for kind, value in moves:
        move(play, kind, value)
    for _ in range(30):
        if phase(play.session.state) == "rest":
            break
        if phase(play.session.state) == "grading":
            assert play.verdict(ticket(play.session.state), "needs_revision")
        elif request_of(play.session.state):
            assert play.answer(request_of(play.session.state))
        else:
            assert play.begin()
        check(play)
    assert play.session.state.status == "idle"


def test_a_second_outcome_is_refused_while_one_is_under_way_and_nothing_is_kept():
    play = Play()
    play.send(outcome())
    before = play.session
    with pytest.raises(InvalidParameter, match="active already"):
        play.send(message(), outcome())
    assert play.session == before


def test_the_next_outcome_may_come_while_the_last_word_is_still_spoken():
    play = Play()
    play.send(outcome(iterations=1))
    play.begin()
    play.answer(request_of(play.session.state))
    play.verdict(ticket(play.session.state), "needs_revision")
    assert phase(play.session.state) == "closing"
    play.send(outcome())
    assert phase(play.session.state) == "closing"
    play.begin()
    play.answer(request_of(play.session.state))
    assert phase(play.session.state) == "turn"
    assert "idle:end_turn" not in shorts(play.log)


def test_interrupt_and_message_in_one_batch_turn_the_work_without_a_rest():
    play = Play()
    play.send(outcome())
    play.begin()
    play.send(INTERRUPT, message("Do that instead"))
    assert shorts(play.log)[-5:] == [
        "user.interrupt?",
        "model_request_end",
        "user.interrupt",
        "end#0=interrupted",
        "user.message?",
    ]
    assert phase(play.session.state) == "chat"


def test_an_interrupt_of_a_session_at_rest_is_only_echoed():
    play = Play()
    (echo,) = play.send(INTERRUPT)
    assert shorts(play.log) == ["user.interrupt"]
    assert echo["processed_at"]


def test_a_message_that_waited_before_an_interrupt_waits_on():
    play = Play()
    play.send(outcome())
    play.begin()
    play.send(message())
    play.send(INTERRUPT)
    assert play.session.state.status == "idle"
    assert [each.type for each in play.session.state.waiting] == ["user.message"]


# Workers


def handed():
    play = Play()
    play.send(outcome())
    play.begin()
    play.take(thinking.handed(play.session, play.pen(), request_of(play.session.state)))
    return play


def post(play, *events):
    change, echoes = posted(play.session, events, play.pen())
    play.take(change)
    return echoes


SAID = {"type": "agent.message", "content": [{"type": "text", "text": "Done."}]}


def test_a_worker_takes_its_turn_and_judges():
    play = handed()
    use = {"type": "agent.tool_use", "id": "t1", "name": "sh", "input": {}}
    result = {"type": "agent.tool_result", "tool_use_id": "t1"}
    post(play, use, result, SAID)
    assert play.log[-2]["tool_use_id"] == play.log[-3]["id"]
    post(play, {"type": "span.model_request_end", "model_usage": {"input_tokens": 5}})
    assert phase(play.session.state) == "grading"
    assert play.session.state.usage.input_tokens == 5
    start = ticket(play.session.state)
    play.take(thinking.handed(play.session, play.pen(), start))
    verdict = {
        "type": "span.outcome_evaluation_end",
        "result": "satisfied",
        "outcome_evaluation_start_id": start,
    }
    marks = [{"id": 1, "passed": True}, {"id": 2, "passed": True}]
    post(play, {**verdict, "criteria": marks, "explanation": "Good."})
    judged = as_judged(play.session.state.loop["verdict"])
    assert (judged.result, judged.passed) == ("satisfied", {1: True, 2: True})
    with pytest.raises(Conflict, match="already"):
        post(play, verdict)


STALE = [
    {"outcome_id": "outc_0"},
    {"iteration": 1},
    {"model_request_start_id": "sevt_0"},
]


@pytest.mark.parametrize("fence", STALE)
def test_a_worker_that_answers_what_is_over_is_refused(fence):
    play = handed()
    with pytest.raises(Conflict):
        post(play, {"type": "span.model_request_end", **fence})


def test_nobody_posts_where_no_worker_was_asked():
    play = Play()
    play.send(outcome())
    play.begin()
    with pytest.raises(Conflict):
        post(play, SAID)
    play = handed()
    with pytest.raises(Conflict):
        post(play, {"type": "span.outcome_evaluation_end", "result": "satisfied"})
    play.send(INTERRUPT)
    with pytest.raises(Conflict):
        post(play, SAID)
