"""The cells hold exactly what adding up the jobs gives, whatever came when and however it was folded."""

import asyncio
from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from writing import ACME, DAY_MS, NOON, Writing

from amp.errors import StoreUnavailable
from amp.ledger import rollup_store
from amp.ledger.cells import Cell, Coordinates, add, after, named_cell, pack, spread, sums_of, unpack
from amp.ledger.entries import Completion, ToolEvent
from amp.ledger.entries import unpack as entry_of
from amp.ledger.filters import Filters, Window
from amp.ledger.fold import Told, changes
from amp.ledger.grouping import OTHER, Question
from amp.ledger.job import State, read_job
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.ledger.side import read_side
from amp.store.functions import Functions
from amp.store.keys import BUCKETS
from amp.store.ledger_keys import job_keys, ledger_cells

JOBS = ("j1", "j2", "j3")
TEXT = st.none() | st.sampled_from(("a", "b"))
MONEY = st.none() | st.integers(0, 10**19)
CURRENCY = st.sampled_from(("USD", "EUR"))
DECISION = st.none() | st.sampled_from(("brief", "long"))
AT = st.sampled_from((NOON, NOON + DAY_MS))


@st.composite
def steps(draw):
    """One thing that is done with one job."""
    job, at_ms = draw(st.sampled_from(JOBS)), draw(AT)
    kind = draw(st.sampled_from(("create", "completion", "tool", "outcome", "amend", "no job", "again")))
    approach = draw(DECISION)
    decision = {"approach": approach, "group": "learned"} if approach else {}
    about = {"type": draw(TEXT), "environment": draw(TEXT), **decision}
    worked = {"agent": draw(TEXT), "squad": draw(TEXT)}
    money = {"currency": draw(CURRENCY), "at_ms": at_ms}
    status = draw(st.sampled_from(("SUCCESS", "FAILED", "CANCELLED")))
    outcome = draw(st.none() | st.sampled_from(("CONVERTED", "ESCALATED", "DEFLECTED")))
    match kind:
        case "create":
            return "create", (job, at_ms), about
        case "completion" | "again":
            name = "same" if kind == "again" else None
            tokens = (draw(st.integers(0, 9)), 1)
            return (
                "completion",
                (job, draw(MONEY), tokens),
                about | money | worked | {"name": name},
            )
        case "tool":
            return (
                "tool",
                (job, draw(MONEY)),
                about | money | worked | {"human": draw(st.booleans())},
            )
        case "outcome":
            return "outcome", (job, status, outcome, draw(MONEY)), money | decision
        case "amend":
            return "amend", (job, status, outcome, draw(MONEY)), money
        case _:
            return "completion", ("", draw(MONEY), (1, 1)), money


@pytest.fixture
def store(any_store):
    """In memory, then on a real server of each kind."""
    return any_store


@pytest.fixture
def writing(store):
    return Writing(store, libraries=[rollup_store.LIBRARY])


async def everything(writing):
    """Entries of every bucket, each in its order."""
    return [await writing.ledger.run(ACME, number, 0, 10_000) for number in range(BUCKETS)]


def entries(runs):
    return [entry_of(each.entry) for run in runs for each in run]


async def from_scratch(writing, runs):
    """The cells by adding up the jobs, as the store has them now."""
    cells = {}
    for job in JOBS:
        (fields,) = await writing.ledger.jobs(ACME, [job])
        found = read_job(job, fields)
        if found is None:
            continue
        here = Coordinates(
            found.created_ms // DAY_MS,
            found.type,
            found.environment,
            found.agent,
            found.approach,
            found.group,
            found.squad,
        )
        for cell, sums in spread(here, sums_of(found.state, decided=found.approach is not None)):
            add(cells.setdefault(cell, {}), sums)
    for entry in entries(runs):
        if not entry.job:
            sums = sums_of(after(State(), entry), decided=False)
            del sums["J"]
            for day in (None, entry.at_ms // DAY_MS):
                add(cells.setdefault(Cell("none", None, day), {}), sums)
    return {cell: sums for cell, sums in cells.items() if sums}


async def stored(store):
    flat = await store.ask("HGETALL", ledger_cells(ACME.tag))
    cells = {named_cell(name): unpack(raw) for name, raw in zip(flat[::2], flat[1::2], strict=True)}
    return {cell: sums for cell, sums in cells.items() if sums}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=st.lists(steps(), max_size=14), cuts=st.lists(st.integers(1, 4), max_size=3), data=st.data())
