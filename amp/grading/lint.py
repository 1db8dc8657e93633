"""What is wrong with a rubric before anybody works to it."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from amp.grading.checks import parse
from amp.grading.rubric import CRITERIA_MAX, items_of, split
from amp.grading.types import RUBRIC_LENGTH_MAX

CRITERION_LENGTH_MAX = 400
CRITERIA_MANY = 40


class Finding(NamedTuple):
    """One thing to mend."""

    level: Literal["error", "warning"]
    """An error keeps the rubric from being used, or from ever passing."""
    criterion: int
    """0 is the rubric as a whole."""
    rule: str
    says: str
    do: str


VAGUE = (
    "good", "great", "nice", "bad", "better", "best", "high quality", "high-quality", "quality",
    "appropriate", "appropriately", "reasonable", "reasonably", "adequate", "adequately", "sufficient",
    "sufficiently", "proper", "properly", "correctly", "professional", "professionally", "well-written",
    "well written", "well-structured", "well structured", "robust", "comprehensive", "thorough",
    "thoroughly", "clear", "clearly", "clean", "concise", "as needed", "etc", "and so on", "relevant",
    "useful", "helpful", "solid", "polished", "detailed", "fast",
)  # fmt: skip
UNTESTABLE = (
    "feel", "feels", "looks", "look good", "intuitive", "user-friendly", "user friendly", "elegant",
    "beautiful", "engaging", "delightful", "impressive", "compelling", "easy to use", "modern",
    "pleasant", "seamless", "state of the art", "state-of-the-art", "world-class", "best practices",
    "makes sense", "interesting",
)  # fmt: skip
_EVIDENCE = re.compile(
    r"\d|[\"`“]|\b(?:each|every|all|no|none|only|exactly|at least|at most|contains?|lists?|names?)\b",
    re.IGNORECASE,
)


def lint(rubric: str) -> list[Finding]:
    """Every finding, the rubric's own first, then criterion by criterion."""
    items = items_of(rubric)
    found = list(_whole(rubric, items))
    seen: dict[str, int] = {}
    for number, item in enumerate(items, 1):
        words, check = split(item)
        key = " ".join(item.lower().split())
        if key in seen:
            found.append(_warning(number, "duplicate", f"is the same as criterion {seen[key]}", "drop one"))
        seen.setdefault(key, number)
        found.extend(_checked(number, check) if check is not None else _criterion(number, words))
    return found


def _whole(rubric: str, items: list[str]) -> Iterator[Finding]:
    if not rubric.strip():
        yield Finding(
            "error", 0, "empty", "the rubric is empty", "write what done looks like, a list item each"
        )
    elif not items:
        yield _warning(
            0, "no list items", "the whole rubric is one criterion", "write one list item a criterion"
        )
    if len(rubric) > RUBRIC_LENGTH_MAX:
        yield Finding(
            "error", 0, "too long", f"{len(rubric):,} characters, at most {RUBRIC_LENGTH_MAX:,}", "shorten it"
        )
    if len(items) > CRITERIA_MAX:
        says = f"{len(items):,} list items, so the whole rubric is one criterion"
        yield Finding("error", 0, "too many", says, f"keep to {CRITERIA_MAX}")
    elif len(items) > CRITERIA_MANY:
        yield _warning(0, "many", f"{len(items)} criteria", "graders lose count: merge or drop some")


def _checked(number: int, check: str) -> Iterator[Finding]:
    try:
        parse(check)
    except ValueError as error:
        yield Finding("error", number, "check", f"the check cannot be read: {error}", "mend the check")


def _criterion(number: int, words: str) -> Iterator[Finding]:
    if re.search(r"\bcheck:", words):
        yield Finding(
            "error",
            number,
            "check",
            "reads like a check, and is none",
            "write `check: VERB PATH ...` at its end",
        )
    untestable = _said(UNTESTABLE, words)
    vague = _said(VAGUE, words)
    if untestable:
        yield _warning(
            number,
            "untestable",
            f"nobody can test {_quoted(untestable)}",
            "say what one would see in the work",
        )
    if vague and not _EVIDENCE.search(words):
        yield _warning(
            number,
            "vague",
            f"{_quoted(vague)} means something else to every grader",
            "say how much, where, or which",
        )
    if len(words) > CRITERION_LENGTH_MAX:
        yield _warning(number, "long", f"{len(words)} characters", "split it: one claim a criterion")
    if len(re.findall(r"\b(?:and|as well as)\b", words, re.IGNORECASE)) > 2:
        yield _warning(
            number, "compound", "asks for several things at once", "split it: one claim a criterion"
        )
    if len(words.split()) < 2:
        yield _warning(number, "short", f"{words!r} is one word", "write a sentence that is true or false")


def _said(terms: tuple[str, ...], words: str) -> list[str]:
    low = words.lower()
    return [term for term in terms if re.search(rf"(?<![\w-]){re.escape(term)}(?![\w-])", low)]


def _quoted(terms: list[str]) -> str:
    return ", ".join(f'"{term}"' for term in terms)


def _warning(criterion: int, rule: str, says: str, do: str) -> Finding:
    return Finding("warning", criterion, rule, says, do)
