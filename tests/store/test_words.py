"""Several ways speak of one decision and fill one row: by what they say, not by who was first."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import COMPLETED, DAY_MS, HOUR_MS, NEVER, STARTED, TENANT, report, sent

from amp.learning import rows, words
from amp.learning import store as learning_store
from amp.learning.profile import summarise
from amp.learning.store import LearningStore
from amp.learning.types import Signals
from amp.learning.words import Way
from amp.store.functions import Functions
from amp.store.keys import user_keys

pytestmark = pytest.mark.cluster

FAILED = Signals(started=True, completed=False)
GOOD = Signals(started=True, completed=True, satisfaction=0.8)
MONTH_MS = 30 * DAY_MS


@pytest.fixture
def store(any_store):
    return any_store


@pytest.fixture
def facts(store, functions):
    """Facts with both windows."""
    return LearningStore(store, functions, window_ms=DAY_MS, retention_ms=MONTH_MS, bridge_window_ms=MONTH_MS)


def said(nonce, decided, signals, *, way=Way.BUSINESS, source="job 1", step=1, first=None, user="ada"):
    """The word of another way than the agent's."""
    decision = rows.Decision(nonce, decided, 7, 0, 1, 0, 1, 0)
    as_report = words.Report(TENANT, user, rows.unsaid(decision), b"8 bytes.", "", b"")
    packed = words.packed(way, source, signals, first_ms=decided if first is None else first, step=step)
    return as_report, packed, None


async def taught(facts, *told):
    return [(await facts.teach([each]))[0] for each in told]


async def stands(facts, user="ada"):
    """The signals of the only row, and who made it."""
    record, _ = await facts.profile(TENANT, user)
    (row,) = rows.every(record.rows)
    return rows.signals(row), rows.said_by(row)


async def against(facts, user="ada"):
    """What the log holds of words that contradict: way and signals."""
    record, _ = await facts.profile(TENANT, user)
    events = [each async for each in facts.events(TENANT, user, record.alias) if each.against]
    return [(each.way, rows.signals(np.frombuffer(each.row, rows.ROW)[0])) for each in events]


async def test_a_business_outcome_alone_is_an_interaction_and_comes_once(facts, now):
    word = said(1, now, COMPLETED)
    assert await taught(facts, word, word) == ["new", "replay"]
    assert await stands(facts) == (COMPLETED, ["bridge"])


async def test_a_later_way_adds_what_is_not_yet_said_and_no_second_interaction(facts, now):
    assert await sent(facts, report(1, now, STARTED)) == ["new"]
    assert await taught(facts, said(1, now, COMPLETED)) == ["filled"]
    graded = said(1, now, GOOD, way=Way.GRADED, source="outc_1")
    assert await taught(facts, graded, graded) == ["filled", "replay"]
    assert await stands(facts) == (GOOD, ["agent", "bridge"])
    assert (await facts.profile(TENANT, "ada"))[0].interactions == 1


async def test_what_was_all_said_before_changes_nothing_that_counts(facts, now):
    await sent(facts, report(1, now, GOOD))
    before, _ = await facts.profile(TENANT, "ada")
    assert await taught(facts, said(1, now, COMPLETED)) == ["agreed"]
    record, _ = await facts.profile(TENANT, "ada")
    assert rows.every(record.rows)["reported_after_ms"] == rows.every(before.rows)["reported_after_ms"]
    assert await stands(facts) == (GOOD, ["agent", "bridge"])


async def test_a_contradiction_is_kept_in_the_log_and_does_not_count(facts, now):
    await sent(facts, report(1, now, COMPLETED))
    assert await taught(facts, said(1, now, FAILED)) == ["contradicted"]
    assert (await stands(facts))[0] == COMPLETED
    assert await against(facts) == [(Way.BUSINESS, FAILED)]
    assert await taught(facts, said(1, now, FAILED)) == ["replay"]
    assert await against(facts) == [(Way.BUSINESS, FAILED)]


