"""What a record costs when its sender does not say: by the list of its time, else nobody knows."""

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import InvalidParameter
from amp.ledger.catalogue import Price, Rate, Tool, checked, moment_ms
from amp.ledger.metering import completion
from amp.ledger.pricing import Pricer, Rates
from amp.ledger.types import Usage
from amp.ledger.wire import CompletionRequest

JANUARY, MARCH = moment_ms("2026-01-15"), moment_ms("2026-03-15")
GPT = Price("OpenAI", "gpt-4o", Decimal("2.50"), Decimal(10), cache_read=Decimal("1.25"))


def usage(**said):
    return Usage(MARCH, "openai", "gpt-4o", **said)


def test_tokens_cost_what_a_million_of_them_cost():
    cost = Pricer([GPT]).price(usage(input_tokens=1200, output_tokens=340, cache_read_tokens=100))
    # 1200 x 2.50 + 340 x 10 + 100 x 1.25 = 6525 millionths
    assert cost == (6_525_000, "model", "USD", "list")


def test_what_has_no_price_is_unpriced_and_not_free():
    assert Pricer().price(usage(input_tokens=5)) == (None, "model", "USD", "")
    # a kind of token without a price leaves the whole unknown; none of it leaves it known
    assert Pricer([GPT]).price(usage(input_tokens=5, cache_creation_tokens=1)).nanos is None
    assert Pricer([GPT]).price(usage(input_tokens=5)).nanos == 12_500


def test_cached_tokens_that_are_in_the_input_count_are_not_charged_twice():
    price = Price(
        "openai", "gpt-4o", Decimal(2), Decimal(8), cache_read=Decimal(1), input_includes_cache=True
    )
    cost = Pricer([price]).price(usage(input_tokens=1000, cache_read_tokens=400))
    assert cost.nanos == 600 * 2000 + 400 * 1000


def test_the_price_is_the_one_of_the_records_time():
    dear = Price("openai", "gpt-4o", Decimal(5), Decimal(5), valid_from="2026-01-01")
    cheap = Price("openai", "gpt-4o", Decimal(1), Decimal(1), valid_from="2026-03-01T12:00:00Z")
    pricer = Pricer([cheap, dear])
    turn = moment_ms("2026-03-01T12:00:00Z")
    found = [
        pricer.price(Usage(at_ms, "openai", "gpt-4o", input_tokens=1)).nanos
        for at_ms in (moment_ms("2025-12-31"), JANUARY, turn - 1, turn, MARCH)
    ]
    assert found == [None, 5000, 5000, 1000, 1000]


def test_a_pattern_covers_models_that_have_no_price_of_their_own():
    prices = [
        Price("openai", "gpt-*", Decimal(1), Decimal(1)),
        Price("openai", "gpt-4o*", Decimal(2), Decimal(2)),
        Price("*", "llama*", Decimal(3), Decimal(3)),
        GPT,
    ]
    pricer = Pricer(prices)

    def of(provider, model):
        return pricer.price(Usage(MARCH, provider, model, input_tokens=2)).nanos

    assert of("OPENAI", "GPT-4o") == 5000
    assert of("openai", "gpt-4o-2024-08-06") == 4000
    assert of("openai", "gpt-5") == 2000
    assert of("groq", "llama-3") == 6000
    assert of("azure", "gpt-5") is None


def test_tools_cost_by_the_call_the_minute_or_the_unit():
    pricer = Pricer(
        tools=[
            Tool("zoominfo", Decimal(1)),
            Tool("human_escalation", Decimal("1.50"), per="minute"),
            Tool("reviewer", Decimal(2), per="minute", human=True),
            Tool("ocr", Decimal("0.002"), per="unit", unit="pages"),
            Tool("old", Decimal(9), active=False),
        ]
    )

    def of(tool, **said):
        return pricer.price(Usage(MARCH, tool=tool, **said))

    assert of("zoominfo") == (10**9, "tool", "USD", "list")
    assert of("human_escalation", duration_ms=1_800_000) == (45 * 10**9, "human", "USD", "list")
    assert of("reviewer", duration_ms=1).nanos == 33_333
    assert of("reviewer") == (None, "human", "USD", "")
    assert of("ocr", units='{"pages": 12.5, "note": "x"}').nanos == 25_000_000
    assert of("ocr", units='{"pages": "12"}').nanos is None
    assert of("ocr", units='{"pages": true}').nanos is None
    assert of("ocr", units='{"pages": -1}').nanos is None
    assert of("ocr", units="[]").nanos is None
    assert of("ocr", units='{"pages": 1e999999}').nanos is None
    assert of("ocr", units='{"pages": 1e99999999999999999999}').nanos is None
    assert of("ocr", units='{"pages": 1e-999999}').nanos == 0
    assert of("ocr", units='{"pages": 12, "note": %s}' % ("[" * 9000 + "]" * 9000)).nanos is None
    assert of("ocr").nanos is None
    assert of("old") == (None, "tool", "USD", "")
    assert of("unknown") == (None, "tool", "USD", "")
    assert of("human_help").kind == "human"


