"""Sums of reports are kept up beside the workers: only time hangs on it, never what a report says."""

import asyncio
from itertools import count

import pytest
from writing import ACME, Writing

from amp import followers
from amp.errors import StoreUnavailable
from amp.ledger import marks as ledger_marks
from amp.ledger import rollup_store
from amp.ledger.cells import Cell
from amp.ledger.folding import EVERYWHERE_S, Folding
from amp.ledger.marks import Marker, Marks
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.ledger.store import LedgerStore
from amp.store.connection import Store
from amp.store.functions import Functions
from amp.store.ledger_keys import ledger_cells, ledger_folding
from amp.tenancy import tenant

OTHER = tenant("other", "live")
ALL = Cell("all", None, None)
LIBRARIES = [ledger_marks.LIBRARY, rollup_store.LIBRARY]


class Killed(BaseException):
    """kill -9: nothing runs any more."""


class Mortal(Store):
    """The store, for a process that dies at its n-th round trip: before it is sent, or once it is done."""

    def __init__(self, store, dies_at=None, *, after=False):
        self._inner = store
        self._dies_at = dies_at
        self._after = after
        self.sent = []

    async def ask_each(self, commands):
        self.sent.append([command[0] for command in commands])
        if self._dies_at is not None and len(self.sent) >= self._dies_at:
            if self._after and len(self.sent) == self._dies_at:
                await self._inner.ask_each(commands)
            raise Killed
        return await self._inner.ask_each(commands)


class Process:
    """One of the processes that fold, with a clock that stands until it is moved."""

    def __init__(self, store, *tenants, step=1024):
        functions = Functions(store, LIBRARIES)
        self.sums = RollupStore(store, functions)
        self.rollup = Rollup(self.sums, LedgerStore(store, functions), step=step)
        self.now_s = 0.0

        async def known():
            return tenants

        self.folding = Folding(
            self.sums,
            self.rollup,
            marks=Marks(store, functions),
            tenants=known,
            elapsed_s=lambda: self.now_s,
        )

    async def turn(self):
        await self.folding.turn()


@pytest.fixture
def writing(store):
    return Writing(store, libraries=LIBRARIES)


@pytest.fixture
def marks(store):
    return Marks(store, Functions(store, LIBRARIES))


async def nanos(store, owner=ACME):
    """What the stored sums say that all cost; nothing is folded to tell it."""
    found = await RollupStore(store, Functions(store, LIBRARIES)).read(owner, 0)
    return found.cells.get(ALL, {}).get("M:USD", 0)


async def reported(store, owner=ACME):
    """What a report says, which folds what is missing."""
    functions = Functions(store, LIBRARIES)
    rollup = Rollup(RollupStore(store, functions), LedgerStore(store, functions))
    return (await rollup.current(owner)).of(ALL).get("M:USD", 0)


async def test_what_was_marked_is_folded_within_a_turn_and_what_was_not_is_left(store, writing, marks):
    process = Process(store)
    await writing.completion("one", 5)
    await process.turn()
    assert await nanos(store) == 0
    await marks.put([ACME])
    await process.turn()
    assert await nanos(store) == 5
    await writing.completion("one", 7)
    await process.turn()
    assert await nanos(store) == 5, "that mark has been seen"
    await marks.put([ACME])
    await process.turn()
    assert await nanos(store) == 12


async def test_what_a_worker_did_not_live_to_mark_is_found_by_looking_everywhere(store, writing):
    process = Process(store, ACME, OTHER)
    await writing.completion("one", 5)
    await process.turn()
    assert await nanos(store) == 5
    await Writing(store, OTHER).completion("one", 7)
    process.now_s = EVERYWHERE_S - 1
    await process.turn()
    assert await nanos(store, OTHER) == 0
    process.now_s = EVERYWHERE_S
    await process.turn()
    assert await nanos(store, OTHER) == 7


async def test_a_turn_without_news_is_one_question_to_the_store(store, writing, marks):
    line = Mortal(store)
    process = Process(line, ACME)
    await writing.completion("one", 5)
    await marks.put([ACME])
    await process.turn()
    line.sent.clear()
    await process.turn()
    assert line.sent == [["ZRANGEBYSCORE"]]


