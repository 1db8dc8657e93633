"""What the measurement reads: all users or a fixed sample, names of task types, counts that add up."""

import pytest
from reports import COMPLETED, DAY_MS, HOUR_MS, NEVER, report

from amp.errors import StoreUnavailable
from amp.learning import insight_store, measure, rows
from amp.learning.approaches import PUBLISHED
from amp.learning.counting import Counting
from amp.learning.groups import is_control
from amp.learning.insight_store import InsightStore
from amp.learning.measure import Measure
from amp.learning.policies import InForce, Policies
from amp.learning.reporting import Rate
from amp.learning.rows import Decision
from amp.learning.types import Policy
from amp.store.functions import Functions
from amp.store.keys import counts, snapshot, user_keys
from amp.tenancy import Tenant

pytestmark = pytest.mark.cluster

LIVE = Tenant("acme", "live")
KEY = b"the key of the groups"
SHARE = 0.1
RULING = Policies(InForce(Policy(control_share=SHARE), PUBLISHED))


@pytest.fixture
def store(any_store):
    return any_store


@pytest.fixture
def insights(store):
    functions = Functions(store, [insight_store.LIBRARY])
    return InsightStore(store, functions, policies=RULING, retention_ms=30 * DAY_MS)


@pytest.fixture
def measures(facts, insights):
    return Measure(facts, insights, policies=RULING, key=KEY)


async def known(store, names):
    await store.ask_all([("SADD", user_keys(LIVE, name).users, name) for name in names])


# The sample


async def test_a_small_crowd_is_seen_whole_however_many_pages_it_takes(store, measures, monkeypatch):
    monkeypatch.setattr(insight_store, "PAGE", 2)
    names = [f"user {number}" for number in range(3000)]
    await known(store, names)
    assert sorted(await measures._chosen(LIVE, 3000, SHARE)) == sorted(names)


async def test_of_a_large_crowd_a_fixed_sample_is_seen_with_more_of_the_control_group(
    store, measures, monkeypatch
):
    monkeypatch.setattr(measure, "USERS_MAX", 600)
    names = [f"user {number}" for number in range(4000)]
    await known(store, names)
    chosen = await measures._chosen(LIVE, 4000, SHARE)
    control = [name for name in chosen if is_control(LIVE, name, SHARE, KEY)]
    everyone = [name for name in names if is_control(LIVE, name, SHARE, KEY)]
    assert 100 < len(control) < len(everyone)
    assert len(chosen) <= 660
    assert len(control) / len(everyone) > 3 * (len(chosen) - len(control)) / (4000 - len(everyone))

    await known(store, [f"late {number}" for number in range(300)])
    later = await measures._chosen(LIVE, 4300, SHARE)
    assert set(chosen) < set(later), "who was seen is seen again"


def test_the_share_that_is_kept_is_a_power_of_a_half():
    assert [measure._kept(users, 100) for users in (0, 99, 100, 101, 400, 401)] == [1, 1, 1, 0.5, 0.25, 0.125]


# What is found


async def test_what_is_measured_of_the_rows(facts, measures, store, now):
    """Users of both groups by the bits of their rows, two task types, and one record that cannot be read."""
    control_bit = rows.CONTROL
    for user in range(80):
        signals, at = (NEVER if user % 2 else COMPLETED), now - HOUR_MS
        told = report(user * 2 + 1, at, signals, user=f"user {user}", task_type="coding")._replace(
            tenant=LIVE
        )
        other = report(user * 2 + 2, at + 1, signals, user=f"user {user}")._replace(tenant=LIVE)
        if user % 2:
            told, other = (
                each._replace(row=each.row[:46] + bytes([each.row[46] | control_bit]) + each.row[47:])
                for each in (told, other)
            )
        assert set(await facts.report([told, other])) == {"new"}
    await store.ask("SET", user_keys(LIVE, "user 0").record, b"cut")
    measured = (await measures.of(LIVE)).lift
    assert (measured.learned_users, measured.control_users) == (39, 40)
    assert measured.verdict.startswith("learned users do better")
    assert [(each.by, each.name) for each in measured.where] == [
        ("phase", "cold_start"),
        ("taskType", "coding"),
        ("taskType", ""),
    ]
    assert [each.learned for each in measured.where] == pytest.approx([0.8, 0.8, 0.8])


