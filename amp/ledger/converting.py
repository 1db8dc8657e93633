"""Sums of several days in one currency, by the rates of each day's end."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache

from amp.ledger.cells import COST_LETTERS, DAY_MS, Sums, add, together
from amp.ledger.grouping import Days
from amp.ledger.pricing import Rates


def total(days: Days, currency: str | None, rates: Rates) -> tuple[Sums, set[str]]:
    """The sums of all days, converted by each day's rates; and the currencies that had no rate."""
    if currency is None:
        return (next(iter(days.values())) if len(days) == 1 else together(days.values())), set()
    sums: Sums = {}
    priced: dict[tuple[str, Fraction], int] = {}
    missing: set[str] = set()
    for day, of_day in days.items():
        found: dict[tuple[str, ...], Fraction | None] = {}  # most names are of the same currency
        for name, value in of_day.items():
            letter, own = _parsed(name)
            if own and own not in found:
                found[own] = _rate(own, currency, rates, day or 0)
            rate = found.get(own)
            if rate is None:
                sums[name] = sums.get(name, 0) + value
                continue
            key = ":".join((letter, *(currency for _ in own))), rate * rate if letter == "VV" else rate
            priced[key] = priced.get(key, 0) + value
        for own in (own for own, rate in found.items() if rate is None):
            missing.update(each for each in own if _rate((each,), currency, rates, day or 0) is None)
    exact: dict[str, Fraction] = {}
    for (name, rate), value in priced.items():
        exact[name] = exact.get(name, Fraction(0)) + value * rate
    # rounded once: half to even, to the nano; what came to 0 has no name
    add(sums, {name: round(value) for name, value in exact.items()})
    return {name: value for name, value in sums.items() if value}, missing


@cache
def _parsed(name: str) -> tuple[str, tuple[str, ...]]:
    """The letter of an amount, and its currencies; of what is none no currency."""
    letter, *own = name.split(":")
    return (letter, tuple(own)) if letter in _MONEY else (name, ())


_MONEY = {"V", *COST_LETTERS, "VV", "CC", "VC"}


def _rate(own: Sequence[str], to: str, rates: Rates, day: int) -> Fraction | None:
    """What the amounts, or the product of two, are to be multiplied by: the rates at the day's end."""
    product = Fraction(1)
    for each in own:
        rate = rates.rate(each, to, (day + 1) * DAY_MS - 1)
        if rate is None:
            return None
        product *= rate
    return product
