"""What every chart is made of: SVG elements, scales, a title and a description.

Charts have no width of their own: horizontal places are percentages, so text keeps its size at any width.
Colours are classes (`s1` to `s4`, `good`, `bad`, `quiet`), which styles turn into light or dark ones.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

Tell = Callable[[float], str]
"""A value as people read it."""
_WHOLE = re.compile(r"\.0+(?!\d)")


def element(tag: str, text: str | Markup | None = None, **attributes: str | float) -> Markup:
    """`<tag attributes>text</tag>`, all of it escaped; `class_` is class, `a_b` is a-b."""
    said = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for name, value in attributes.items()
    )
    # every part is escaped above, or is markup that was made here
    return Markup(f"<{tag}{said}>{'' if text is None else escape(text)}</{tag}>")  # noqa: S704  see above


def chart(name: str, title: str, said: str, height: float, parts: Iterable[Markup]) -> Markup:
    """A drawing as wide as its place; `name` is its id on the page, `said` what who cannot see it hears."""
    head = element("title", title, id=f"{name}-title") + element("desc", said, id=f"{name}-said")
    return element(
        "svg",
        head + Markup("").join(parts),
        id=name,
        class_="chart",
        width="100%",
        height=height,
        role="img",
        aria_labelledby=f"{name}-title {name}-said",
    )


def text(said: str, x: str | float, y: float, kind: str = "", anchor: str = "start") -> Markup:
    """A line of text; `y` is where it stands on."""
    return element("text", said, x=x, y=y, class_=kind or "label", text_anchor=anchor)


def labelled(label: str, x: float, y: float) -> Markup:
    """The label of an amount, cut to its place; a pointer on it is told all of it."""
    said = fitted(label)
    whole = element("title", label) if said != label else Markup("")
    return element("text", whole + said, x=x, y=y, class_="label", text_anchor="start")


def labels_in_lines(label: str, letters: int = 44) -> list[str]:
    """As many lines as it takes, broken after a `/`; a part that is longer than a line is cut."""
    lines = [""]
    for part in re.findall(r"[^/]*/|[^/]+", label):
        if lines[-1] and len(lines[-1] + part) > letters:
            lines.append("")
        lines[-1] += part
    return [fitted(line, letters) for line in lines]


def fitted(label: str, letters: int = 26) -> str:
    """Cut to what has room beside a value on a phone; the description says all of it."""
    return label if len(label) <= letters else label[: letters - 1].rstrip() + "…"


def percent(share: float) -> str:
    """Of the width; 0 to 1."""
    return f"{100 * share:.2f}%"


class Scale(NamedTuple):
    """From values to shares of a length."""

    low: float
    high: float
    margin: float = 0.0
    """Kept free at both ends."""

    def at(self, value: float) -> float:
        inside = (value - self.low) / (self.high - self.low)
        return self.margin + min(1.0, max(0.0, inside)) * (1.0 - 2.0 * self.margin)

    def ticks(self, about: int = 4) -> list[float]:
        """Round values, some `about` of them."""
        step = round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def told(ticks: Sequence[float], tell: Tell) -> list[str]:
    """Ticks in words, without the decimals that none of them needs."""
    words = [tell(tick) for tick in ticks]
    if all("." not in word or _WHOLE.search(word) for word in words):
        words = [_WHOLE.sub("", word) for word in words]
    return [word.lstrip("+") if tick == 0.0 else word for tick, word in zip(ticks, words, strict=True)]


def scale_of(values: Sequence[float], *, zero: bool = True, margin: float = 0.0) -> Scale:
    """One that holds all values, and 0 if it is to; its ends are round."""
    held = [*values, 0.0] if zero or not values else list(values)
    low, high = min(held), max(held)
    if high - low < 1e-12:
        high = low + (abs(low) or 1.0)
    step = round_step((high - low) / 4)
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, margin)


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, ... times a power of ten that is no less."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