async def test_any_order_and_any_pieces_of_folding_give_what_adding_up_the_jobs_gives(
    store, writing, done, cuts, data
):
    await store.ask("FLUSHALL")
    await store.ask("FUNCTION", "FLUSH")
    rollup = Rollup(RollupStore(store, writing.functions), writing.ledger, step=data.draw(st.integers(1, 5)))
    for number, (verb, about, said) in enumerate(done):
        await getattr(writing, verb)(*about, **said)
        if number in cuts:
            await rollup.current(ACME)
    await rollup.current(ACME)
    runs = await everything(writing)
    expected = await from_scratch(writing, runs)
    assert await stored(store) == expected

    by_hand = await folded_singly(store, writing, data.draw(st.permutations([run for run in runs if run])))
    assert by_hand == expected
    assert counted(expected) == paid(entries(runs))


async def folded_singly(store, writing, runs):
    """The cells again, an entry at a time."""
    known, cells = RollupStore(store, writing.functions), {}
    for each in (each for run in runs for each in run):
        told = Told(entry_of(each.entry), read_side(each.side))
        places = await known.coordinates(ACME, {told.entry.job} - {""})
        for cell, sums in changes([told], places).items():
            add(cells.setdefault(cell, {}), sums)
    return {cell: sums for cell, sums in cells.items() if sums}


def paid(written):
    """Nanos by currency, by the entries."""
    total = Counter()
    for entry in written:
        if isinstance(entry, Completion | ToolEvent):
            total[entry.currency] += entry.cost_nanos or 0
    return +total


def counted(cells):
    """Nanos by currency, by the cells."""
    total = Counter()
    for dimension in ("all", "none"):
        for name, nanos in cells.get(Cell(dimension, None, None), {}).items():
            if name[:2] in {"M:", "T:", "H:"}:
                total[name[2:]] += nanos
    return total


async def test_workers_that_fold_at_once_count_each_entry_once(store, writing):
    for number in range(40):
        await writing.completion(f"job {number}", 10**9, type="sales")
    workers = [Rollup(RollupStore(store, writing.functions), writing.ledger, step=7) for _ in range(3)]

    cubes = await asyncio.gather(*(each.current(ACME) for each in workers))
    for cube in cubes:
        assert cube.of(Cell("type", "sales", None))["M:USD"] == 40 * 10**9
        assert cube.of(Cell("all", None, None))["J"] == 40


async def test_a_worker_reads_only_what_changed_since_it_looked(store, writing):
    await writing.completion("one", 5, type="sales")
    rolled = RollupStore(store, writing.functions)
    first = Rollup(rolled, writing.ledger)
    held = await first.current(ACME)
    version = held.version
    await writing.completion("two", 7, type="support")
    await Rollup(rolled, writing.ledger).current(ACME)
    changed = await rolled.read(ACME, version)
    assert Cell("type", "sales", None) not in changed.cells
    assert changed.cells[Cell("type", "support", None)]["M:USD"] == 7
    assert (await first.current(ACME)).of(Cell("all", None, None))["M:USD"] == 12


async def test_jobs_come_in_order_of_creation_over_all_buckets(store, writing):

    times = [NOON + 1000 * Random(number).randrange(10**6) for number in range(700)]
    for number, at_ms in enumerate(times):
        await writing.create(f"j{number}", at_ms)
    rolled = RollupStore(store, writing.functions)

    start, end = sorted(times)[100], sorted(times)[600]
    window = Window(start, end)
    for oldest_first in (True, False):
        chunks = [chunk async for chunk in rolled.jobs(ACME, window, oldest_first=oldest_first)]
        found = [times[int(name[1:])] for chunk in chunks for _, name in chunk]
        assert found == [at_ms for chunk in chunks for at_ms, _ in chunk]
        assert found == sorted((at for at in times if start <= at < end), reverse=not oldest_first)
    assert await rolled.count(ACME, window) == sum(start <= at < end for at in times)


