"""Figures of jobs' amounts: as numpy has them, but exact."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.ledger.metrics import METRICS, measured

AMOUNTS = st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=30)


@given(AMOUNTS, st.sampled_from(("median", "p50", "p90", "p95", "p99", "max", "min", "avg")))
def test_figures_are_those_that_numpy_finds(nanos, metric):
    found = measured(metric, nanos) * 10**9
    share = {"median": 50, "max": 100, "min": 0}.get(metric) or int(metric.strip("pavgmin") or 0)
    expected = np.mean(nanos) if metric == "avg" else np.percentile(nanos, share)
    assert abs(float(found) - expected) <= 0.51


@given(AMOUNTS)
def test_a_median_between_two_is_half_of_each_to_the_last_nano(nanos):
    ordered, half = sorted(nanos), len(nanos) // 2
    middle = Fraction(ordered[half] + ordered[(len(nanos) - 1) // 2], 2)
    assert measured("median", nanos) == measured("p50", nanos) == Decimal(round(middle)).scaleb(-9)


def test_amounts_that_no_float_holds_are_exact():
    large = 10**21 + 1
    assert measured("avg", [large, large + 2]) == Decimal("1000000000000.000000002")
    assert measured("p90", [large] * 9) == Decimal("1000000000000.000000001")


@pytest.mark.parametrize("metric", METRICS)
def test_of_no_amounts_there_is_no_figure_but_their_count(metric):
    assert measured(metric, []) == (0 if metric == "count" else None)
