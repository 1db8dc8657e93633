"""Numbers and times as people read them; every page says them the same way. What nobody knows is a dash."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

NOTHING = "–"
MINUS = "−"
Number = int | float | Decimal


def count(value: Number | None) -> str:
    """1234567 is 1,234,567."""
    return NOTHING if value is None else _signed(f"{value:,.0f}")


def percent(share: float | None, digits: int = 1) -> str:
    """0.4567 is 45.7 %; what is not all of it is never 100.0 %, however near."""
    if share is None:
        return NOTHING
    told = f"{100 * share:,.{digits}f}"
    if digits and share < 1 and float(told) == 100:
        told = f"{100 - 10**-digits:.{digits}f}"
    return _signed(f"{told}\u202f%")


def points(difference: float | None) -> str:
    """0.033 is +3.3: points of a hundred."""
    return NOTHING if difference is None else _signed(f"{100 * difference:+.1f}")


def change(relative: float | None) -> str:
    """-0.2 is −20 %."""
    return NOTHING if relative is None else _signed(f"{100 * relative:+.0f}\u202f%")


def ratio(value: float | None) -> str:
    """3.4156 is 3.42×, 34.156 is 34.2×."""
    return (
        NOTHING
        if value is None
        else _signed(f"{value:,.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}×")
    )


def money(amount: Number | None, currency: str | None = None) -> str:
    """1234.5 is 1,234.50, with its currency if there is one; below a cent with as many digits as it takes."""
    if amount is None:
        return NOTHING
    exact = Decimal(str(amount))
    digits = 2 if not exact or abs(exact) >= Decimal("0.01") else min(9, 1 - exact.adjusted())
    return _signed(f"{exact:,.{digits}f}") + (f"\u202f{currency}" if currency else "")


def amount(value: Number | None) -> str:
    """1234567 is 1.2M: for an axis."""
    if value is None:
        return NOTHING
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return _signed(f"{float(value) / size:,.1f}{letter}")
    return _signed(f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}")


def moment(at: str | None) -> Markup | str:
    """An ISO time in UTC, as a `time` element."""
    if not at:
        return NOTHING
    when = datetime.fromisoformat(at)
    return Markup('<time datetime="{}">{}</time>').format(at, f"{when.day} {when:%b %Y, %H:%M} UTC")


def day(date: str | None) -> str:
    """2026-11-05 is 5 Nov."""
    if not date:
        return NOTHING
    when = datetime.fromisoformat(date)
    return f"{when.day} {when:%b}"


def seconds(value: float | None) -> str:
    """310.2 is 310 s, 1623 is 27 min, 5400 is 1.5 h."""
    if value is None:
        return NOTHING
    for unit, length in (("d", 86_400), ("h", 3_600)):
        if value >= length:
            return f"{value / length:.1f}\u202f{unit}"
    if value >= 600:
        return f"{value / 60:.0f}\u202fmin"
    return f"{value:.0f}\u202fs" if value >= 10 else f"{value:.1f}\u202fs"


def reward(value: float | None) -> str:
    """0.7123 is 0.71: rewards lie between 0 and 1."""
    return NOTHING if value is None else _signed(f"{value:.2f}")


def plain(name: str | None) -> str:
    """cold_start is cold start."""
    return (name or NOTHING).replace("_", " ")


def breakable(name: str) -> Markup:
    """An approach's name, which may go on in a new line after each option."""
    return escape(name).replace("/", Markup("/<wbr>"))


def wordwise(name: str) -> Markup:
    """A name in a narrow place, which goes on in a new line between its words and not within one."""
    return escape(name).replace("_", Markup("_<wbr>"))


def size(value: int | None) -> str:
    """1536 is 1.5 KiB."""
    if value is None:
        return NOTHING
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= length:
            return f"{value / length:.1f}\u202f{unit}"
    if value >= 600:
        return f"{value / 60:.0f}\u202fmin"
    return f"{value}\u202fB"


def sentence(text: str | None) -> str:
    """With a capital and a full stop."""
    said = (text or "").strip()
    return said[:1].upper() + said[1:] + ("" if not said or said[-1] in ".!?" else ".")


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "count": count,
    "percent": percent,
    "points": points,
    "change": change,
    "ratio": ratio,
    "money": money,
    "amount": amount,
    "moment": moment,
    "day": day,
    "seconds": seconds,
    "size": size,
    "sentence": sentence,
    "reward": reward,
    "plain": plain,
    "breakable": breakable,
    "wordwise": wordwise,
}
