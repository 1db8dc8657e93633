"""From a rubric's text to frozen criteria, and from what a grading says of them to one verdict.

A criterion is a list item of the rubric, numbered in order; without a list item the whole rubric is criterion
1. Nothing passes by default: a criterion that nobody marked as passed is a gap.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from amp.grading.checks import VERBS, Check, parse
from amp.grading.types import Criterion, Mark, Usage

CRITERIA_MAX = 500
"""Of a rubric with more list items the whole is one criterion."""
NAME_LENGTH_MAX = 300
PATTERNS_LENGTH_MAX = 20_000
"""Of all regular expressions: so many are compiled in a sixth of a second."""
GAP_LENGTH_MAX, EXPLANATION_LENGTH_MAX = 4_000, 65_536
"""A judge that says more is cut: each write of a session carries what its gradings said."""

Judgement = Literal["satisfied", "needs_revision", "failed"]

_ITEM = re.compile(r"^\s{0,12}(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]?\]\s+)?(?P<text>\S.*)$")
_FENCE = re.compile(r"^\s*(?P<marks>`{3,}|~{3,})(?P<info>.*)$")
_INLINE = re.compile(r"`check:(?P<check>[^`]*)`[\s.]*$")
_BARE = re.compile(rf"(?:^|\s)check:\s*(?P<check>(?:{'|'.join(VERBS)})\b.*)$")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"})
"""Kinds of characters that leave no mark of their own: controls, zero widths, accents of nothing, spaces."""
_UNSEEN_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Fillers, and the Braille pattern without a dot: by their kind they are letters and symbols."""


class Verdict(NamedTuple):
    """What one grading comes to."""

    result: Judgement
    explanation: str
    marks: Sequence[Mark]
    usage: Usage = Usage()


class Judged(NamedTuple):
    """What a judge said of the criteria that it was given."""

    result: Judgement
    explanation: str
    passed: dict[int, bool]
    gaps: dict[int, str]
    usage: Usage = Usage()


def freeze(rubric: str) -> list[Criterion]:
    """The numbered criteria of a rubric.

    Raises:
        ValueError: a check cannot be read, which the message names, or there are too long patterns.
    """
    items = items_of(rubric)
    if not items or len(items) > CRITERIA_MAX:
        return [Criterion(1, _whole(rubric))]
    criteria: list[Criterion] = []
    left = PATTERNS_LENGTH_MAX
    for number, item in enumerate(items, 1):
        name, check = split(item)
        if check is not None:
            try:
                left -= _pattern_length(parse(check))
            except ValueError as error:
                raise ValueError(f"the check of criterion {number} cannot be read: {error}") from error
            if left < 0:
                raise ValueError(
                    f"its regular expressions have at most {PATTERNS_LENGTH_MAX:,} characters together"
                )
        criteria.append(Criterion(number, _short(name), check))
    return criteria


def _pattern_length(check: Check) -> int:
    return len(check.rest) if check.verb == "matches" else 0


def items_of(rubric: str) -> list[str]:
    """The list items with their continuation lines; a fenced block belongs to the item above it."""
    items: list[list[str]] = []
    fence, within = "", False
    for line in rubric.splitlines():
        edge = _FENCE.match(line)
        if fence:
            fence = "" if edge and edge["marks"].startswith(fence) and not edge["info"].strip() else fence
        elif edge:
            fence = edge["marks"]
        elif item := _ITEM.match(line):
            items.append([item["text"]])
            within = True
            continue
        elif not line.strip():
            continue
        within = within and (bool(edge) or bool(fence) or line[:1].isspace())
        if within:
            items[-1].append(line.strip())
    return [text for text in ("\n".join(lines) for lines in items) if not blank(text)]


def blank(text: str) -> bool:
    """Whether a reader would see nothing."""
    return all(letter in _UNSEEN_LETTERS or unicodedata.category(letter) in _UNSEEN for letter in text)


