"""Warnings on counts: each when it is due, and not when it is not."""

import pytest

from amp.learning.reporting import Counted, Rate, together, warnings
from amp.learning.sums import Reports

FINE = Reports(number=1000, negative=300, completed=600, too_soon=0)
NONE = Counted()


def codes(counted=NONE, *, closed=NONE, reports=FINE, rewards=None):
    return [each.code for each in warnings(counted, closed, reports, rewards or {})]


def test_without_anything_there_is_nothing_to_say():
    assert codes(reports=Reports()) == []
    assert codes() == []


@pytest.mark.parametrize(
    ("learned", "control", "due"),
    [
        (Rate(10_000, 6_000), Rate(1_000, 500), True),
        (Rate(10_000, 5_000), Rate(1_000, 600), True),
        (Rate(10_000, 6_000), Rate(1_000, 560), False),  # 4 points: too little to matter
        (Rate(100, 60), Rate(100, 50), False),  # 10 points: but chance alone does that
        (Rate(10_000, 6_000), Rate(0, 0), False),
    ],
)
def test_groups_that_report_differently_are_told(learned, control, due):
    assert codes(Counted(learned, control)) == ["REPORTING_DIFFERS_BY_GROUP"] * due


def options(*rates, decided=2_000):
    shown = {name: Rate(decided, round(decided * rate)) for name, rate in zip("abcd", rates, strict=True)}
    return Counted(options={"tone": shown})


REWARDS = {"tone": {"a": 0.3, "b": 0.4, "c": 0.5, "d": 0.6}}


@pytest.mark.parametrize(
    ("rates", "due"),
    [
        ((0.4, 0.5, 0.6, 0.7), True),
        ((0.7, 0.6, 0.5, 0.4), True),
        ((0.5, 0.5, 0.5, 0.5), False),
        ((0.5, 0.52, 0.54, 0.56), False),  # 6 points from end to end
        ((0.4, 0.6, 0.6, 0.4), False),  # options differ, but not by how well they do
    ],
)
def test_reporting_that_goes_with_the_result_is_told(rates, due):
    assert codes(options(*rates), rewards=REWARDS) == ["REPORTING_DEPENDS_ON_RESULT"] * due


def test_few_decisions_prove_no_dependence():
    assert codes(options(0.4, 0.5, 0.6, 0.7, decided=40), rewards=REWARDS) == []


def test_the_slope_on_paper():
    """Two options of 100 decisions, rewards 0.4 and 0.6, reported 20 % and 80 %: slope 3, its error 0.354."""
    shown = {"a": Rate(100, 20), "b": Rate(100, 80)}
    (told,) = warnings(Counted(options={"tone": shown}), NONE, FINE, {"tone": {"a": 0.4, "b": 0.6}})
    assert "60% of decisions apart" in told.says
    assert "does better, outcomes are reported more often" in told.says
    assert codes(Counted(options={"tone": shown}), rewards={"tone": {"a": 0.4, "b": 0.4}}) == []
    assert codes(Counted(options={"tone": shown}), rewards={"tone": {"a": 0.4}}) == []


@pytest.mark.parametrize(
    ("completed", "too_soon", "due"), [(100, 30, True), (100, 29, False), (150, 30, False), (149, 30, True)]
)
def test_completions_sooner_than_anyone_could_act_are_told(completed, too_soon, due):
    reports = Reports(number=400, negative=200, completed=completed, too_soon=too_soon)
    assert codes(reports=reports) == ["COMPLETED_TOO_SOON"] * due


@pytest.mark.parametrize(("number", "negative", "due"), [(50, 0, True), (49, 0, False), (5000, 1, False)])
def test_reports_that_are_never_negative_are_told(number, negative, due):
    assert codes(reports=Reports(number, negative, completed=number)) == ["NEVER_NEGATIVE"] * due


@pytest.mark.parametrize(
    ("closed", "due"), [(Rate(200, 39), True), (Rate(200, 40), False), (Rate(199, 0), False)]
)
def test_seldom_reported_is_told_of_days_that_are_over(closed, due):
    assert codes(closed=Counted(learned=closed)) == ["SELDOM_REPORTED"] * due
    assert codes(Counted(learned=closed)) == []


def test_every_warning_says_what_to_do():
    told = warnings(
        options(0.4, 0.5, 0.6, 0.7)._replace(learned=Rate(1000, 900), control=Rate(1000, 100)),
        Counted(learned=Rate(1000, 10)),
        Reports(number=100, negative=0, completed=100, too_soon=100),
        REWARDS,
    )
    assert len({each.code for each in told}) == 5
    for each in told:
        assert each.says.endswith(".")
        assert each.do.endswith(".")


def test_days_add_up():
    day = Counted(Rate(3, 1), Rate(2, 2), {"tone": {"a": Rate(5, 3)}})
    other = Counted(
        Rate(1, 1), Rate(0, 0), {"tone": {"b": Rate(1, 1), "a": Rate(1, 0)}, "size": {"c": Rate(2, 0)}}
    )
    assert together([day, other]) == Counted(
        Rate(4, 2), Rate(2, 2), {"tone": {"a": Rate(6, 3), "b": Rate(1, 1)}, "size": {"c": Rate(2, 0)}}
    )
    assert together([]) == Counted()
    assert Rate(0, 0).rate is None
    assert Rate(4, 3).rate == 0.75
    assert Rate(1, 2).rate == 1.0, "a killed worker's decisions may be missing"
