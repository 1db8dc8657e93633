"""Amounts to compare: bars, parts of a whole, and how many get how far."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from amp.dashboard.drawing import chart, element, labelled, percent, text

_ROW = 36
_PART = 22


class Bar(NamedTuple):
    """One amount, and the words for it; None is not known."""

    label: str
    value: float | None
    told: str
    kind: str = "s1"
    """Its colour: s1 to s4, good, bad or quiet."""


def bars(name: str, title: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars from top to bottom; amounts are not negative."""
    longest = max((row.value or 0.0 for row in rows), default=0.0)
    parts = [
        part
        for number, row in enumerate(rows)
        for part in _bar(row, number * _ROW, (row.value or 0.0) / longest if longest else 0.0)
    ]
    said = " ".join(f"{row.label}: {row.told}." for row in rows)
    return chart(name, title, said, _ROW * len(rows), parts)


def funnel(name: str, title: str, steps: Sequence[Bar]) -> Markup:
    """Bars that are each a part of the one above; beside each is its share of that one, and of which."""
    first = steps[0].value or 0.0
    parts: list[Markup] = []
    said: list[str] = []
    for number, step in enumerate(steps):
        above = steps[number - 1]
        before = above.value if number else None
        share = f"{100 * (step.value or 0.0) / before:.0f}\u202f%" if before else ""
        told = f"{step.told} ({share} of {above.label.lower()})" if share else step.told
        parts += _bar(step._replace(told=told), number * _ROW, (step.value or 0.0) / first if first else 0.0)
        said.append(f"{step.label}: {step.told}" + (f", {share} of the step before." if share else "."))
    return chart(name, title, " ".join(said), _ROW * len(steps), parts)


def composition(name: str, title: str, parts: Sequence[Bar]) -> Markup:
    """One bar of several parts, with what each is below it; parts are not negative."""
    total = sum(part.value or 0.0 for part in parts)
    drawn: list[Markup] = []
    at = 0.0
    for part in parts:
        share = (part.value or 0.0) / total if total else 0.0
        drawn.append(
            element("rect", x=percent(at), y=0, width=percent(share), height=14, class_=f"bar {part.kind}")
        )
        at += share
    for number, part in enumerate(parts):
        y = 34 + number * _PART
        drawn.append(element("rect", x=0, y=y - 10, width=10, height=10, class_=f"bar {part.kind}"))
        drawn += [labelled(part.label, 18, y), text(part.told, "100%", y, "value", "end")]
    said = " ".join(f"{part.label}: {part.told}." for part in parts)
    return chart(name, title, said, 22 + _PART * len(parts), drawn)


def _bar(row: Bar, top: float, share: float) -> Iterator[Markup]:
    yield labelled(row.label, 0, top + 14)
    yield text(row.told, "100%", top + 14, "value", "end")
    yield element("rect", x=0, y=top + 20, width="100%", height=8, rx=2, class_="track")
    if share:
        yield element("rect", x=0, y=top + 20, width=percent(share), height=8, rx=2, class_=f"bar {row.kind}")
