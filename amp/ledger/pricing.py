"""What a metered record costs when its sender does not say: what the operator's price list of that time says.

Pure and exact: money is whole nanos (1e-9 of a unit), worked out in decimals and rounded once, half to even.
What has no price is not free: it is unpriced, and reports say so.
"""

from bisect import bisect_right
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any, Generic, cast

import msgspec

from amp.ledger.catalogue import Listed, Price, Rate, Tool, moment_ms
from amp.ledger.money import NANOS, UNITS_MAX
from amp.ledger.types import Kind, Priced, Usage

HUMAN_PREFIX = "human_"
"""A tool whose id begins so is a person's time, registered or not."""
LISTED = "list"
"""In `Priced.by`: the operator's list of that time."""
_NANOS = Decimal(NANOS)
_NANOS_OF_A_TOKEN = Decimal(NANOS // 10**6)
"""Of a price for a million tokens."""
_AMOUNT_MAX = Decimal(UNITS_MAX * NANOS)
_MS_A_MINUTE = Decimal(60_000)
_UNITS_MAX = 10**40
"""That are counted: a client may state any number, and decimals have an end."""
_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)
"""Wide enough for every product of a count and a price."""
_REMEMBERED_MAX = 4096
"""Names whose price was looked for; a client may send any number of them."""

_units: "msgspec.json.Decoder[Any]" = msgspec.json.Decoder(float_hook=Decimal)


class Dated(Generic[Listed]):
    """Entries by name and time."""

    def __init__(self, entries: Iterable[Listed]) -> None:
        self._by_name: dict[tuple[str, ...], tuple[list[int], list[Listed]]] = {}
        for each in sorted(entries, key=lambda each: moment_ms(each.valid_from)):
            since, listed = self._by_name.setdefault(each.names, ([], []))
            since.append(moment_ms(each.valid_from))
            listed.append(each)

    @property
    def names(self) -> list[tuple[str, ...]]:
        return list(self._by_name)

    def at(self, names: tuple[str, ...], at_ms: int) -> Listed | None:
        """The entry of this name that holds then."""
        if names not in self._by_name:
            return None
        since, listed = self._by_name[names]
        number = bisect_right(since, at_ms)
        return listed[number - 1] if number else None


class Pricer:
    """One version of a tenant's price lists."""

    def __init__(self, prices: Iterable[Price] = (), tools: Iterable[Tool] = ()) -> None:
        self._prices = Dated(prices)
        self._tools = Dated(tools)
        patterns = [names for names in self._prices.names if names[1].endswith("*")]
        self._patterns = sorted(patterns, key=lambda names: len(names[1]), reverse=True)
        self._remembered: dict[tuple[str, str], tuple[str, ...] | None] = {}

    def price(self, usage: Usage) -> Priced:
        """What the record costs by the list; nothing is known of what is not listed."""
        return self._completion(usage) if usage.tool is None else self._tool(usage, usage.tool)

    def kind(self, usage: Usage) -> Kind:
        """What a cost of this record is for, whoever states the cost."""
        if usage.tool is None:
            return "model"
        tool = self._tools.at((usage.tool,), usage.at_ms)
        human = usage.tool.startswith(HUMAN_PREFIX) or (tool is not None and tool.human)
        return "human" if human else "tool"

    def _completion(self, usage: Usage) -> Priced:
        price = self._price((usage.provider or "").lower(), (usage.model or "").lower(), usage.at_ms)
        if price is None:
            return Priced(None, "model")
        return _listed("model", price.currency, _tokens(usage, price))

    def _tool(self, usage: Usage, name: str) -> Priced:
        tool, kind = self._tools.at((name,), usage.at_ms), self.kind(usage)
        if tool is None:
            return Priced(None, kind)
        count = _counted(tool, usage) if tool.active else None
        if count is None:
            return Priced(None, kind, tool.currency)
        cost = _EXACT.multiply(_EXACT.multiply(count, tool.price), _NANOS)
        # the division comes last: a third of a minute has no end of digits, three thirds are one
        return _listed(
            kind, tool.currency, _EXACT.divide(cost, _MS_A_MINUTE) if tool.per == "minute" else cost
        )

    def _price(self, provider: str, model: str, at_ms: int) -> Price | None:
        asked = (provider, model)
        exact = self._prices.at(asked, at_ms)
        if exact is not None or not self._patterns:
            return exact
        if asked not in self._remembered:
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[asked] = next((names for names in self._patterns if _covers(names, asked)), None)
        names = self._remembered[asked]
        return self._prices.at(names, at_ms) if names else None


class Rates:
    """One version of a tenant's rates between currencies."""

    def __init__(self, rates: Iterable[Rate] = ()) -> None:
        self._rates = Dated(rates)

    def rate(self, source: str, to: str, at_ms: int) -> Fraction | None:
        """What one unit of `source` is worth in `to` then; None when nobody stated it, either way round."""
        if source == to:
            return Fraction(1)
        stated = self._rates.at((source, to), at_ms)
        if stated is not None:
            return Fraction(stated.rate)
        reverse = self._rates.at((to, source), at_ms)
        return None if reverse is None else 1 / Fraction(reverse.rate)


def _tokens(usage: Usage, price: Price) -> Decimal | None:
    """Nanos of all tokens; None where there are some without a price."""
    if usage.batch and price.batch is None:
        return None
    cached = usage.cache_creation_tokens + usage.cache_read_tokens
    for_an_hour = usage.cache_creation_1h_tokens
    fresh = max(0, usage.input_tokens - cached) if price.input_includes_cache else usage.input_tokens
    total = Decimal(0)
    for tokens, each in (
        (fresh, price.input),
        (usage.output_tokens, price.output),
        (usage.cache_creation_tokens - for_an_hour, price.cache_creation),
        (for_an_hour, price.cache_creation_1h),
        (usage.cache_read_tokens, price.cache_read),
    ):
        if tokens and each is None:
            return None
        total = _EXACT.add(total, _EXACT.multiply(tokens, each or 0))
    if usage.batch:
        total = _EXACT.multiply(total, price.batch or 0)
    return _EXACT.multiply(total, _NANOS_OF_A_TOKEN)


def _counted(tool: Tool, usage: Usage) -> Decimal | None:
    """How many calls, milliseconds or units are charged; None when the record does not say."""
    if tool.per == "call":
        return Decimal(1)
    if tool.per == "minute":
        return Decimal(usage.duration_ms) if usage.duration_ms else None
    try:
        said: object = _units.decode(usage.units or "{}")
    except (
        msgspec.DecodeError,
        ArithmeticError,
        RecursionError,
    ):  # a number with an endless exponent, brackets
        return None
    units = cast("dict[str, object]", said).get(tool.unit or "") if isinstance(said, dict) else None
    if isinstance(units, bool) or not isinstance(units, int | Decimal):
        return None
    return Decimal(units) if 0 <= units <= _UNITS_MAX else None


def _listed(kind: Kind, currency: str, worked_out: Decimal | None) -> Priced:
    """With what was worked out; more than any amount may be is an error of the list."""
    if worked_out is None or worked_out > _AMOUNT_MAX:
        return Priced(None, kind, currency)
    return Priced(int(_EXACT.to_integral_value(worked_out)), kind, currency, LISTED)


def _covers(pattern: tuple[str, ...], asked: tuple[str, str]) -> bool:
    return pattern[0] in {asked[0], "*"} and asked[1].startswith(pattern[1][:-1])