async def test_of_several_machines_one_folds_and_the_others_look_again(store, writing, marks):
    one, other = Process(store), Process(store)
    await writing.completion("one", 5)
    await marks.put([ACME])
    assert await other.sums.claim(ACME, "a third")
    await one.turn()
    assert await nanos(store) == 0
    await other.sums.release(ACME)  # it died, say, with its work undone
    line = Mortal(store)
    other = Process(line)
    await one.turn()
    await other.turn()
    assert await nanos(store) == 5
    assert not any("SET" in names for names in line.sent), "there was nothing left to claim"
    assert not await store.ask("EXISTS", ledger_folding(ACME.tag))


async def test_a_damaged_ledger_and_one_with_much_to_do_do_not_keep_the_others_waiting(
    store, writing, marks, monkeypatch
):
    monkeypatch.setattr("amp.ledger.folding.STEPS_MAX", 2)
    damaged = tenant("a-first", "test")
    await Writing(store, damaged).create("j1")
    await Writing(store, damaged).spoil("j1")
    for _ in range(10):
        await writing.completion("one job, one bucket", 1)
    await Writing(store, OTHER).completion("one", 7)
    await marks.put([damaged, ACME, OTHER])
    process = Process(store, step=1)
    await process.turn()
    assert await nanos(store, OTHER) == 7
    assert 0 < await nanos(store) < 10
    for _ in range(5):
        await process.turn()
    assert await nanos(store) == 10
    assert await store.ask("HLEN", ledger_cells(damaged.tag)) == 0


async def test_without_the_store_what_waits_still_waits(store, writing, marks, outage):
    process = Process(store)
    await writing.completion("one", 5)
    await marks.put([ACME])
    with outage(), pytest.raises(StoreUnavailable):
        await process.turn()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(process.rollup, "behind", _no_answer)
        await process.turn()
    assert await nanos(store) == 0
    await process.turn()
    assert await nanos(store) == 5


async def _no_answer(_):
    raise StoreUnavailable


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_round_trip_it_leaves_exact_sums_and_another_goes_on(store, marks, after):
    """The lease of who was killed ends by itself."""
    expected, reached = 0, False
    writing = Writing(store, libraries=LIBRARIES)
    for dies_at in count(1):
        for number in range(4):
            await writing.completion(f"job {number}", 10**number, type="sales")
            expected += 10**number
        await marks.put([ACME])
        killed = Process(Mortal(store, dies_at, after=after), ACME, step=2)
        try:
            await killed.turn()
            reached = True
        except Killed:
            assert await nanos(store) <= expected
        assert await reported(store) == expected if dies_at % 2 else True
        await store.ask("DEL", ledger_folding(ACME.tag))
        await Process(store, ACME).turn()
        assert await nanos(store) == expected
        if reached:
            break
    assert dies_at > 8, "it has more round trips than that"


async def test_a_worker_marks_whom_it_wrote_for_once_and_again_when_the_store_was_away(store, marks, outage):
    marker = Marker(marks)
    await marker.put()
    assert await marks.since(0) == (0, set())
    for each in (ACME, OTHER, ACME):
        marker.wrote(each)
    with outage():
        await marker.put()
    await marker.put()
    await marker.put()
    assert await marks.since(0) == (1, {ACME, OTHER})
    marker.wrote(OTHER)
    await marker.put()
    assert await marks.since(1) == (2, {OTHER})
    assert await marks.since(2) == (2, set())


async def test_a_report_is_exact_while_processes_fold(store, writing, marks):
    processes = [Process(store, step=3) for _ in range(2)]
    for number in range(30):
        await writing.completion(f"job {number}", 1)
        await marks.put([ACME])
        told, *_ = await asyncio.gather(reported(store), *(each.turn() for each in processes))
        assert told == number + 1


async def test_a_follower_that_ends_is_started_again_ever_later_and_the_others_never_notice(monkeypatch):
    pauses, started, running = [], count(), asyncio.Event()

    async def failing():
        if next(started) == 7:
            running.set()
            await asyncio.Event().wait()
        raise StoreUnavailable if len(pauses) % 2 else ValueError("a mistake of its own")

    async def pausing(pause_s):
        pauses.append(pause_s)

    async def steady():
        await asyncio.Event().wait()

    monkeypatch.setattr(followers, "_pause", pausing)
    keeping = asyncio.create_task(followers.keep({"failing": failing, "steady": steady}))
    await running.wait()
    assert not keeping.done()
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
