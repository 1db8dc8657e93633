"""Verdicts in words, and which days the rates are of."""

import math

import numpy as np
import pytest

from amp.learning import lift, sums, verdict
from amp.learning.approaches import PUBLISHED
from amp.learning.lift import Difference, Lift
from amp.learning.reporting import Counted, Rate
from amp.learning.telling import DAY_MS, Occasion, told
from amp.learning.types import Weights

UP = Difference(0.6, 0.5, 0.1, 0.05, 0.15, 900, 100, None)
DOWN = Difference(0.5, 0.6, -0.1, -0.15, -0.05, 900, 100, None)
UNCLEAR = Difference(0.6, 0.5, 0.1, -0.05, 0.25, 900, 100, lift.Needed(500, 50))
QUICKER = Difference(3.0, 4.0, -0.5, math.log(0.6), math.log(0.8), 900, 100, None)
SLOWER = Difference(4.0, 3.0, 0.5, math.log(1.1), math.log(1.3), 900, 100, None)


def test_a_verdict_of_one_measure():
    assert verdict.of_rate(UP, "completion") == "learned users do better: +5.0 to +15.0 points of completion"
    assert verdict.of_rate(DOWN, "starts") == "learned users do worse: -15.0 to -5.0 points of starts"
    assert verdict.of_rate(UNCLEAR, "reward") == verdict.of_rate(None, "reward") == "no effect shown yet"
    assert verdict.of_time(QUICKER) == "learned users start 20% to 40% sooner"
    assert verdict.of_time(SLOWER) == "learned users start 10% to 30% later"
    assert verdict.of_time(None) == "no effect shown yet"


@pytest.mark.parametrize(
    ("reward", "start", "completion", "time", "says"),
    [
        (None, None, None, None, "no effect shown yet"),
        (UNCLEAR, UP, UP, QUICKER, "no effect shown yet"),
        (UP, UNCLEAR, UNCLEAR, QUICKER, "learned users do better: +5.0 to +15.0 points of reward"),
        (
            UP,
            UNCLEAR,
            UP,
            QUICKER,
            "learned users do better: +5.0 to +15.0 points of reward, +5.0 to +15.0 points of completion",
        ),
        (
            DOWN,
            DOWN,
            DOWN,
            SLOWER,
            (
                "learned users do worse: -15.0 to -5.0 points of reward, -15.0 to -5.0 points of completion, "
                "-15.0 to -5.0 points of starts, starting 10% to 30% later"
            ),
        ),
    ],
)
def test_the_verdict_claims_one_measure_after_the_other_as_long_as_each_is_shown(
    reward, start, completion, time, says
):
    assert verdict.overall(Lift(900, 100, reward, start, completion, time)) == says


def test_without_anybody_there_are_no_outcomes():
    nobody = Lift(0, 0, None, None, None, None)
    assert verdict.overall(nobody) == "no outcomes yet"
    assert verdict.why_not(nobody, 0.05) is None


def test_it_says_why_nothing_can_be_said():
    assert verdict.why_not(Lift(900, 12, None, None, None, None), 0.05) == (
        "the control group has 12 of the 30 users that each group needs"
    )
    assert verdict.why_not(Lift(900, 0, None, None, None, None), 0.0).startswith("there is no control group")
    assert verdict.why_not(Lift(900, 0, None, None, None, None), 0.05).startswith("the control group has 0")
    assert verdict.why_not(Lift(900, 100, UNCLEAR, None, None, None), 0.05) is None


# Days


def measured(days, *, window_ms=DAY_MS, at=100.5):
    return told(
        sums.summed([], Weights(), PUBLISHED),
        days,
        Occasion("now", int(at * DAY_MS), window_ms, 0, 0, 0, 0.05, PUBLISHED, {}),
    ).reporting


def day(decided, reported):
    return Counted(learned=Rate(decided, reported))


def test_rates_are_of_the_days_whose_window_has_passed():
    found = measured({97: day(100, 50), 98: day(100, 60), 99: day(100, 10), 100: day(100, 0)})
    assert (found.all.decided, found.all.reported, found.window_open) == (200, 110, False)
    assert [each.window_open for each in found.by_day] == [False, False, True, True]
    assert found.by_day[0].day == str(np.datetime64(97, "D"))


def test_while_no_day_is_over_they_are_of_all_and_say_so():
    found = measured({99: day(100, 10), 100: day(100, 0)})
    assert (found.all.decided, found.window_open) == (200, True)
    longer = measured({97: day(100, 50)}, window_ms=10 * DAY_MS)
    assert longer.window_open


def test_silence_counts_as_silence_only_when_the_window_has_passed():
    assert [each.code for each in measured({100: day(1000, 10)}).warnings] == []
    assert [each.code for each in measured({90: day(1000, 10)}).warnings] == ["SELDOM_REPORTED"]