@pytest.mark.parametrize("apart_ms", [0, 1000])
async def test_jobs_that_are_made_while_others_are_listed_bring_none_of_them_twice(store, apart_ms):
    """More are made in one bucket than a page has, ahead of those that were read."""
    listed = job_keys(ACME, "0").jobs
    for number in range(400):
        await store.ask("ZADD", listed, NOON + apart_ms * number, f"old {number:03}")
    found, pages = [], 0
    async for some in RollupStore(store, Functions(store, [])).jobs(ACME, Window()):
        found += [name for _, name in some]
        for number in range(150 if pages < 4 else 0):
            await store.ask("ZADD", listed, NOON + DAY_MS, f"new {pages} {number}")
        pages += bool(some)
    assert sorted(found) == [f"old {number:03}" for number in range(400)]


async def test_an_entry_that_cannot_be_read_is_damage(store, writing):
    await writing.create("j1")
    await writing.spoil("j1")
    with pytest.raises(StoreUnavailable, match="damaged"):
        await Rollup(RollupStore(store, writing.functions), writing.ledger).current(ACME)


@given(st.dictionaries(st.sampled_from(("J", "V:USD", "CC:USD:USD")), st.integers(-(10**45), 10**45)))
def test_sums_of_any_size_are_stored_without_loss(sums):
    assert unpack(pack(sums)) == sums


def test_squares_are_kept_only_where_every_job_has_them():
    decided = State("SUCCESS", "CONVERTED", 7, "USD", {("model", "USD"): 2})
    here = Coordinates(1, "sales", approach="brief", group="learned")
    squares = {
        cell.dimension: {name for name in sums if name[:2] in {"VV", "CC", "VC"}}
        for cell, sums in spread(here, sums_of(decided, decided=True))
    }
    full = {"VV:USD", "CC:USD:USD", "VC:USD:USD"}
    assert (squares["approach"], squares["group"]) == (full, full)
    assert squares["all"] == squares["type"] == squares["agent"] == set()


def test_a_squad_has_them_with_the_count_of_jobs_that_brought_them():
    states = [State("SUCCESS", None, 7, "USD", {("model", "USD"): 2}), State(None)]
    total = {}
    for state, approach in zip(states, ("brief", None), strict=True):
        here = Coordinates(1, squad="red", approach=approach, group="learned" if approach else None)
        add(
            total,
            dict(spread(here, sums_of(state, decided=approach is not None)))[Cell("squad", "red", None)],
        )
    assert total == {
        "J": 2, "JD": 1, "R": 1, "S:SUCCESS": 1, "V:USD": 7, "M:USD": 2,
        "VV:USD": 49, "CC:USD:USD": 4, "VC:USD:USD": 14,
    }  # fmt: skip


async def test_a_commit_whose_reply_is_lost_is_not_made_twice(store, writing, monkeypatch):
    await writing.completion("one", 5, type="sales")
    rolled = RollupStore(store, writing.functions)
    rollup, commit = Rollup(rolled, writing.ledger), rolled.commit

    async def lost(*arguments):
        assert await commit(*arguments)
        raise StoreUnavailable

    monkeypatch.setattr(rolled, "commit", lost)
    with pytest.raises(StoreUnavailable):
        await rollup.current(ACME)
    monkeypatch.setattr(rolled, "commit", commit)
    assert (await rollup.current(ACME)).of(Cell("all", None, None))["M:USD"] == 5


async def test_what_is_beyond_the_first_values_is_counted_among_others_and_nothing_is_lost(store, writing):
    rolled = RollupStore(store, writing.functions)
    rollup = Rollup(rolled, writing.ledger, most=2)
    for number in range(5):
        await writing.completion(f"j{number}", 10**number, agent=f"agent {number}")
        await rollup.current(ACME)
    await writing.completion("late", 100_000)
    cube = await rollup.current(ACME)
    await writing.completion("late", 100_000, agent="agent 4")  # moves it to where the others are
    await writing.outcome("j3", "SUCCESS", "CONVERTED", 7)
    cube = await rollup.current(ACME)
    sums = {value: cube.of(Cell("agent", value, None)) for value in ("agent 0", "agent 1", OTHER, None)}
    assert [each.get("M:USD") for each in sums.values()] == [1, 10, 211_100, None]
    assert (sums[OTHER]["J"], sums[OTHER]["V:USD"], sums[None]) == (4, 7, {})
    assert not cube.answers(Question(filters=Filters(agent="agent 3")))
    assert cube.answers(Question(filters=Filters(agent="agent 1")))
    again = await Rollup(rolled, writing.ledger, most=2).current(ACME)
    assert again.of(Cell("agent", OTHER, NOON // DAY_MS)) == cube.of(Cell("agent", OTHER, NOON // DAY_MS))
