"""Calls of one tick are one run, and each caller hears of its own fate."""

import asyncio
import weakref

import pytest

from amp.errors import StoreUnavailable
from amp.store import batch as batching
from amp.store.batch import Batch


class Runs:
    """A run that answers ten times the item, when it is let go; remembers what it was given."""

    def __init__(self, *, held=False):
        self.seen = []
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def __call__(self, items):
        self.seen.append(list(items))
        await self.go.wait()
        return [ValueError(item) if item < 0 else item * 10 for item in items]


async def ticks(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_calls_of_one_tick_are_one_run_in_their_order_and_answers_find_their_callers():
    runs = Runs()
    batch = Batch(runs, deadline_s=5)
    assert await asyncio.gather(*(batch.submit(item) for item in (3, 1, 2))) == [30, 10, 20]
    assert await batch.submit(4) == 40
    assert runs.seen == [[3, 1, 2], [4]]


async def test_calls_during_a_run_gather_into_the_next():
    runs = Runs(held=True)
    batch = Batch(runs, deadline_s=5)
    futures = [batch.submit(1)]
    await ticks()
    for item in (2, 3, 4):
        futures.append(batch.submit(item))
        await ticks()
    assert runs.seen == [[1]]
    runs.go.set()
    assert await asyncio.gather(*futures) == [10, 20, 30, 40]
    assert runs.seen == [[1], [2, 3, 4]]


async def test_as_many_runs_as_flights_are_under_way_and_no_more():
    runs = Runs(held=True)
    batch = Batch(runs, deadline_s=5, flights=2)
    futures = []
    for item in (1, 2, 3, 4):
        futures.append(batch.submit(item))
        await ticks()
    assert runs.seen == [[1], [2]]
    runs.go.set()
    assert await asyncio.gather(*futures) == [10, 20, 30, 40]
    assert runs.seen == [[1], [2], [3, 4]]


async def test_a_call_without_an_answer_in_time_is_refused_and_the_run_goes_on():
    runs = Runs(held=True)
    batch = Batch(runs, deadline_s=0.01)
    flying = batch.submit(1)
    await ticks()
    waiting = batch.submit(2)
    for late in (flying, waiting):
        with pytest.raises(StoreUnavailable):
            await late
    assert len(batch._tasks) == 1, "the run is not cancelled"
    runs.go.set()
    await ticks()
    assert await batch.submit(3) == 30
    assert runs.seen == [[1], [3]], "a call that was refused before its flight is not flown"


async def test_too_many_waiting_calls_are_refused_at_once(monkeypatch):
    monkeypatch.setattr(batching, "WAITING_MAX", 3)
    runs = Runs(held=True)
    batch = Batch(runs, deadline_s=5)
    futures = [batch.submit(0)]
    await ticks()
    futures += [batch.submit(item) for item in (1, 2, 3)]
    with pytest.raises(StoreUnavailable):
        batch.submit(4)
    runs.go.set()
    assert await asyncio.gather(*futures) == [0, 10, 20, 30]
    assert await batch.submit(5) == 50


async def test_one_failed_answer_fails_one_caller():
    batch = Batch(Runs(), deadline_s=5)
    answers = await asyncio.gather(*(batch.submit(item) for item in (1, -2, 3)), return_exceptions=True)
    assert (answers[0], answers[2]) == (10, 30)
    assert isinstance(answers[1], ValueError)


async def test_a_failed_run_reaches_every_caller_and_the_next_run_is_unharmed():
    async def fails(items):
        if 0 in items:
            raise ConnectionResetError("gone")
        return items

    batch = Batch(fails, deadline_s=5)
    answers = await asyncio.gather(*(batch.submit(item) for item in (0, 1, 2)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionResetError] * 3
    assert await batch.submit(7) == 7


async def test_a_caller_who_leaves_takes_nobody_along():
    runs = Runs(held=True)
    batch = Batch(runs, deadline_s=5)
    first = batch.submit(1)
    await ticks()
    leaver, stayer = batch.submit(2), batch.submit(3)
    first.cancel()
    leaver.cancel()
    runs.go.set()
    assert await stayer == 30
    assert runs.seen == [[1], [3]]


async def test_every_call_has_the_whole_deadline_however_late_it_joined_its_group():
    loop = asyncio.get_running_loop()
    runs = Runs(held=True)
    batch = Batch(runs, deadline_s=0.1)
    batch.submit(1).add_done_callback(lambda future: future.exception())
    await ticks()
    early = batch.submit(2)
    await asyncio.wait([early], timeout=0.05)
    began = loop.time()
    late = batch.submit(3)
    with pytest.raises(StoreUnavailable):
        await early
    assert not late.done()
    with pytest.raises(StoreUnavailable):
        await late
    assert loop.time() - began >= 0.09


async def test_what_was_answered_is_not_kept_until_its_deadline():
    class Item:
        """Something that tells when it is gone."""

    async def run(items):
        return [None for _ in items]

    batch, item = Batch(run, deadline_s=3600), Item()
    gone = weakref.ref(item)
    await batch.submit(item)
    del item
    await ticks()
    assert gone() is None


async def test_a_call_whose_run_went_wrong_still_has_its_deadline():
    async def run(items):
        del items
        return []  # not an answer for each

    batch = Batch(run, deadline_s=0.05)
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(batch.submit("x"), 5)
