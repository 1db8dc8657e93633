"""Money is exact: from the decimal text that a client sends to the number that a report shows."""

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.ledger import money
from amp.ledger.money import NANOS, UNITS_MAX

AMOUNTS = st.integers(-UNITS_MAX * NANOS, UNITS_MAX * NANOS)


class Sent(msgspec.Struct):
    """A body with an amount in it."""

    cost: Decimal


def read(text):
    return money.nanos(msgspec.json.decode(b'{"cost":%s}' % text.encode(), type=Sent).cost)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0.1", 100_000_000),
        ("0.30000000000000004", 300_000_000),
        ("3.5377", 3_537_700_000),
        ("1e-9", 1),
        ("1E3", 1000 * NANOS),
        ("-0.01", -10_000_000),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.0000000025", 2),
        ("0.00000000250000000000000000000000000000000001", 3),
        ("1e-999999999", 0),
        ("1000000000000", UNITS_MAX * NANOS),
    ],
)
def test_an_amount_is_what_its_text_says_half_even_below_a_nano(text, nanos):
    assert read(text) == nanos


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0.1", None),
        ("1.50", None),
        ("1000000000000", None),
        ("-0.0", None),
        ("0.30000000000000004", "0.30000000000000004"),
        ("999999999999.9999999991", "999999999999.9999999991"),
        ("5e-324", "5E-324"),
        ("-1e-999999999", "-1E-999999999"),
        ("0." + "3" * 31, None),
    ],
)
def test_what_is_finer_is_told_as_it_was_sent(text, told):
    sent = msgspec.json.decode(text.encode(), type=Decimal)
    assert money.finer(sent, money.nanos(sent)) == told


@pytest.mark.parametrize(
    "text", ["1000000000000.0000000001", "-1e13", "1e400", "1e999999999", '"NaN"', '"inf"']
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError):
        read(text)


@given(AMOUNTS)
def test_an_amount_survives_the_wire(nanos):
    assert read(money.text(nanos)) == nanos


@given(AMOUNTS)
def test_units_and_nanos_hold_it_whole(nanos):
    units, rest = money.split(nanos)
    assert 0 <= rest < NANOS
    assert money.joined(units, rest) == nanos


@given(st.lists(AMOUNTS))
def test_sums_of_both_parts_are_the_sum(amounts):
    parts = [money.split(amount) for amount in amounts]
    assert money.joined(sum(unit for unit, _ in parts), sum(rest for _, rest in parts)) == sum(amounts)


@given(st.floats(-1e12, 1e12))
def test_a_binary_float_counts_as_the_decimal_that_it_was_written_as(value):
    assert abs(
        Fraction(read(msgspec.json.encode(value).decode()), NANOS) - Fraction(repr(value))
    ) <= Fraction(1, 2 * NANOS)


@given(AMOUNTS, st.decimals("0", "1000000", places=9))
def test_a_factor_is_exact_and_half_even(nanos, factor):
    exact = Fraction(nanos) * Fraction(factor)
    if abs(exact) > UNITS_MAX * NANOS:
        return
    assert money.times(nanos, factor) == round(exact)  # of a Fraction: half-even


@pytest.mark.parametrize("factor", ["-1", "1e7", "NaN"])
def test_what_is_no_factor_is_refused(factor):
    with pytest.raises(ValueError):
        money.times(1, Decimal(factor))


def test_a_product_that_is_too_much_is_refused():
    with pytest.raises(ValueError):
        money.times(UNITS_MAX * NANOS, Decimal("1.1"))