def split(item: str) -> tuple[str, str | None]:
    """An item's words, and the check that it ends in, if any."""
    fenced = _fenced(item)
    if fenced is not None:
        return fenced
    for pattern in (_INLINE, _BARE):
        if found := pattern.search(item):
            check = found["check"].strip()
            return _words(item[: found.start()], check), check
    return item, None


def _fenced(item: str) -> tuple[str, str] | None:
    lines = item.splitlines()
    edges = [number for number, line in enumerate(lines) if _FENCE.match(line)]
    if len(edges) < 2 or edges[-1] != len(lines) - 1:
        return None
    opening = _FENCE.match(lines[edges[-2]])
    assert opening, "an edge is a fence"
    body = " ".join(line for line in lines[edges[-2] + 1 : -1] if line)
    told = opening["info"].strip().rstrip(":") == "check"
    if not told and not body.startswith("check:"):
        return None
    check = body.removeprefix("check:").strip()
    return _words("\n".join(lines[: edges[-2]]), check), check


def _words(before: str, check: str) -> str:
    words = before.strip().rstrip(":-(\u2013\u2014").strip()
    return check if blank(words) else words


def _whole(rubric: str) -> str:
    lines = (line.strip(" #*") for line in rubric.splitlines())
    return _short(next((line for line in lines if not blank(line)), "the rubric"))


def _short(name: str) -> str:
    """In one line, without control characters, which a terminal might obey."""
    line = " ".join("".join(" " if unicodedata.category(each) == "Cc" else each for each in name).split())
    return _cut(line, NAME_LENGTH_MAX)


def for_judge(criteria: Sequence[Criterion]) -> list[Criterion]:
    """Those that no code decides."""
    return [each for each in criteria if each.check is None]


def merged(criteria: Sequence[Criterion], checked: dict[int, str], judged: Judged | None) -> Verdict:
    """The verdict on all criteria.

    `checked` has the gap of every criterion that code decided, empty when it passed. `judged` is None when
    code decided them all.
    """
    marks = [_mark(each, checked, judged) for each in criteria]
    usage = judged.usage if judged else Usage()
    if judged and judged.result == "failed":
        return Verdict("failed", _cut(judged.explanation, EXPLANATION_LENGTH_MAX), marks, usage)
    open_ = [each for each in marks if not each.passed]
    claims = judged.result if judged else "satisfied"
    if marks and not open_ and claims == "satisfied":
        return Verdict("satisfied", _cut(_explained(judged, marks), EXPLANATION_LENGTH_MAX), marks, usage)
    return Verdict("needs_revision", _cut(_gaps_told(judged, open_), EXPLANATION_LENGTH_MAX), marks, usage)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _mark(each: Criterion, checked: dict[int, str], judged: Judged | None) -> Mark:
    if each.check is not None:
        gap = checked.get(each.id, "The check did not run.")
        return Mark(each.id, each.name, not gap, _cut(gap, GAP_LENGTH_MAX))
    if judged is None or each.id not in judged.passed:
        return Mark(each.id, each.name, False, "The grader did not mark this criterion.")
    passed = judged.passed[each.id]
    gap = "" if passed else judged.gaps.get(each.id) or "The grader named no gap."
    return Mark(each.id, each.name, passed, _cut(gap, GAP_LENGTH_MAX))


def _explained(judged: Judged | None, marks: Sequence[Mark]) -> str:
    met = f"All {len(marks)} criteria met." if len(marks) > 1 else "The criterion is met."
    return judged.explanation if judged and judged.explanation else met


def _gaps_told(judged: Judged | None, open_: Iterable[Mark]) -> str:
    """The judge's words, and every gap that they may have left out."""
    gaps = "\n".join(f"{each.id}. {each.name}: {each.gap}" for each in open_)
    words = judged.explanation if judged else ""
    if judged and judged.result == "satisfied" and gaps:
        words = "The grader called it satisfied, but not every criterion is marked as passed."
    return "\n".join(part for part in (words, gaps) if part)


def gaps(marks: Iterable[Mark]) -> list[Mark]:
    """What is still missing."""
    return [each for each in marks if not each.passed]
