"""A long history is cut to its newest rows, and nothing that was counted is lost or counted again."""

from collections import Counter

import numpy as np
from reports import COMPLETED, DAY_MS, HOUR_MS, NEVER, STARTED, TENANT, nonces, report, sent

from amp.learning import rows
from amp.learning.profile import summarise
from amp.learning.types import Signals
from amp.store.keys import user_keys

KEPT, FULL = 512, 576
SIGNALS = [NEVER, STARTED, COMPLETED, Signals(True, False, 2500), Signals(True, True, 10**12, True, 1.0)]


def long_history(now, count, first=1):
    """Reports a minute apart, oldest first, of every kind."""
    return [
        report(
            number,
            now - DAY_MS + HOUR_MS + number * 60_000,
            SIGNALS[number % 5],
            hour=number % 24,
            task_type=f"task {number % 3}",
            final=bool(number % 4),
        )
        for number in range(first, first + count)
    ]


async def stored(facts, reports):
    for start in range(0, len(reports), 100):
        assert set(await facts.report(reports[start : start + 100])) == {"new"}


async def test_rows_are_trimmed_in_blocks_to_the_newest_by_decided_time_whatever_came_last(facts, now):
    reports = long_history(now, FULL)
    shuffled = [reports[index] for index in np.random.default_rng(1).permutation(FULL)]
    await stored(facts, shuffled[:-1])
    record, _ = await facts.profile(TENANT, "ada")
    assert (len(record.rows), record.trimmed) == ((FULL - 1) * rows.ROW_BYTES, 0)

    await stored(facts, shuffled[-1:])
    record, _ = await facts.profile(TENANT, "ada")
    assert (len(record.rows), record.trimmed) == (KEPT * rows.ROW_BYTES, FULL - KEPT)
    assert record.interactions == FULL
    assert await nonces(facts) == list(range(FULL - KEPT + 1, FULL + 1))


