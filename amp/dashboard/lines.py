"""Values over time: lines with a band around them, and small ones without words."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from markupsafe import Markup

from amp.dashboard.drawing import Scale, Tell, chart, element, percent, scale_of, text, told

_TOP, _BOTTOM = 18, 22
_GRID = 1000
"""Units of the plot in both directions; it is stretched to its place, and its strokes are not."""
_LABELS_MAX, _LONG_LABELS_MAX, _LONG = 5, 3, 7
"""Labels that have room on a phone; fewer if one has more letters than that."""

Value = TypeVar("Value")


class Series(NamedTuple):
    """One line; None is a gap. `low` and `high` are its band, if it has one."""

    name: str
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


def line_chart(
    name: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    tell: Tell,
    zero: bool = True,
    height: float = 200,
) -> Markup:
    """Lines over the same places, from left to right; with a legend when there are several."""
    known = [value for each in series for part in each[1:] for value in part if value is not None]
    scale = scale_of(known, zero=zero)
    plot = height - _TOP - _BOTTOM
    lines = [*_grid(scale, plot), _plot(series, scale, plot), *_dots(series, scale, plot)]
    parts = [*lines, *_words(labels, scale, plot, tell)]
    drawn = chart(name, title, _said(labels, series, tell), height, parts)
    return (legend([each.name for each in series]) if len(series) > 1 else Markup("")) + drawn


def legend(names: Sequence[str]) -> Markup:
    """Which colour is what."""
    items = [
        element("li", element("span", class_=f"key s{number}", aria_hidden="true") + Markup(" ") + each)
        for number, each in enumerate(names, 1)
    ]
    return element("ul", Markup("").join(items), class_="legend")


def _grid(scale: Scale, plot: float) -> Iterator[Markup]:
    for tick in scale.ticks():
        y = _TOP + (1.0 - scale.at(tick)) * plot
        yield element("line", x1=0, x2="100%", y1=y, y2=y, class_="axis" if tick == scale.low else "grid")


def _words(labels: Sequence[str], scale: Scale, plot: float, tell: Tell) -> Iterator[Markup]:
    """Of both axes; they come last, for no line is to cross them."""
    ticks = scale.ticks()
    for tick, words in zip(ticks, told(ticks, tell), strict=True):
        yield text(words, 0, _TOP + (1.0 - scale.at(tick)) * plot - 4, "tick")
    most = _LONG_LABELS_MAX if max(map(len, labels), default=0) > _LONG else _LABELS_MAX
    steps = max(1, -(-(len(labels) - 1) // (most - 1)))
    shown = range(0, len(labels), steps)
    for index in shown:
        anchor = "start" if index == 0 else "end" if index == len(labels) - 1 else "middle"
        yield text(labels[index], percent(_place(index, len(labels))), _TOP + plot + 16, "tick", anchor)


def _plot(series: Sequence[Series], scale: Scale, plot: float) -> Markup:
    drawn = [part for number, each in enumerate(series, 1) for part in _curves(number, each, scale)]
    return element(
        "svg",
        Markup("").join(drawn),
        x=0,
        y=_TOP,
        width="100%",
        height=plot,
        viewBox=f"0 0 {_GRID} {_GRID}",
        preserveAspectRatio="none",
        class_="plot",
    )


def _curves(number: int, series: Series, scale: Scale) -> Iterator[Markup]:
    if series.low and series.high:
        ends = zip(series.low, series.high, strict=True)
        for run in _runs([None if low is None or high is None else (low, high) for low, high in ends]):
            there = [_point(index, len(series.low), high, scale) for index, (_, high) in run]
            back = [_point(index, len(series.low), low, scale) for index, (low, _) in reversed(run)]
            yield element("path", d="M" + "L".join(there + back) + "Z", class_=f"band s{number}")
    for run in _runs(list(series.values)):
        if len(run) > 1:
            points = [_point(index, len(series.values), value, scale) for index, value in run]
            yield element(
                "path", d="M" + "L".join(points), class_=f"line s{number}", vector_effect="non-scaling-stroke"
            )


def _dots(series: Sequence[Series], scale: Scale, plot: float) -> Iterator[Markup]:
    """Where a line would be too short to be seen, and where it ends."""
    for number, each in enumerate(series, 1):
        for run in _runs(list(each.values)):
            index, value = run[-1]
            last = index == len(each.values) - 1
            if len(run) == 1 or last:
                x = _place(index, len(each.values))
                y = _TOP + (1.0 - scale.at(value)) * plot
                yield element("circle", cx=percent(x), cy=y, r=3, class_=f"dot s{number}")


def _runs(values: Sequence[Value | None]) -> list[list[tuple[int, Value]]]:
    """Values without a gap between them, each with its place."""
    found: list[list[tuple[int, Value]]] = []
    gap = True
    for index, value in enumerate(values):
        if value is not None:
            if gap:
                found.append([])
            found[-1].append((index, value))
        gap = value is None
    return found


def _place(index: int, of: int) -> float:
    return index / (of - 1) if of > 1 else 0.5


def _point(index: int, of: int, value: float, scale: Scale) -> str:
    return f"{_place(index, of) * _GRID:.1f} {(1.0 - scale.at(value)) * _GRID:.1f}"


def _said(labels: Sequence[str], series: Sequence[Series], tell: Tell) -> str:
    heard: list[str] = []
    for each in series:
        known = [
            (label, value) for label, value in zip(labels, each.values, strict=True) if value is not None
        ]
        if known:
            (first, begin), (last, end) = known[0], known[-1]
            heard.append(f"{each.name}: {tell(begin)} on {first}, {tell(end)} on {last}.")
        else:
            heard.append(f"{each.name}: nothing known.")
    return " ".join(heard)