async def test_the_agent_who_speaks_last_is_heard_first(facts, now):
    assert await taught(facts, said(1, now, FAILED)) == ["new"]
    assert await sent(facts, report(1, now, COMPLETED), report(1, now, COMPLETED)) == ["filled", "replay"]
    assert await sent(facts, report(1, now, NEVER)) == ["conflict"]
    assert (await stands(facts))[0] == COMPLETED
    assert await against(facts) == [(Way.BUSINESS, FAILED)]


async def test_a_provisional_report_gives_way_and_the_final_one_does_not(facts, now):
    staged = Signals(started=True, completed=False, time_to_start_ms=4000)
    await sent(facts, report(1, now, staged, final=False, step=1))
    assert await taught(facts, said(1, now, COMPLETED)) == ["overruled"]
    assert (await stands(facts))[0] == COMPLETED
    assert await against(facts) == [(Way.AGENT, staged)]
    moved = Signals(started=True, time_to_start_ms=4000)
    assert await sent(facts, report(1, now, moved, final=False, step=2)) == ["replaced"]
    assert (await stands(facts))[0] == Signals(started=True, completed=True, time_to_start_ms=4000)
    assert await sent(facts, report(1, now, FAILED)) == ["replaced"]
    assert (await stands(facts))[0] == FAILED


async def test_a_correction_takes_the_earlier_word_back(facts, now):
    await sent(facts, report(1, now, STARTED))
    await taught(facts, said(1, now, COMPLETED, step=1))
    assert await taught(facts, said(1, now, FAILED, step=2)) == ["filled"]
    assert (await stands(facts))[0] == FAILED
    assert await taught(facts, said(1, now, COMPLETED, step=1)) == ["replay"]
    assert await taught(facts, said(1, now, None, step=3)) == ["filled"]
    assert await stands(facts) == (STARTED, ["agent"])


async def test_a_word_taken_back_leaves_a_neutral_row_where_nobody_else_spoke(facts, now):
    await taught(facts, said(1, now, COMPLETED), said(1, now, None, step=2))
    assert await stands(facts) == (STARTED, ["bridge"])


async def test_a_word_that_says_nothing_agrees_with_nobody(facts, now):
    silent = said(1, now, None, source="job 2")
    assert await taught(facts, said(1, now, FAILED), silent) == ["new", "nothing"]


async def test_a_word_that_says_nothing_is_no_interaction(facts, now):
    assert await taught(facts, said(1, now, None, step=2), said(1, now, COMPLETED)) == ["nothing", "replay"]
    record, _ = await facts.profile(TENANT, "ada")
    assert (record.rows, record.created_ms) == (b"", 0)


async def test_words_that_say_nothing_go_when_nobody_may_speak_of_their_decision_any_more(facts, store, now):
    keys, left = user_keys(TENANT, "ada"), now - 31 * DAY_MS
    await taught(facts, *(said(number, now, None, first=left) for number in (1, 2)))
    await sent(facts, report(2, now, STARTED))
    await taught(facts, said(3, now, COMPLETED, first=left), said(65, now, None))
    assert await store.ask("HLEN", keys.words) == 4
    assert await taught(facts, said(64, now, None)) == ["nothing"]
    assert sorted(await store.ask("HKEYS", keys.words)) == sorted(
        number.to_bytes(8, "little") for number in (2, 3, 64, 65)
    )


async def test_it_may_come_after_the_agents_window_and_not_after_its_own(facts, now):
    for number, days in enumerate((2, 29.9, 31), 1):
        decided = now - int(days * DAY_MS)
        assert await sent(facts, report(number, decided)) == ["expired"]
        assert await taught(facts, said(number, decided, COMPLETED)) == ["expired" if days > 30 else "new"]
    # the agent is late although a row is there now
    assert await sent(facts, report(1, now - 2 * DAY_MS)) == ["expired"]


async def test_an_erased_user_stays_erased_for_the_longer_window(facts, store, now):
    await sent(facts, report(1, now - HOUR_MS))
    await taught(facts, said(1, now - HOUR_MS, GOOD, way=Way.GRADED))
    await facts.erase(TENANT, "ada")
    keys = user_keys(TENANT, "ada")
    assert await store.ask("EXISTS", keys.words) == 0
    assert await store.ask("PTTL", keys.record) > 29 * DAY_MS
    assert await taught(facts, said(1, now - HOUR_MS, GOOD), said(2, now - 1, GOOD)) == ["expired"] * 2