async def test_rows_of_one_millisecond_are_trimmed_by_nonce_all_64_bits_of_it(facts, now):
    numbers = [(high << 40) + low for high in (0, 2**12, 2**23) for low in range(FULL // 3)]
    reports = [report(number + 1, now - HOUR_MS) for number in numbers]
    await stored(facts, [reports[index] for index in np.random.default_rng(2).permutation(FULL)])
    assert await nonces(facts) == [number + 1 for number in numbers[FULL - KEPT :]]


async def test_a_trimmed_row_inside_the_window_still_tells_a_retry_from_a_contradiction(facts, now):
    reports = long_history(now, FULL)
    await stored(facts, reports)
    before = await facts.profile(TENANT, "ada")
    different = report(1, now - DAY_MS + HOUR_MS + 60_000, NEVER)
    assert await sent(facts, reports[0], different, reports[62], reports[64]) == [
        "replay",
        "conflict",
        "replay",
        "replay",
    ]
    assert await facts.profile(TENANT, "ada") == before


async def test_a_trimmed_row_can_be_replaced_by_a_higher_stage_and_the_sums_follow(facts, now):
    reports = long_history(now, FULL)
    await stored(facts, reports)
    last = report(4, now - DAY_MS + HOUR_MS + 4 * 60_000, COMPLETED, hour=4, task_type="task 1")
    assert not reports[3].row[24], "the report before was not final"
    reports[3] = last
    assert await sent(facts, last, last) == ["replaced", "replay"]
    record, details = await facts.profile(TENANT, "ada")
    assert record.interactions == FULL
    assert without_names(details.trimmed_sums) == plain_sums(reports[: FULL - KEPT])


async def test_a_row_trimmed_after_its_window_is_expired_and_is_not_kept_findable(
    facts, facts_with, now, store
):
    reports = long_history(now, FULL)
    await stored(facts, reports[:-1])
    # as if most of a day had passed: all but the last 51 minutes before 30 minutes ago are out of the window
    later = facts_with(window_ms=22 * HOUR_MS + 30 * 60_000)
    await stored(later, reports[-1:])
    assert await sent(later, reports[0], reports[60]) == ["expired", "replay"]
    assert await sent(facts, reports[0]) == ["expired"], "not even if the window is made longer again"
    trimmed = await store.ask("ZRANGE", user_keys(TENANT, "ada").trimmed, 0, -1)
    assert reports[0].row[:8] not in {row[:8] for row in trimmed}
    assert reports[60].row[:8] in {row[:8] for row in trimmed}


async def test_a_trimmed_row_is_forgotten_once_its_window_has_passed(facts, facts_with, now, store):
    trimmed = user_keys(TENANT, "ada").trimmed
    await stored(facts, long_history(now, FULL))
    assert await store.ask("ZCARD", trimmed) == FULL - KEPT
    later = facts_with(window_ms=HOUR_MS)
    recent = [report(number, now - number, COMPLETED) for number in range(2000, 2000 + FULL - KEPT)]
    await stored(later, recent)
    record, _ = await later.profile(TENANT, "ada")
    assert record.trimmed == 2 * (FULL - KEPT)
    assert await store.ask("ZCARD", trimmed) == 0


async def test_a_report_decided_before_the_trimmed_ones_counts_once_too(facts, now):
    await stored(facts, long_history(now, FULL))
    late = report(9999, now - DAY_MS + HOUR_MS, COMPLETED)
    assert await sent(facts, late, late) == ["new", "replay"]
    record, _ = await facts.profile(TENANT, "ada")
    assert record.interactions == FULL + 1
    assert 9999 not in await nonces(facts), "only the newest teach"


async def test_lifetime_sums_over_more_than_a_thousand_rows_equal_a_plain_count(facts, now):
    reports = long_history(now, 1200)
    order = np.random.default_rng(3).permutation(len(reports))
    await stored(facts, [reports[index] for index in order])
    record, details = await facts.profile(TENANT, "ada")
    summary = summarise(rows.every(record.rows), details.trimmed_sums)
    said = [rows.signals(np.frombuffer(each.row, rows.ROW)[0]) for each in reports]
    assert summary.interactions == record.interactions == 1200
    assert record.trimmed == 640
    assert summary.completed == sum(bool(each.completed) for each in said)
    assert summary.flow == sum(bool(each.flow_state) for each in said)
    assert summary.starts == sum(each.time_to_start_ms is not None for each in said)
    assert summary.start_ms == sum(each.time_to_start_ms or 0 for each in said)
    assert {hour: tally.interactions for hour, tally in summary.by_hour.items()} == dict.fromkeys(
        range(24), 50
    )
    assert {details.task_names[task]: tally.interactions for task, tally in summary.by_task.items()} == {
        "task 0": 400,
        "task 1": 400,
        "task 2": 400,
    }


async def test_the_sums_of_a_first_trim_equal_those_of_the_oldest_rows(facts, now):
    reports = long_history(now, FULL)
    await stored(facts, reports[::-1])
    _, details = await facts.profile(TENANT, "ada")
    assert without_names(details.trimmed_sums) == plain_sums(reports[: FULL - KEPT])


async def test_at_most_32_task_types_of_a_user_are_named_and_counted_apart(facts, now):
    reports = [
        report(number, now - HOUR_MS + number, task_type=f"type {number % 100}")
        for number in range(1, 1 + FULL)
    ]
    await stored(facts, reports)
    _, details = await facts.profile(TENANT, "ada")
    assert sorted(details.task_names.values()) == sorted(f"type {number}" for number in range(1, 33))
    counted = {int(name[3:]) for name in details.trimmed_sums if name.startswith("kn:")}
    assert counted == set(details.task_names)


def plain_sums(reports):
    """What `fold` adds up, counted in Python."""
    sums = Counter()
    for each in reports:
        row = np.frombuffer(each.row, rows.ROW)[0]
        said, hour, task = rows.signals(row), int(row["hour"]), int(row["task_hash"])
        done = bool(said.completed)
        sums.update(
            {
                "started": said.started,
                "completed": done,
                "flow": bool(said.flow_state),
                "starts": said.time_to_start_ms is not None,
                "start_ms": said.time_to_start_ms or 0,
                f"hn:{hour}": 1,
                f"hc:{hour}": done,
                f"kn:{task}": 1,
                f"kc:{task}": done,
            }
        )
    return {name: count for name, count in sums.items() if count}


def without_names(sums):
    return {name: count for name, count in sums.items() if count and name != "tasks"}
