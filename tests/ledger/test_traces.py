"""Runs of a job: costs count where they arose, what came of the job counts once, and rows add up to jobs."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.ledger import traces
from amp.ledger.cells import add, after, sums_of
from amp.ledger.entries import TAGS, Completion, ToolEvent, packed_id
from amp.ledger.job import Job, State
from amp.ledger.traces import Run

TYPE = TAGS.index("traceType")


def call(trace=None, kind=None, cost=1, at_ms=0):
    return Completion(
        "j", 0, "key", b"tx", at_ms, 5, "openai", "gpt", 3, 2, 5, cost, "USD", "sent",
        trace=packed_id(trace) if trace else None, tags={TYPE: kind} if kind else None,
    )  # fmt: skip


def person(trace=None, cost=1, at_ms=0):
    return ToolEvent(
        "j", 0, "key", b"tx", at_ms, 5, "human_x", True, True, cost, "USD", "sent",
        trace=packed_id(trace) if trace else None,
    )  # fmt: skip


def job(metered, status=None, outcome=None, value=None):
    state = State(status, outcome, value, "USD" if value is not None else None)
    for entry in metered:
        state = after(state, entry)
    nothing = dict.fromkeys(
        ("first_event_ms", "last_event_ms", "name", "type", "version", "environment", "agent", "squad")
    )
    about = {"approach": None, "group": None, "by_telemetry": True, "outcomes": (), "metrics": ()}
    return Job("j", 0, 0, **nothing, **about, state=state)


def test_an_attempt_that_was_made_again_is_pure_cost():
    metered = [call("first", "draft", 7), call("second", "draft", 4, at_ms=1), call("first", cost=2)]
    found = dict(traces.runs(job(metered, "SUCCESS", "CONVERTED", 300), metered))
    failed, worked = found[Run("first", "draft")], found[Run("second", "draft")]
    assert (failed["M:USD"], failed.get("J"), failed.get("V:USD"), failed["NC"]) == (9, None, None, 2)
    assert (worked["M:USD"], worked["J"], worked["V:USD"], worked["SC"]) == (4, 1, 300, 1)


def test_a_person_in_another_run_is_no_missing_person():
    metered = [person("first"), call("second", at_ms=1)]
    found = dict(traces.runs(job(metered, "FAILED", "ESCALATED", 0), metered))
    assert not any("EH" in sums for sums in found.values())
    unmetered = dict(traces.runs(job(metered[1:], "FAILED", "ESCALATED", 0), metered[1:]))
    assert [sums.get("EH") for sums in unmetered.values()] == [1]


def test_a_job_without_records_is_one_run():
    assert dict(traces.runs(job([], "FAILED"), [])) == {Run(None, None): {"J": 1, "R": 1, "S:FAILED": 1}}


NAMES = st.none() | st.sampled_from(("a", "b", "c"))
AMOUNTS, TIMES = st.none() | st.integers(0, 10**19), st.integers(0, 3)


@given(
    st.lists(
        st.builds(call, NAMES, st.none() | st.sampled_from(("draft", "check")), AMOUNTS, TIMES)
        | st.builds(person, NAMES, AMOUNTS, TIMES),
        max_size=8,
    ),
    st.sampled_from((None, "SUCCESS", "FAILED")),
    st.sampled_from((None, "CONVERTED", "ESCALATED")),
)
def test_runs_add_up_to_their_job(metered, status, outcome):
    whole = job(metered, status, outcome if status else None, 5 if status else None)
    total = {}
    for run, sums in traces.runs(whole, metered):
        assert traces.has(metered, run.trace, run.trace_type) or not metered
        add(total, sums)
    assert total == sums_of(whole.state, decided=False)
    names = Counter(run.trace for run, _ in traces.runs(whole, metered))
    assert all(count == 1 for name, count in names.items() if name), "a trace has one type"


@pytest.mark.parametrize(
    ("trace", "kind", "expected"),
    [("a", None, True), ("a", "x", True), ("b", "x", False), (None, "y", False)],
)
def test_filters_see_the_type_that_a_trace_was_given_later(trace, kind, expected):
    metered = [call("a"), call("a", "x"), call("b")]
    assert traces.has(metered, trace, kind) == expected
