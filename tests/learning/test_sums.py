"""Users' rows, summed: who is of which group, and what the rows of each add up to."""

import math

import numpy as np
import pytest

from amp.learning import rows, sums
from amp.learning.approaches import PUBLISHED
from amp.learning.record import Record
from amp.learning.sums import Reports
from amp.learning.types import Preference, Signals, Weights

DAY_MS = 86_400_000
DONE = Signals(started=True, completed=True)
UNFINISHED = Signals(started=True, completed=False)
NEVER = Signals(started=False)


def row(nth, signals=DONE, *, control=False, shadow=False, task="", combination=0, after_ms=60_000):
    decision = rows.Decision(
        nonce=nth + 1,
        decided_ms=20_000 * DAY_MS + nth * 1000,
        combination=combination,
        task_hash=rows.task_hash(task),
        level=0,
        hour=0,
        policy_version=1,
        prior_version=0,
        control=control,
    )
    packed = bytearray(rows.pack(decision, signals, fingerprint=b"finger", final=True, step=0))
    written = np.frombuffer(packed, rows.ROW)
    written["reported_after_ms"] = after_ms
    if shadow:
        written["circumstance"] |= rows.SHADOW
    return bytes(packed)


def record(*packed, preferences=(), trimmed=0):
    return Record(
        alias=b"8 bytes.", created_ms=1, trimmed=trimmed, preferences=preferences, rows=b"".join(packed)
    )


def summed(*records):
    named = [(f"user {number}", each) for number, each in enumerate(records)]
    return sums.summed(named, Weights(), PUBLISHED)


def test_sums_on_paper():
    """A user with a completion after a minute, one left unfinished, and one never started."""
    timed = Signals(started=True, completed=True, time_to_start_ms=60_000)
    told = summed(record(row(0, timed), row(1, UNFINISHED), row(2, NEVER)))
    reward = (1.6 + 0.15 * 2 ** (-60 / 900)) / 2 + 0.375 + 0.0
    assert told.sums[0] == pytest.approx([reward, 2, 1, math.log(60)])
    assert told.numbers[0].tolist() == [3, 3, 3, 1]
    assert told.control.tolist() == [False]
    assert told.users == ["user 0"]


def test_who_is_of_neither_group_is_counted_and_left_out():
    told = summed(
        record(row(0)),
        record(row(0, control=True)),
        record(row(0), row(1, control=True)),
        record(row(0), preferences=(None, Preference(1), None, None)),
        record(row(0, shadow=True)),
        record(),
        record(b"half a row"),
    )
    assert told.users == ["user 0", "user 1"]
    assert told.control.tolist() == [False, True]
    assert (told.mixed, told.preferring, told.unreadable) == (1, 1, 1)
    assert told.reports.number == 6


def test_shadow_rows_do_not_count_for_a_user_who_has_others_too():
    told = summed(record(row(0, NEVER, shadow=True), row(1, control=True), row(2, NEVER, shadow=True)))
    assert told.numbers[0].tolist() == [1, 1, 1, 0]
    assert (told.sums[0, 2], told.control[0], told.mixed) == (1, True, 0)


def test_the_phase_of_a_row_is_its_place_among_the_users_decisions():
    told = summed(
        record(*(row(nth) for nth in range(25))), record(row(0), trimmed=19), record(row(0), trimmed=20)
    )
    assert [told.phases[phase].numbers.tolist() for phase in range(3)] == [[5], [15, 1], [5, 1]]
    assert [told.phases[phase].users.tolist() for phase in range(3)] == [[0], [0, 1], [0, 2]]


def test_task_types_are_cells_and_know_when_they_appeared():
    told = summed(
        record(row(5, task="coding"), row(6)), record(row(3, task="coding"), row(4, NEVER, task="coding"))
    )
    coding = rows.task_hash("coding")
    assert told.tasks[coding].users.tolist() == [0, 1]
    assert told.tasks[coding].numbers.tolist() == [1, 2]
    assert told.tasks[coding].rewards == pytest.approx([0.8, 0.8])
    assert told.first_seen == {coding: 20_000 * DAY_MS + 3000, 0: 20_000 * DAY_MS + 6000}


def test_reports_that_make_one_wonder_are_counted_over_all_rows():
    quick, slow = Signals(True, True, time_to_start_ms=1_500), Signals(True, True, time_to_start_ms=2_500)
    told = summed(
        record(row(0, after_ms=1_999), row(1, after_ms=2_000), row(2, NEVER, after_ms=1)),
        record(row(0, quick, after_ms=5), row(1, slow, after_ms=5), row(2, UNFINISHED)),
    )
    assert told.reports == Reports(number=6, negative=2, completed=4, too_soon=2)


def test_rewards_by_point_leave_out_what_is_no_approach():
    told = summed(record(row(0, combination=7), row(1, NEVER, combination=7), row(2, combination=300)))
    assert told.by_point[:, 7] == pytest.approx([0.8, 2])
    assert told.by_point[1].sum() == 2


def test_pages_joined_are_one_page():
    rng = np.random.default_rng(2)
    people = [
        record(
            *(
                row(
                    int(nth),
                    DONE if rng.random() < 0.5 else NEVER,
                    control=bool(user % 3 == 0),
                    task="ab"[user % 2],
                )
                for nth in rng.permutation(30)[: rng.integers(0, 30)]
            )
        )
        for user in range(20)
    ]
    named = [(f"{number}", each) for number, each in enumerate(people)]
    whole = sums.summed(named, Weights(), PUBLISHED)
    parts = sums.joined([sums.summed(named[at : at + 7], Weights(), PUBLISHED) for at in (0, 7, 14)])
    assert parts.users == whole.users
    for name in ("control", "sums", "numbers", "by_point"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name)), name
    for name in ("phases", "tasks"):
        one, other = getattr(parts, name), getattr(whole, name)
        assert one.keys() == other.keys()
        for kind in one:
            assert one[kind].users.tolist() == other[kind].users.tolist()
            assert one[kind].rewards.tolist() == other[kind].rewards.tolist()
    assert (parts.first_seen, parts.reports) == (whole.first_seen, whole.reports)


def test_nobody_is_no_trouble():
    told = summed()
    assert (told.users, told.sums.shape, told.numbers.shape) == ([], (0, 4), (0, 4))
    assert sums.joined([told, summed(record(row(0)))]).users == ["user 0"]
