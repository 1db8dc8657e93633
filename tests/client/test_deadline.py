"""Blocking work keeps a deadline, whatever it hangs in."""

import threading

import pytest

from amp.client import TimedOut, Unreachable
from amp.client.deadline import Workers


def test_work_in_time_gives_its_result_or_its_refusal():
    workers = Workers(most=1)
    assert workers.within(5, lambda: 42) == 42

    def refuse():
        raise Unreachable("down")

    with pytest.raises(Unreachable, match="down"):
        workers.within(5, refuse)


def test_late_work_is_left_behind_and_does_not_hold_up_the_next():
    workers, over = Workers(most=2), threading.Event()
    with pytest.raises(TimedOut):
        workers.within(0.02, over.wait)
    assert workers.within(5, lambda: "next") == "next"
    over.set()


def test_with_every_thread_hanging_a_call_is_still_on_time_and_its_work_is_never_done_late():
    workers, over = Workers(most=1), threading.Event()
    done = []
    with pytest.raises(TimedOut):
        workers.within(0.02, over.wait)
    with pytest.raises(TimedOut):
        workers.within(0.02, lambda: done.append("late"))
    over.set()
    assert workers.within(5, lambda: "again") == "again"
    assert done == []


def test_threads_are_kept_between_calls():
    workers = Workers(most=100)
    threads = {workers.within(5, threading.get_ident) for _ in range(50)}
    assert len(threads) <= 2, "the second is hired when the first has not sat down yet"


def test_work_is_done_in_place_when_no_thread_can_be_had(monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Workers(most=1).within(5, threading.get_ident) == threading.get_ident()
