"""Estimates with their intervals, one below the other on one axis, against a line where nothing differs."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from markupsafe import Markup

from amp.dashboard.drawing import (
    Scale,
    Tell,
    chart,
    element,
    fitted,
    labelled,
    labels_in_lines,
    percent,
    scale_of,
    text,
    told,
)

_ROW, _AXIS = 44, 26
_LINE = 18
_MARGIN = 0.02
_FULL = 41
"""Letters of one row that are well apart at a width of 375."""


class Interval(NamedTuple):
    """One estimate; None where there is none."""

    label: str
    middle: float | None
    low: float | None
    high: float | None
    note: str = ""
    """Beside the label."""
    kind: str = ""
    """Its colour, where it is not that of good, bad or neither: s1 to s4, good, bad or quiet."""
    beside: tuple[float, float, float] | None = None
    """Another estimate to compare it with (middle, low, high), drawn quietly below it."""


def interval_chart(
    name: str,
    title: str,
    rows: Sequence[Interval],
    *,
    tell: Tell,
    zero: float | None = 0.0,
    apart: bool = False,
) -> Markup:
    """Rows from top to bottom. With `zero`, an interval that leaves it out is drawn as good or bad.

    Labels `apart` have a line of their own, for they are long; so have all when a row would be too full.
    """
    held = [end for row in rows for end in _ends(row) if end is not None]
    scale = scale_of([*held, zero] if zero is not None else held, zero=False, margin=_MARGIN)
    apart = apart or any(_is_tight(row, tell) for row in rows)
    names = [labels_in_lines(row.label) if apart else [] for row in rows]
    ends = list(accumulate(_ROW + _LINE * len(lines) for lines in names))
    parts = [*_axis(scale, ends, tell, zero)]
    for row, lines, end in zip(rows, names, ends, strict=True):
        parts += _label(row, lines, end - _ROW)
        parts += _row(row, end - _ROW, scale, tell, zero)
    height = (ends[-1] if ends else 0) + _AXIS
    return chart(name, title, " ".join(_said(row, tell) for row in rows), height, parts)


def _ends(row: Interval) -> tuple[float | None, ...]:
    return row.low, row.middle, row.high, *(row.beside or ())


def _axis(scale: Scale, ends: Sequence[float], tell: Tell, zero: float | None) -> Iterator[Markup]:
    """Lines beside the intervals only: they do not cross the words."""
    ticks = scale.ticks()
    for tick, words in zip(ticks, told(ticks, tell), strict=True):
        x, kind = percent(scale.at(tick)), "zero" if tick == zero else "grid"
        for end in ends:
            yield element("line", x1=x, x2=x, y1=end - 24, y2=end - 6, class_=kind)
        yield text(words, x, (ends[-1] if ends else 0) + 18, "tick", "middle")


def _label(row: Interval, lines: Sequence[str], top: float) -> Iterator[Markup]:
    """`top` is that of the row, above which the lines stand; without lines the label is in it."""
    if lines:
        for number, line in enumerate(lines):
            yield text(line, 0, top + 15 - _LINE * (len(lines) - number))
        yield text(row.note, 0, top + 15, "note")
    elif row.note:
        said = element("tspan", fitted(row.label)) + " " + element("tspan", row.note, class_="note")
        yield element("text", said, x=0, y=top + 15, class_="label")
    else:
        yield labelled(row.label, 0, top + 15)


def _value(middle: float, low: float, high: float, tell: Tell) -> str:
    return f"{tell(middle)} ({tell(low)} to {tell(high)})"


def _is_tight(row: Interval, tell: Tell) -> bool:
    """Whether label, note and value would meet on a phone."""
    if row.middle is None or row.low is None or row.high is None or not row.note:
        return False
    return len(fitted(row.label)) + len(row.note) + len(_value(row.middle, row.low, row.high, tell)) > _FULL


def _row(row: Interval, top: float, scale: Scale, tell: Tell, zero: float | None) -> Iterator[Markup]:
    if row.middle is None or row.low is None or row.high is None:
        yield text("no estimate yet", "100%", top + 15, "note", "end")
        return
    value = _value(row.middle, row.low, row.high, tell)
    yield text(value, "100%", top + 15, "value", "end")
    kind = row.kind or _kind(row.low, row.high, zero)
    if row.beside is None:
        yield from _drawn((row.middle, row.low, row.high), top + 29, scale, kind)
        return
    yield from _drawn(row.beside, top + 34, scale, "quiet", half=3)
    yield from _drawn((row.middle, row.low, row.high), top + 25, scale, kind, half=4)


def _drawn(
    of: tuple[float, float, float], y: float, scale: Scale, kind: str, half: float = 5
) -> Iterator[Markup]:
    """The line with its ends, and the point; `half` of the height of an end."""
    middle, low, high = (percent(scale.at(end)) for end in of)
    yield element("line", x1=low, x2=high, y1=y, y2=y, class_=f"span {kind}")
    for end in (low, high):
        yield element("line", x1=end, x2=end, y1=y - half, y2=y + half, class_=f"end {kind}")
    yield element("circle", cx=middle, cy=y, r=half - 0.5, class_=f"dot {kind}")


def _kind(low: float, high: float, zero: float | None) -> str:
    if zero is None:
        return "s1"
    return "good" if low > zero else "bad" if high < zero else "quiet"


def _said(row: Interval, tell: Tell) -> str:
    if row.middle is None or row.low is None or row.high is None:
        return f"{row.label}: no estimate yet."
    said = f"{row.label}: {tell(row.middle)}, between {tell(row.low)} and {tell(row.high)}"
    if row.beside is None:
        return said + "."
    middle, low, high = map(tell, row.beside)
    return f"{said}; beside it {middle}, between {low} and {high}."
