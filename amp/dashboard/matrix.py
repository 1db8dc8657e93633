"""A mark for every row and column, such as criteria over iterations: a sign as well as a colour."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from amp.dashboard.drawing import chart, element, fitted, percent, text

_HEAD, _ROW, _CELL = 18, 46, 20
_GAP = 0.004


class Mark(NamedTuple):
    """One cell: its colour (good, bad, s1 to s4, quiet), a sign of a character or two, and what it means."""

    kind: str
    sign: str
    told: str


def matrix(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Mark | None]]],
) -> Markup:
    """Rows from top to bottom, each below its label; a cell that is None is empty."""
    width = 1.0 / max(1, len(columns))
    parts = [
        text(column, percent((number + 0.5) * width), 12, "tick", "middle")
        for number, column in enumerate(columns)
    ]
    said: list[str] = []
    for number, (label, marks) in enumerate(rows):
        top = _HEAD + number * _ROW
        parts.append(text(fitted(label, 44), 0, top + 15))
        for column, mark in enumerate(marks):
            if mark is not None:
                parts.append(_cell(mark, column * width, top + 21, width))
        told = ", ".join(
            f"{column} {mark.told}" for column, mark in zip(columns, marks, strict=True) if mark is not None
        )
        said.append(f"{label}: {told or 'nothing yet'}.")
    return chart(name, title, " ".join(said), _HEAD + _ROW * len(rows), parts)


def _cell(mark: Mark, x: float, y: float, width: float) -> Markup:
    box = element(
        "rect",
        element("title", mark.told),
        x=percent(x + _GAP / 2),
        y=y,
        width=percent(width - _GAP),
        height=_CELL,
        rx=3,
        class_=f"cell {mark.kind}",
    )
    return box + text(mark.sign, percent(x + width / 2), y + 14, f"sign {mark.kind}", "middle")