async def test_a_row_that_was_trimmed_is_found_again_within_the_longer_window(facts, store, now):
    decided = [now - 3 * DAY_MS + number for number in range(576)]
    await taught(facts, *(said(number + 1, at, STARTED) for number, at in enumerate(decided)))
    record, details = await facts.profile(TENANT, "ada")
    assert (record.trimmed, record.interactions) == (64, 576)
    again = said(1, decided[0], STARTED)
    more = said(1, decided[0], COMPLETED, way=Way.GRADED)
    assert await taught(facts, again, more, more) == ["replay", "filled", "replay"]
    record, details = await facts.profile(TENANT, "ada")
    summary = summarise(rows.every(record.rows), details.trimmed_sums)
    assert (summary.interactions, summary.completed) == (576, 1)

    short = LearningStore(store, facts._functions, window_ms=DAY_MS, retention_ms=DAY_MS)
    keys = user_keys(TENANT, "ada")
    await sent(short, *(report(1000 + number, now - number) for number in range(64)))
    assert await store.ask("ZCARD", keys.trimmed) == 0
    assert await store.ask("HLEN", keys.words) == 576 - 128  # those of rows that nobody can find any more


async def test_of_two_jobs_the_one_that_was_heard_of_first_stands_whichever_is_carried_first(facts, now):
    later = said(1, now, FAILED, source="job 2", first=now + 2)
    assert await taught(facts, later, said(1, now, COMPLETED, first=now + 1)) == ["new", "overruled"]
    assert (await stands(facts))[0] == COMPLETED
    assert await against(facts) == [(Way.BUSINESS, FAILED)]


async def test_sixteen_sources_may_speak_of_one_decision(facts, now):
    told = [said(1, now, STARTED, source=f"job {number}") for number in range(17)]
    assert await taught(facts, *told) == ["new", *["agreed"] * 15, "full"]


AGENT = st.tuples(
    st.just("agent"),
    st.sampled_from([NEVER, STARTED, COMPLETED, FAILED, Signals(True, None, 5, True, 0.3)]),
    st.booleans(),
    st.integers(0, 2),
)
OTHER = st.tuples(
    st.sampled_from([Way.BUSINESS, Way.GRADED]),
    st.sampled_from([None, STARTED, COMPLETED, FAILED, GOOD, Signals(True, False, None, None, 0.1)]),
    st.integers(1, 2),
    st.integers(1, 3),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
async def test_the_order_of_arrival_and_duplicates_change_nothing_in_the_row(fake_store, data):
    """Of two reports of the agent of one rank (a 409), and of two words of one step, only one comes."""
    functions = Functions(fake_store, [learning_store.LIBRARY])
    await fake_store.ask_all([("FLUSHALL",)])
    await functions.load()
    facts = LearningStore(
        fake_store, functions, window_ms=DAY_MS, retention_ms=MONTH_MS, bridge_window_ms=MONTH_MS
    )
    now, _ = await facts.read([])
    told = data.draw(
        st.lists(AGENT, max_size=3, unique_by=lambda each: each[2:]).flatmap(
            lambda agents: st.lists(
                OTHER, min_size=1, max_size=5, unique_by=lambda each: (each[0], *each[2:])
            ).map(lambda others: [*agents, *others])
        )
    )
    one = data.draw(st.permutations([*told, *told]))
    other = data.draw(st.permutations([*told, *told[:2]]))
    found = [await _after(facts, now, order, name) for name, order in (("ada", one), ("bob", other))]
    assert found[0] == found[1]


async def _after(facts, now, order, user):
    """The row that is there after these words in this order, without its time of report."""
    for way, signals, third, step in order:
        if way == "agent":
            await facts.report([report(1, now, signals, final=third, step=step, user=user)])
        else:
            first = now + step  # a correction bears a later time than what it corrects
            await facts.teach(
                [said(1, now, signals, way=way, source=f"{third}", step=step, first=first, user=user)]
            )
    record, _ = await facts.profile(TENANT, user)
    return record.rows[:14] + record.rows[18:]
