"""Exact money: whole numbers of 1e-9 of a currency's unit, never a binary float.

What a client sends is read from its decimal text. What is finer than 1e-9 is rounded to it half-even, for
clients send binary floats and a refusal would lose the record; what is over 1e12 units is refused.
Sums are kept in two whole numbers, units and nanos, so that 64 bits hold them.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

NANOS = 10**9
UNITS_MAX = 10**12
FACTOR_MAX = 10**6
SENT_LENGTH_MAX = 32
"""A binary float is written in at most 24 characters."""

_STEP = Decimal("1e-9")
_ROOM = Context(prec=40, rounding=ROUND_HALF_EVEN)  # 13 digits before the point and 9 after it, at most


def nanos(amount: Decimal) -> int:
    """The amount in nanos.

    Raises:
        ValueError: no number, or over `UNITS_MAX` units; the message goes on after a field's name.
    """
    return _rounded(amount, UNITS_MAX)


def finer(amount: Decimal, rounded_nanos: int) -> str | None:
    """The amount as it was sent, where its nanos are not all of it; None also of what is endlessly long."""
    if _ROOM.compare(Decimal(rounded_nanos).scaleb(-9, _ROOM), amount) == 0:
        return None
    said = str(amount)
    return said if len(said) <= SENT_LENGTH_MAX else None


def times(amount_nanos: int, factor: Decimal) -> int:
    """The amount times a factor, half-even.

    Raises:
        ValueError: the factor is no number, negative or over `FACTOR_MAX`, or the product is too much.
    """
    scale = _rounded(factor, FACTOR_MAX)
    if scale < 0:
        raise ValueError("must not be negative")
    product = per(amount_nanos * scale, NANOS)
    if abs(product) > UNITS_MAX * NANOS:
        raise ValueError(f"makes an amount of over {UNITS_MAX:.0e} units")
    return product


def per(amount: int, parts: int) -> int:
    """`amount / parts` as a whole number, half-even; `parts` is positive."""
    whole, rest = divmod(amount, parts)
    return whole + (2 * rest > parts or (2 * rest == parts and whole % 2 == 1))


def split(amount_nanos: int) -> tuple[int, int]:
    """Units and nanos; nanos are never negative."""
    return divmod(amount_nanos, NANOS)


def joined(units: int, rest: int) -> int:
    """The nanos of units and nanos, or of two sums of them."""
    return units * NANOS + rest


def text(amount_nanos: int) -> str:
    """The amount in units, as a JSON number and exact."""
    sign, (units, rest) = "-" * (amount_nanos < 0), divmod(abs(amount_nanos), NANOS)
    return f"{sign}{units}.{rest:09}".rstrip("0").rstrip(".") if rest else f"{sign}{units}"


def _rounded(number: Decimal, most: int) -> int:
    if not number.is_finite():
        raise ValueError("must be a number")
    if number.copy_abs() > most:  # abs() would round, or overflow
        raise ValueError(f"must be at most {most:.0e}".replace("e+", "e"))
    return int(number.quantize(_STEP, context=_ROOM).scaleb(9, _ROOM))
