"""An outcome has one effect, whatever happens on its way: retries, contradictions, stages, late ones."""

import asyncio

import numpy as np
from reports import COMPLETED, DAY_MS, HOUR_MS, NEVER, STARTED, TENANT, history, nonces, report, sent

from amp.learning import rows
from amp.learning.types import Signals
from amp.tenancy import Tenant


async def test_a_report_is_new_once_and_a_replay_ever_after(facts, now):
    one = report(1, now, COMPLETED)
    assert await sent(facts, one, one, one) == ["new", "replay", "replay"]
    assert await nonces(facts) == [1]


async def test_a_different_second_report_is_a_conflict_and_changes_nothing(facts, now):
    assert await sent(facts, report(1, now, COMPLETED)) == ["new"]
    before = await facts.profile(TENANT, "ada")
    assert await sent(facts, report(1, now, NEVER)) == ["conflict"]
    assert await facts.profile(TENANT, "ada") == before


async def test_many_duplicates_in_one_round_trip_and_at_the_same_time_have_one_effect(facts, now):
    one = report(1, now)
    batches = await asyncio.gather(*(facts.report([one] * 20) for _ in range(20)))
    verdicts = [verdict for batch in batches for verdict in batch]
    assert sorted(verdicts) == ["new"] + ["replay"] * 399
    assert await nonces(facts) == [1]


async def test_each_report_of_a_round_trip_is_judged_on_its_own_terms_and_in_its_order(facts, now):
    batch = [report(1, now), report(2, now - 2 * DAY_MS), report(1, now, NEVER), report(3, now, user="bob")]
    assert await facts.report(batch) == ["new", "expired", "conflict", "new"]


async def test_a_higher_stage_replaces_the_lower_in_place_and_counts_once(facts, now):
    first = report(1, now, STARTED, final=False, step=1)
    second = report(1, now, Signals(started=True, flow_state=True), final=False, step=2)
    last = report(1, now, COMPLETED)
    assert await sent(facts, first, second, last) == ["new", "replaced", "replaced"]
    (row,) = await history(facts)
    assert rows.signals(row) == COMPLETED


async def test_a_lower_stage_that_comes_late_is_a_replay_without_effect(facts, now):
    last, late = report(1, now, COMPLETED), report(1, now, NEVER, final=False, step=200)
    assert await sent(facts, last, late) == ["new", "replay"]
    (row,) = await history(facts)
    assert rows.signals(row) == COMPLETED


async def test_final_outranks_every_step_and_equal_ranks_that_differ_are_a_conflict(facts, now):
    assert await sent(
        facts,
        report(1, now, final=False, step=255),
        report(1, now, COMPLETED, final=False, step=255),
        report(1, now, COMPLETED, step=0),
        report(1, now, COMPLETED, step=9),
        report(1, now, NEVER, step=9),
    ) == ["new", "conflict", "replaced", "replaced", "conflict"]


async def test_a_report_after_the_window_is_refused_and_is_not_there(facts, now):
    assert await sent(facts, report(1, now - DAY_MS - HOUR_MS)) == ["expired"]
    record, details = await facts.profile(TENANT, "ada")
    assert (record.interactions, record.created_ms, details.changed_ms) == (0, 0, 0)
    assert await sent(facts, report(2, now - DAY_MS + HOUR_MS)) == ["new"]