@given(
    duration_ms=st.integers(1, 10**10),
    price=st.decimals("0", "10000", places=9),
    tokens=st.integers(0, 10**12),
)
def test_money_is_rounded_once_half_to_even(duration_ms, price, tokens):
    """Python's fractions are the referee."""
    tool = Pricer(tools=[Tool("t", price, per="minute")]).price(Usage(0, tool="t", duration_ms=duration_ms))
    assert tool.nanos == round(Fraction(duration_ms) * Fraction(price) * 10**9 / 60_000)
    model = Pricer([Price("p", "m", price, price)]).price(
        Usage(0, "p", "m", input_tokens=tokens, output_tokens=tokens // 3)
    )
    assert model.nanos == round((tokens + tokens // 3) * Fraction(price) * 1000)


def test_an_amount_that_no_record_may_have_is_unpriced():
    price = Price("p", "m", Decimal(10**12), Decimal(1))
    assert Pricer([price]).price(Usage(0, "p", "m", input_tokens=10**6 + 1)).nanos is None


def test_a_rate_is_the_one_of_its_time_and_holds_the_other_way_round():
    rates = Rates(
        [
            Rate("EUR", "USD", Decimal("1.08"), "2026-01-01"),
            Rate("EUR", "USD", Decimal("1.25"), "2026-03-01"),
        ]
    )
    assert rates.rate("EUR", "USD", JANUARY) == Fraction(108, 100)
    assert rates.rate("EUR", "USD", MARCH) == Fraction(5, 4)
    assert rates.rate("USD", "EUR", MARCH) == Fraction(4, 5)
    assert rates.rate("EUR", "USD", moment_ms("2025-12-31")) is None
    assert rates.rate("GBP", "USD", MARCH) is None
    assert rates.rate("GBP", "GBP", MARCH) == 1


BAD = [
    (Price("p", "m", Decimal(-1), Decimal(1)), "entries[0].input"),
    (Price("p", "m", Decimal("NaN"), Decimal(1)), "entries[0].input"),
    (Price("p", "m", Decimal(1), Decimal("1e-19")), "entries[0].output"),
    (Price("p", "m", Decimal(1), Decimal("1e13")), "entries[0].output"),
    (Price("p", "a*b", Decimal(1), Decimal(1)), "entries[0].model"),
    (Price("", "m", Decimal(1), Decimal(1)), "entries[0].provider"),
    (Price("p", "m", Decimal(1), Decimal(1), currency="XXX"), "entries[0].currency"),
    (Price("p", "m", Decimal(1), Decimal(1), valid_from="soon"), "entries[0].validFrom"),
    (Tool("t", Decimal(1), per="unit"), "entries[0].unit"),
    (Tool("t", Decimal(1), unit="pages"), "entries[0].unit"),
    (Rate("EUR", "EUR", Decimal(1)), "entries[0].to"),
    (Rate("EUR", "USD", Decimal(0)), "entries[0].rate"),
    (Rate("euro", "USD", Decimal(1)), "entries[0].from"),
]


@pytest.mark.parametrize(("entry", "field"), BAD)
def test_a_bad_entry_is_refused_by_its_field(entry, field):
    with pytest.raises(InvalidParameter) as refusal:
        checked([entry])
    assert refusal.value.details["field"] == field


def test_two_prices_from_the_same_time_are_refused_however_they_are_written():
    same = [
        Price("p", "m", Decimal(1), Decimal(1), valid_from="2026-01-01"),
        Price("P", "M", Decimal(2), Decimal(1), valid_from="2026-01-01T01:00:00+01:00"),
    ]
    with pytest.raises(InvalidParameter):
        checked(same)


CLAUDE = Price(
    "anthropic", "claude*", Decimal(3), Decimal(15), Decimal("3.75"), Decimal("0.30"),
    cache_creation_1h=Decimal(6), batch=Decimal("0.5"),
)  # fmt: skip


def asked(**fields):
    request = CompletionRequest(provider="anthropic", model="claude-sonnet-4-5", **fields)
    return completion(request, "t", MARCH).usage


@pytest.mark.parametrize(
    ("sent", "nanos"),
    [
        ({"cache_creation_token_count": 10}, 37_500),
        ({"cache_creation_token_count": 10, "cache_creation_1h_token_count": 4}, 6 * 3750 + 4 * 6000),
        ({"cache_creation_1h_token_count": 4}, 4 * 6000),
        ({"cache_creation_5m_token_count": 6, "cache_creation_1h_token_count": 4}, 6 * 3750 + 4 * 6000),
        ({"input_token_count": 10, "pricing_tier": "batch"}, 15_000),
        ({"input_token_count": 10, "cache_creation_1h_token_count": 1, "pricing_tier": "BATCH"}, 18_000),
        ({"input_token_count": 10, "pricing_tier": "STANDARD"}, 30_000),
    ],
)
def test_the_hours_cache_and_the_batch_tier_have_prices_of_their_own(sent, nanos):
    assert Pricer([CLAUDE]).price(asked(**sent)).nanos == nanos


def test_without_a_price_of_their_own_they_are_unpriced():
    plain = Price("anthropic", "claude*", Decimal(3), Decimal(15), Decimal("3.75"))
    assert Pricer([plain]).price(asked(input_token_count=1, pricing_tier="BATCH")).nanos is None
    assert Pricer([plain]).price(asked(cache_creation_1h_token_count=1)).nanos is None


def test_a_batch_price_is_a_part_of_the_price():
    with pytest.raises(InvalidParameter, match=r"entries\[0\].batch"):
        checked([msgspec.structs.replace(CLAUDE, batch=Decimal(50))])
