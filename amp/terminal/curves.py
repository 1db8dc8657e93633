"""Curves by interaction in the terminal: Braille dots in colour, letters where there are none."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.text import Text

from amp.learning.types import Floats
from amp.simulate.drawing import TICKS, bounds

WIDTH, HEIGHT = 56, 13
"""Of the field that curves are drawn in, in characters."""
COLOURS = ("blue", "red", "green", "magenta", "yellow", "bright_black", "bright_magenta", "bright_cyan")
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a Braille character, row by row."""
_BRAILLE = 0x2800


class _Grain(NamedTuple):
    """How many points a character has, across and down."""

    across: int
    down: int


class _Curve(NamedTuple):
    name: str
    letter: str
    colour: str
    points: list[tuple[int, int]]
    """Column and row of each, in points from the upper left."""


def curves(drawn: Mapping[str, Floats], console: Console) -> Text:
    """Shares (1 is 100 %) by interaction on a logarithmic axis, named where they end; 80 columns wide."""
    dotted = console.color_system is not None and not console.options.ascii_only
    grain = _Grain(2, 4) if dotted else _Grain(1, 1)
    low, high = bounds(drawn)
    known = [np.flatnonzero(~np.isnan(values)) for values in drawn.values()]
    longest = max((int(each[-1]) + 1 for each in known if each.size), default=1)
    nths = np.geomspace(1.0, longest, WIDTH * grain.across)
    made: list[_Curve] = []
    for number, (name, values) in enumerate(drawn.items()):
        there = known[number]
        if not there.size:
            continue
        heights: Floats = np.interp(nths, there + 1.0, values[there])
        rows = np.rint((high - heights) / (high - low) * (HEIGHT * grain.down - 1)).astype(int)
        points = [
            (column, int(rows[column])) for column in np.flatnonzero(nths <= there[-1] + 1.001).tolist()
        ]
        made.append(_Curve(name, chr(ord("a") + number), COLOURS[number % len(COLOURS)], points))
    return _page(made, grain, (low, high), longest)


def _page(made: list[_Curve], grain: _Grain, span: tuple[float, float], longest: int) -> Text:
    cells = _cells(made, grain)
    labels = _labels(made, grain)
    text = Text()
    low, high = span
    fifths = {
        round((high - fifth / 5) / (high - low) * (HEIGHT - 1)): f"{20 * fifth:>4} % "
        for fifth in range(int(np.ceil(low * 5 - 1e-9)), int(high * 5 + 1e-9) + 1)
    }
    for row in range(HEIGHT):
        text.append(fifths.get(row, " " * 7), style="dim")
        for column in range(WIDTH):
            text.append(*cells.get((column, row), (" ", "")))
        if label := labels.get(row):
            text.append(
                f" {label.name if grain.across > 1 else f'{label.letter} {label.name}'}", label.colour
            )
        text.append("\n")
    axis = [" "] * (WIDTH + 4)
    for tick in (each for each in TICKS if each <= longest):
        place = round(np.log(tick) / np.log(max(longest, 2)) * (WIDTH - 1))
        axis[place : place + len(str(tick))] = str(tick)
    text.append(f"{'':7}{''.join(axis).rstrip()}  interaction\n", style="dim")
    return text


def _cells(made: list[_Curve], grain: _Grain) -> dict[tuple[int, int], tuple[str, str]]:
    """The characters that are not empty, by column and row; where curves meet, the later one's colour."""
    if grain.across == 1:
        return {point: (each.letter, each.colour) for each in made for point in each.points}
    bits: dict[tuple[int, int], int] = {}
    colours: dict[tuple[int, int], str] = {}
    for each in made:
        for x, y in each.points:
            cell = (x // grain.across, y // grain.down)
            bits[cell] = bits.get(cell, 0) | _DOTS[y % grain.down][x % grain.across]
            colours[cell] = each.colour
    return {cell: (chr(_BRAILLE + dots), colours[cell]) for cell, dots in bits.items()}


def _labels(made: list[_Curve], grain: _Grain) -> dict[int, _Curve]:
    """Who ends in which row, or in the free row that is nearest."""
    labels: dict[int, _Curve] = {}
    for each in sorted(made, key=lambda curve: curve.points[-1][1]):
        row = each.points[-1][1] // grain.down
        free = [other for other in range(HEIGHT) if other not in labels]
        if free:
            labels[min(free, key=lambda other: abs(other - row))] = each
    return labels
