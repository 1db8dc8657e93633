"""A posterior, drawn: an option a line, its expected reward and interval on an axis, beside the crowd's."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from amp.client.types import DimensionPosterior, OptionPosterior
from amp.learning.wire import DimensionReply, OptionReply

Dimensions = Sequence[DimensionReply | DimensionPosterior]
Option = OptionReply | OptionPosterior

WIDTH = 34
INTERVAL_SDS = 1.645
"""Half the width of a 90 % interval, in standard deviations."""


class Glyphs(NamedTuple):
    """What a drawing is made of."""

    leads: str
    low: str
    line: str
    high: str
    crowd: str
    mean: str
    truth: str
    met: str
    bar: str


FINE = Glyphs("▸", "├", "─", "┤", "○", "●", "◆", "◈", "█")
PLAIN = Glyphs(">", "[", "-", "]", "o", "O", "x", "X", "#")


def glyphs(console: Console) -> Glyphs:
    """Those that this console's encoding has."""
    return PLAIN if console.options.ascii_only else FINE


def legend(drawn: Glyphs, *, truth: bool = False) -> Text:
    """What the marks mean."""
    known = f"  {drawn.truth} the truth ({drawn.met} believed)" if truth else ""
    line = f"{drawn.low}{drawn.line}{drawn.mean}{drawn.line}{drawn.high}"
    return Text(f"{line} expected reward, 90 % interval  {drawn.crowd} the crowd's{known}", style="dim")


def drawing(
    dimensions: Dimensions,
    drawn: Glyphs,
    *,
    truth: Sequence[Sequence[float]] | None = None,
    notes: Mapping[str, str] | None = None,
) -> Text:
    """The options of every dimension on one axis of reward, at most 80 columns wide.

    `truth` has one expected reward an option; `notes` says more of a dimension, by its name.
    """
    known = truth or [[None] * len(each.options) for each in dimensions]
    axis = _Axis.around(dimensions, truth or [])
    head = f"{'':24}{axis.low:<{WIDTH - 4}.1f}{axis.high:>4.1f}   user crowd P(best)\n"
    text = Text.assemble((head, "dim"))
    for dimension, truths in zip(dimensions, known, strict=True):
        text.append(dimension.dimension, style="bold")
        text.append(f"  {(notes or {}).get(dimension.dimension, '')}".rstrip() + "\n", style="italic")
        best = max(option.mean for option in dimension.options)
        for option, so in zip(dimension.options, truths, strict=True):
            text.append_text(_line(option, so, axis, drawn, leads=option.mean == best))
    text.right_crop()
    return text


class _Axis(NamedTuple):
    low: float
    high: float

    @classmethod
    def around(cls, dimensions: Dimensions, truth: Sequence[Sequence[float]]) -> "_Axis":
        """Wide enough for every mark, in whole tenths; a reward lies between 0 and 1."""
        options = [option for each in dimensions for option in each.options]
        marks = [option.population_mean for option in options] + [so for truths in truth for so in truths]
        lows = [option.mean - INTERVAL_SDS * option.sd for option in options]
        highs = [option.mean + INTERVAL_SDS * option.sd for option in options]
        low = max(0.0, min(marks + lows) // 0.1 * 0.1)
        return cls(low, max(low + 0.1, min(1.0, -(-max(marks + highs) // 0.1) * 0.1)))

    def place(self, value: float) -> int:
        """The column of a value; one that lies outside is drawn at the edge."""
        share = (value - self.low) / (self.high - self.low)
        return round(min(1.0, max(0.0, share)) * (WIDTH - 1))


def _line(option: Option, so: float | None, axis: _Axis, drawn: Glyphs, *, leads: bool) -> Text:
    text = Text()
    text.append(f"{drawn.leads if leads else ' '} {option.option:<21.21} ", style="bold" if leads else "")
    text.append_text(_bar(option, so, axis, drawn))
    text.append(f"   {option.mean:.2f}  {option.population_mean:.2f} {option.probability_best:>7.0%}\n")
    return text


def _bar(option: Option, so: float | None, axis: _Axis, drawn: Glyphs) -> Text:
    marks = [(" ", "")] * WIDTH
    low, high = (axis.place(option.mean + side * INTERVAL_SDS * option.sd) for side in (-1, 1))
    marks[low : high + 1] = [(drawn.line, "cyan")] * (high + 1 - low)
    marks[low], marks[high] = (drawn.low, "cyan"), (drawn.high, "cyan")
    marks[axis.place(option.population_mean)] = (drawn.crowd, "yellow")
    mean = axis.place(option.mean)
    marks[mean] = (drawn.mean, "bold cyan")
    if so is not None:
        at = axis.place(so)
        marks[at] = (drawn.met if at == mean else drawn.truth, "bold magenta")
    return Text.assemble(
        *(("".join(mark for mark, _ in run), style) for style, run in groupby(marks, itemgetter(1)))
    )
