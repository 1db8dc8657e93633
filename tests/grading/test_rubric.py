"""From a rubric to frozen criteria, and from marks to one verdict: nothing passes by default."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amp.grading.rubric import CRITERIA_MAX, Judged, blank, for_judge, freeze, merged
from amp.grading.types import Criterion


def names(rubric):
    return [(each.id, each.name, each.check) for each in freeze(rubric)]


PARSED = [
    ("- One\n- Two", [(1, "One", None), (2, "Two", None)]),
    (
        "# Rubric\n\n1. One\n2) Two\n* Three\n+ Four",
        [(n, w, None) for n, w in enumerate(("One", "Two", "Three", "Four"), 1)],
    ),
    ("- [ ] Open\n- [x] Closed", [(1, "Open", None), (2, "Closed", None)]),
    ("- One\n  goes on\n- Two", [(1, "One goes on", None), (2, "Two", None)]),
    ("- One\n    - Inner\n", [(1, "One", None), (2, "Inner", None)]),
    ("No list at all, just words.", [(1, "No list at all, just words.", None)]),
    ("# Title\nWords", [(1, "Title", None)]),
    ("```\n- code, no item\n```\n- Item", [(1, "Item", None)]),
    ("-no space\n--- \n- Item", [(1, "Item", None)]),
    ("- Report is there `check: file_exists report.md`", [(1, "Report is there", "file_exists report.md")]),
    ("- `check: file_exists a.md`", [(1, "file_exists a.md", "file_exists a.md")]),
    ("- Long enough. check: min_words a.md 100", [(1, "Long enough.", "min_words a.md 100")]),
    ("- Please check: the prices are right", [(1, "Please check: the prices are right", None)]),
    (
        "- Has it\n  ```check\n  contains a.md Total: 3\n  ```\n- Two",
        [(1, "Has it", "contains a.md Total: 3"), (2, "Two", None)],
    ),
    ("- Has it\n  ```\n  check: file_exists a.md\n  ```", [(1, "Has it", "file_exists a.md")]),
    ("- Runs\n  ```sh\n  make\n  ```", [(1, "Runs ```sh make ```", None)]),
]


@pytest.mark.parametrize(("rubric", "criteria"), PARSED)
def test_list_items_are_the_criteria_in_their_order(rubric, criteria):
    assert names(rubric) == criteria


@pytest.mark.parametrize(
    "check",
    ["file_exist a.md", "min_words a.md many", "matches a.md (", "file_exists ../a", "contains a.md", ""],
)
def test_a_check_that_cannot_be_read_names_its_criterion(check):
    with pytest.raises(ValueError, match="criterion 2 cannot be read"):
        freeze(f"- One\n- Two `check: {check}`")


def test_a_rubric_of_too_many_items_is_one_criterion():
    assert len(freeze("- x\n" * CRITERIA_MAX)) == CRITERIA_MAX
    assert [each.id for each in freeze("- x\n" * (CRITERIA_MAX + 1))] == [1]


@pytest.mark.parametrize(
    "nothing", ["\xa0", "\u200b", "\x00", "\x1b", "\u2007", "\ufeff", "\u0301", "\u3164"]
)
def test_what_nobody_sees_is_no_criterion(nothing):
    assert blank(nothing)
    assert names(nothing) == [(1, "the rubric", None)]
    assert names(f"- {nothing}\n- Seen{nothing}\n{nothing}")[0][1].startswith("Seen")
    assert names(f"- {nothing}`check: file_exists a.md`") == [(1, "file_exists a.md", "file_exists a.md")]


def test_a_name_holds_nothing_that_a_terminal_obeys():
    assert names("- Red\x1b[31m and\x07 loud") == [(1, "Red [31m and loud", None)]


INVISIBLE = st.text(
    st.characters(categories=["Cc", "Cf", "Mn", "Zs", "Zl", "Zp"]) | st.sampled_from("-*# \n`1.")
)


@given(st.text() | INVISIBLE)
@example("\xa0")
@example("- \u200b")
@example("-  \x00\n1. \u2060")
def test_any_text_has_criteria_numbered_from_one(text):
    try:
        criteria = freeze(text)
    except ValueError:
        return
    assert [each.id for each in criteria] == list(range(1, len(criteria) + 1))
    assert criteria
    assert not any(blank(each.name) for each in criteria)


TWO = [Criterion(1, "One"), Criterion(2, "Two")]


def judged(result="satisfied", passed=None, gaps=None, explanation="Fine."):
    return Judged(result, explanation, passed if passed is not None else {1: True, 2: True}, gaps or {})


def test_satisfied_needs_every_criterion():
    assert merged(TWO, {}, judged()).result == "satisfied"
    partial = merged(TWO, {}, judged(passed={1: True}))
    assert partial.result == "needs_revision"
    assert [mark.passed for mark in partial.marks] == [True, False]
    assert "did not mark" in partial.marks[1].gap
    assert "Two" in partial.explanation
    assert merged(TWO, {}, judged(passed={})).result == "needs_revision"
    assert merged(TWO, {}, judged(passed={1: True, 2: False})).result == "needs_revision"


def test_all_passed_under_another_verdict_is_not_satisfied():
    assert merged(TWO, {}, judged("needs_revision")).result == "needs_revision"
    assert merged(TWO, {}, judged("failed")).result == "failed"


def test_a_failed_check_outweighs_the_judge_and_a_check_that_did_not_run_has_failed():
    criteria = [Criterion(1, "One"), Criterion(2, "There", "file_exists a.md")]
    assert [each.id for each in for_judge(criteria)] == [1]
    assert merged(criteria, {2: ""}, judged(passed={1: True})).result == "satisfied"
    assert merged(criteria, {2: "No."}, judged(passed={1: True, 2: True})).result == "needs_revision"
    assert merged(criteria, {}, judged(passed={1: True, 2: True})).result == "needs_revision"


def test_code_alone_can_decide():
    criteria = [Criterion(1, "There", "file_exists a.md")]
    assert merged(criteria, {1: ""}, None).result == "satisfied"
    assert merged(criteria, {1: "No."}, None).result == "needs_revision"


@given(
    st.sampled_from(["satisfied", "needs_revision", "failed"]),
    st.dictionaries(st.integers(-3, 9), st.booleans()),
    st.dictionaries(st.integers(1, 5), st.sampled_from(["", "gap"])),
    st.sets(st.integers(1, 5)),
)
def test_whatever_is_said_satisfied_means_all_of_them(result, passed, checked, with_check):
    criteria = [Criterion(n, f"c{n}", "file_exists a" if n in with_check else None) for n in range(1, 6)]
    verdict = merged(criteria, checked, judged(result, passed))
    assert [mark.id for mark in verdict.marks] == [1, 2, 3, 4, 5]
    if verdict.result == "satisfied":
        assert result == "satisfied"
        assert all(passed.get(n) is True for n in range(1, 6) if n not in with_check)
        assert all(checked.get(n) == "" for n in with_check)


def test_regular_expressions_of_a_rubric_are_short_together():
    """Each is compiled when the outcome is defined: 200,000 characters took 1.6 s of a worker's loop."""
    pattern = "(?i:[a-z])" * 40
    lines = [f"- x `check: matches a.md {pattern}{number}`" for number in range(60)]
    assert len(freeze("\n".join(lines[:40]))) == 40
    with pytest.raises(ValueError, match="together"):
        freeze("\n".join(lines))
