"""Where it pays: by phase and task type, and the error of all places together."""

import numpy as np
import pytest

from amp.learning import lift, where
from amp.learning.sums import Cell, Reports, Sums

USERS = 400


def crowd(tasks, *, first_seen=None, phases=None):
    """200 users of each group; each task has an effect, and everybody's five interactions of it."""
    control = np.arange(USERS) % 2 == 0
    rng = np.random.default_rng(1)

    def cell(effect):
        means = np.clip(rng.normal(0.5, 0.1, USERS) + effect * ~control, 0.0, 1.0)
        return Cell(np.arange(USERS), 5 * means, np.full(USERS, 5.0))

    return Sums(
        users=[f"{user}" for user in range(USERS)],
        control=control,
        sums=np.zeros((USERS, 4)),
        numbers=np.zeros((USERS, 4)),
        phases={phase: cell(effect) for phase, effect in (phases or {}).items()},
        tasks={task: cell(effect) for task, effect in tasks.items()},
        first_seen=first_seen or {task: task for task in tasks},
        preferring=0,
        mixed=0,
        unreadable=0,
        reports=Reports(),
        by_point=np.zeros((2, 256)),
    )


def test_it_pays_where_it_does_and_nowhere_else():
    told = where.places(crowd({1: 0.15, 2: 0.0}, phases={0: 0.0, 2: 0.15}))
    assert [(each.by, each.phase or each.task, each.reward.shown) for each in told] == [
        ("phase", 0, False),
        ("phase", 2, True),
        ("taskType", 1, True),
        ("taskType", 2, False),
    ]
    assert told[1].reward.estimate == pytest.approx(0.15, abs=0.03)
    assert told[1].users == (200, 200)


def test_all_places_together_keep_alpha_however_many_types_come():
    told = where.places(crowd(dict.fromkeys(range(1, 21), 0.0), phases={0: 0.0, 1: 0.0, 2: 0.0}))
    assert len(told) == 23
    assert sum(each.alpha for each in told) < lift.ALPHA
    assert sum(each.alpha for each in told) == pytest.approx(0.025 + 0.025 * 20 / 21)


def test_a_types_share_stays_what_it_was_when_others_come():
    """It goes by when a type appeared, not by how many users it has now."""
    before = {
        each.task: each.alpha for each in where.places(crowd({7: 0.0, 3: 0.0}, first_seen={7: 10, 3: 20}))
    }
    after = {
        each.task: each.alpha
        for each in where.places(crowd({7: 0.0, 3: 0.0, 1: 0.0}, first_seen={7: 10, 3: 20, 1: 30}))
    }
    assert {task: after[task] for task in before} == before
    assert before[7] == 0.025 / 2
    assert before[3] == 0.025 / 6


def test_the_interval_of_a_place_is_wider_than_one_that_need_not_share():
    sums = crowd({1: 0.1})
    cell = sums.tasks[1]
    alone = lift.between(lift.Values(cell.rewards / cell.numbers, cell.numbers), sums.control)
    (place,) = where.places(sums)
    assert place.reward.estimate == alone.estimate
    assert place.reward.high - place.reward.low > 1.05 * (alone.high - alone.low)


def test_a_place_with_few_users_says_nothing():
    sums = crowd({1: 0.5})
    few = Cell(np.arange(40), np.ones(40), np.ones(40))
    (place,) = where.places(
        Sums(**{name: getattr(sums, name) for name in Sums.__slots__} | {"tasks": {1: few}})
    )
    assert (place.users, place.reward) == ((20, 20), None)


def test_only_the_types_with_most_users_are_told():
    sums = crowd(dict.fromkeys(range(1, 30), 0.0))
    few = Cell(np.arange(4), np.ones(4), np.ones(4))
    sums.tasks[3] = few
    told = where.places(sums)
    assert len(told) == where.TASKS_MAX
    assert 3 not in {each.task for each in told}
