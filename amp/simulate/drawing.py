"""Curves by interaction as SVG, which shows itself in light and in dark, and as PNG.

The axis of interactions is logarithmic: the first five matter as much as the last hundred.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import NamedTuple

import numpy as np

from amp.exits import CommandFailed
from amp.learning.types import Floats

WIDTH, HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 160, 46, 54
_LINE = 17
"""Between two entries of the legend."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#7f7f7f", "#8a63d2", "#2fa4c7")
"""Told apart on white and on black, and by most who see colours differently (after Okabe and Ito)."""
TICKS = (1, 2, 5, 10, 20, 50, 100, 200)
_STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#1f2328}"
    ".head{font-size:15px;font-weight:600}.page{fill:#fff}.grid{stroke:#d0d7de}.quiet{fill:#59636e}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}"
    ".grid{stroke:#30363d}.quiet{fill:#9198a1}}"
)


class _Frame(NamedTuple):
    """Where numbers lie on the page."""

    longest: int
    low: float
    high: float

    def x(self, nth: float) -> float:
        return _LEFT + float(np.log(nth) / np.log(max(self.longest, 2))) * (WIDTH - _LEFT - _RIGHT)

    def y(self, share: float) -> float:
        return HEIGHT - _BOTTOM - (share - self.low) / (self.high - self.low) * (HEIGHT - _TOP - _BOTTOM)


def bounds(curves: Mapping[str, Floats]) -> tuple[float, float]:
    """Tenths that hold every value, and 0 and 1 at least."""
    values = np.concatenate([np.array([0.0, 1.0]), *curves.values()])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return float(np.floor(low * 10 + 1e-9)) / 10, float(np.ceil(high * 10 - 1e-9)) / 10


def svg(title: str, curves: Mapping[str, Floats]) -> str:
    """A drawing of shares (1 is 100 %) by interaction, one curve a name; nan is not drawn."""
    drawn = {name: curve for name, curve in curves.items() if not np.isnan(curve).all()}
    last = [int(np.flatnonzero(~np.isnan(curve))[-1]) + 1 for curve in drawn.values()]
    frame = _Frame(max(last, default=1), *bounds(drawn))
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="{escape(title)}"><style>{_STYLE}</style>'
    )
    parts = [
        opening,
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="head" x="{_LEFT}" y="27">{escape(title)}</text>',
        *_axes(frame),
        *_curves(frame, drawn),
    ]
    return "\n".join([*parts, "</svg>\n"])


def _axes(frame: _Frame) -> Iterator[str]:
    for fifth in range(int(np.ceil(frame.low * 5 - 1e-9)), int(frame.high * 5 + 1e-9) + 1):
        y = frame.y(fifth / 5)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="quiet" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{20 * fifth} %</text>'
    for nth in (tick for tick in TICKS if tick <= frame.longest):
        x, y = frame.x(nth), HEIGHT - _BOTTOM
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 5}"/>'
        yield f'<text class="quiet" x="{x:.1f}" y="{y + 19}" text-anchor="middle">{nth}</text>'
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    yield (
        f'<text class="quiet" x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">'
        "interaction of a user (logarithmic)</text>"
    )


def _curves(frame: _Frame, curves: Mapping[str, Floats]) -> Iterator[str]:
    ends: list[tuple[float, str, str]] = []
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        dashes = "" if number < len(COLOURS) else ' stroke-dasharray="6 3"'
        known = np.flatnonzero(~np.isnan(curve)).tolist()
        points = " ".join(f"{frame.x(nth + 1):.1f},{frame.y(float(curve[nth])):.1f}" for nth in known)
        yield (
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-linejoin="round"{dashes}><title>{escape(name)}</title></polyline>'
        )
        ends.append((frame.y(float(curve[known[-1]])), name, colour))
    x = WIDTH - _RIGHT + 8
    for (_, name, colour), y in zip(sorted(ends), _apart([y for y, *_ in sorted(ends)]), strict=True):
        yield f'<line x1="{x}" x2="{x + 14}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="{x + 20}" y="{y + 4:.1f}">{escape(name)}</text>'


def _apart(places: list[float]) -> list[float]:
    """Ascending places, moved as little as it takes to stand a line apart and on the page."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + _LINE) if moved else max(place, float(_TOP)))
    lowest = float(HEIGHT - _BOTTOM)
    for index in range(len(moved) - 1, -1, -1):
        moved[index] = min(moved[index], lowest)
        lowest = moved[index] - _LINE
    return moved


def png(drawing: str) -> bytes:
    """The drawing as pixels, in light, two for each of its own.

    Raises:
        CommandFailed: the extra `plot` is not installed.
    """
    try:
        import resvg_py  # noqa: PLC0415  an extra
    except ImportError:
        raise CommandFailed(
            "A PNG needs the extra `plot`: pip install 'amp[plot]'. An .svg needs nothing."
        ) from None
    return bytes(resvg_py.svg_to_bytes(svg_string=drawing, zoom=2))