async def test_nobody_is_measured_without_trouble(measures):
    measured = await measures.of(LIVE)
    assert (measured.lift.verdict, measured.lift.where) == ("no outcomes yet", [])
    assert measured.reporting.all.rate is None


async def test_a_measurement_of_another_release_is_as_if_there_were_none(insights, store):
    await store.ask("SET", snapshot(LIVE), b'{"lift": 1}')
    assert await insights.newest(LIVE) is None


# Counts


def decision(nonce, day, *, control=False, combination=0):
    return Decision(
        nonce=nonce,
        decided_ms=day * DAY_MS + nonce,
        combination=combination,
        task_hash=0,
        level=0,
        hour=0,
        policy_version=1,
        prior_version=0,
        control=control,
    )


async def test_counts_of_two_workers_by_day_group_and_option(insights, now):
    today = now // DAY_MS
    one, two = Counting(insights, RULING), Counting(insights, RULING)
    for nonce in range(5):
        one.decided(LIVE, decision(nonce, today, control=nonce == 0, combination=nonce))
        two.decided(LIVE, decision(nonce, today - 1))
    two.reported(LIVE, decision(1, today, combination=1))
    await one.flush()
    await two.flush()
    counted = await insights.counted(LIVE, now)
    assert counted.keys() == {today - 1, today}
    assert (counted[today].learned, counted[today].control) == (Rate(4, 1), Rate(1, 0))
    assert counted[today].options["encouragement"] == {
        "high": Rate(2, 0),
        "moderate": Rate(1, 1),
        "minimal": Rate(1, 0),
        "none": Rate(1, 0),
    }
    assert counted[today].options["suggestedFraming"] == {"achievement": Rate(5, 1)}
    assert await insights.counted(Tenant("zoo", "live"), now) == {}


async def test_a_write_whose_answer_was_lost_is_written_again_and_counts_once(
    insights, store, now, monkeypatch
):
    counting = Counting(insights, RULING)
    counting.decided(LIVE, decision(1, now // DAY_MS))
    real = store.ask_apart

    async def deaf(commands, **how):
        await real(commands, **how)
        raise StoreUnavailable

    await counting._store._functions.load()
    monkeypatch.setattr(store, "ask_apart", deaf)
    with pytest.raises(StoreUnavailable):
        await counting.flush()
    monkeypatch.setattr(store, "ask_apart", real)
    counting.decided(LIVE, decision(2, now // DAY_MS))
    await counting.flush()
    assert (await insights.counted(LIVE, now))[now // DAY_MS].all == Rate(2, 0)


async def test_a_day_that_takes_no_more_reports_leaves_the_memory_and_stays_in_the_store(insights, now):
    counting, today = Counting(insights, RULING), now // DAY_MS
    counting.decided(LIVE, decision(1, today - 5))
    await counting.flush()
    counting.decided(LIVE, decision(2, today))
    await counting.flush()
    assert [day for _, day in counting._days] == [today]
    assert (await insights.counted(LIVE, now)).keys() == {today - 5, today}


async def test_a_day_beyond_the_retention_is_forgotten(insights, now):
    counting = Counting(insights, RULING)
    counting.decided(LIVE, decision(1, now // DAY_MS - 40))
    await counting.flush()
    assert await insights.counted(LIVE, now) == {}


@pytest.mark.parametrize("widened", [False, True], ids=["in force", "for what was decided before"])
async def test_a_day_whose_outcomes_may_still_come_is_not(store, now, widened):
    """A tenant's own window of 50 days outlasts the retention of 30, also where only earlier days have it."""
    window = {"outcome_window_ms": 50 * DAY_MS}
    if widened:
        window = {"widened_ms": now, "earlier_window_ms": 50 * DAY_MS}
    ruling = Policies(InForce(Policy(**window), PUBLISHED))
    functions = Functions(store, [insight_store.LIBRARY])
    insights = InsightStore(store, functions, policies=ruling, retention_ms=30 * DAY_MS)
    counting, day = Counting(insights, ruling), now // DAY_MS - 40
    counting.decided(LIVE, decision(1, day))
    await counting.flush()
    assert (await insights.counted(LIVE, now)).keys() == {day}
    assert 9 * DAY_MS < await store.ask("PTTL", counts(LIVE, day)) <= 12 * DAY_MS
