"""A rubric is read before anybody works to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.grading.lint import lint
from amp.grading.rubric import CRITERIA_MAX


def rules(rubric):
    return [(each.criterion, each.rule) for each in lint(rubric)]


FINE = [
    "- It names three rivals",
    "- The table has a numeric price column `check: csv_column costs.csv price numeric`",
    "- Every section has a clear heading of at most 8 words",
]


@pytest.mark.parametrize("rubric", FINE)
def test_a_criterion_that_can_be_tested_is_left_alone(rubric):
    assert rules(rubric) == []


FOUND = [
    ("", (0, "empty")),
    ("Just words.", (0, "no list items")),
    ("- x\n" * (CRITERIA_MAX + 1), (0, "too many")),
    ("- The report is professional", (1, "vague")),
    ("- It names three rivals\n- The page looks modern", (2, "untestable")),
    ("- It is there `check: file_exist a.md`", (1, "check")),
    ("- Matches `check: matches a.md (`", (1, "check")),
    ("- check: everything is there", (1, "check")),
    ("- It names three rivals\n- It names three rivals", (2, "duplicate")),
    ("- Done", (1, "short")),
    ("- It has a title and a sum and a date and a name", (1, "compound")),
]


@pytest.mark.parametrize(("rubric", "finding"), FOUND)
def test_what_graders_stumble_over_is_named(rubric, finding):
    assert finding in rules(rubric)


@given(st.text())
def test_any_text_is_linted(text):
    assert all(each.says and each.do for each in lint(text))