async def test_a_found_report_wins_over_the_window(facts, facts_with, now):
    old = report(1, now - HOUR_MS, COMPLETED, final=False)
    assert await sent(facts, old) == ["new"]
    later = facts_with(window_ms=HOUR_MS // 2)  # as if the window had passed since
    assert await sent(later, old, report(1, now - HOUR_MS, NEVER, final=False), report(2, now - HOUR_MS)) == [
        "replay",
        "conflict",
        "expired",
    ]


async def test_after_the_window_a_higher_stage_is_refused_and_changes_nothing(facts, facts_with, now):
    assert await sent(facts, report(1, now - HOUR_MS, final=False)) == ["new"]
    before = await history(facts)
    later = facts_with(window_ms=HOUR_MS // 2)  # as if the window had passed since
    assert await sent(later, report(1, now - HOUR_MS, COMPLETED)) == ["expired"]
    assert (await history(facts)).tobytes() == before.tobytes()
    assert await facts.outcomes(TENANT) == 1


async def test_a_nonce_is_found_at_a_rows_start_only(facts, now):
    """Eight bytes inside another row that look like a nonce are not it."""
    await sent(facts, report(1, now, COMPLETED, hour=3), report(2, now, COMPLETED, hour=3))
    record, _ = await facts.profile(TENANT, "ada")
    inside = {
        int.from_bytes(record.rows[at : at + rows.NONCE_BYTES], "little")
        for at in range(2 * rows.ROW_BYTES - rows.NONCE_BYTES)
    }
    assert len(inside) > 30
    verdicts = await sent(facts, *(report(nonce, now) for nonce in sorted(inside - {1, 2})))
    assert set(verdicts) == {"new"}


async def test_the_stores_own_clock_says_when_it_was_reported(facts, now):
    await sent(facts, report(1, now - 5000), report(2, now + HOUR_MS), report(3, now - DAY_MS + HOUR_MS))
    after = (await history(facts))["reported_after_ms"].tolist()
    day, seconds, ahead = after
    assert 5000 <= seconds < 10_000
    assert DAY_MS - HOUR_MS <= day < DAY_MS - HOUR_MS + 5000
    assert ahead == 0, "decided by a clock that was ahead"


async def test_a_time_too_long_for_the_row_stays_at_its_maximum(facts_with, now):
    for_ever = facts_with(window_ms=400 * DAY_MS)
    assert await sent(for_ever, report(1, now - 60 * DAY_MS)) == ["new"]
    assert (await history(for_ever))["reported_after_ms"].tolist() == [2**32 - 1]


async def test_the_order_of_arrival_and_duplicates_change_nothing_to_the_bit(facts, now):
    """Decided ahead of the store's clock, so that every row is reported after 0 ms."""
    rng = np.random.default_rng(5)
    signals = [NEVER, STARTED, COMPLETED, Signals(True, True, 1234, True, 0.25)]
    decided = (now + HOUR_MS + rng.integers(0, 20, 60)).tolist()  # many of the same millisecond
    stages = [
        report(nonce + 1, at, signals[nonce % 4], user="{user}", final=final, step=step)
        for nonce, at in enumerate(decided)
        for final, step in ((False, nonce % 3), (True, 0))
    ]
    seen = set()
    for number in range(4):
        order = np.concatenate([rng.permutation(len(stages)), rng.integers(0, len(stages), 40)])
        user = f"user {number}"
        await sent(facts, *(stages[index]._replace(user=user) for index in order))
        seen.add((await history(facts, user)).tobytes())
    assert len(seen) == 1
    assert len(seen.pop()) == 60 * rows.ROW_BYTES


async def test_tenants_environments_and_users_never_share_a_row(facts, now):
    one = report(1, now)
    everyone = [(Tenant(name, env), user) for name in ("a", "b") for env in ("test", "live") for user in "xy"]
    batch = [one._replace(tenant=tenant, user=user) for tenant, user in everyone]
    assert await facts.report(batch) == ["new"] * 8
    _, records = await facts.read(everyone)
    assert [record.interactions for record in records] == [1] * 8


async def test_what_a_decision_left_out_and_hid_lies_in_the_log_beside_the_row(facts, now):
    plain = report(1, now)
    marked = report(2, now)._replace(excluded=1 << 70, shadow=0)
    assert await sent(facts, plain, marked, marked) == ["new", "new", "replay"]
    _, (record,) = await facts.read([(TENANT, "ada")])
    events = [event async for event in facts.events(TENANT, "ada", record.alias)]
    assert [(event.excluded, event.shadow) for event in events] == [(0, None), (1 << 70, 0)]
    assert [event.metadata for event in events] == [b"", b""]
