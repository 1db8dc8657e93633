"""What an operator states of money: prices of models and tools, and rates between currencies, each dated.

A document holds every entry of one kind, the old beside the new; what holds at a time is the entry whose date
came last before it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

import msgspec

from amp.errors import InvalidParameter
from amp.ledger.types import CURRENCIES

PRICE_MAX = Decimal(10**12)
DIGITS_MAX = 18
"""Behind the point."""
ENTRIES_MAX = 5000
TEXT_MAX = 255


Kind = Literal["pricing", "tools", "rates"]
KINDS: tuple[Kind, ...] = ("pricing", "tools", "rates")


class Price(msgspec.Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """What a model's tokens cost, a million of them; a `*` at the end of `model` stands for any ending."""

    provider: str
    model: str
    input: Decimal
    output: Decimal
    cache_creation: Decimal | None = None
    """Of five minutes, or whatever the record does not say is longer."""
    cache_read: Decimal | None = None
    input_includes_cache: bool = False
    """The count of input tokens has the cached ones in it: they are not charged twice."""
    currency: str = "USD"
    valid_from: str | None = None
    """An ISO 8601 date or time; None: ever since."""
    cache_creation_1h: Decimal | None = msgspec.field(default=None, name="cacheCreation1h")
    """Of tokens that stay in the cache for an hour."""
    batch: Decimal | None = None
    """What part of these prices a call of the tier BATCH costs, such as 0.5."""

    @property
    def names(self) -> tuple[str, str]:
        return (self.provider.lower(), self.model.lower())


class Tool(msgspec.Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """What a tool costs, and whether it is a person's time."""

    tool_id: str
    price: Decimal
    per: Literal["call", "minute", "unit"] = "call"
    unit: str | None = None
    """The number in usageMetadata that is counted, when the price is per unit."""
    human: bool = False
    active: bool = True
    name: str | None = None
    type: str | None = None
    provider: str | None = None
    currency: str = "USD"
    valid_from: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.tool_id,)


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many units of `to` one unit of `from` is worth."""

    source: str = msgspec.field(name="from")
    to: str
    rate: Decimal
    valid_from: str | None = msgspec.field(default=None, name="validFrom")

    @property
    def names(self) -> tuple[str, str]:
        return (self.source, self.to)


Entry = Price | Tool | Rate
Listed = TypeVar("Listed", Price, Tool, Rate)


class Document(msgspec.Struct, Generic[Listed]):
    """Every entry of one kind, as of one version; version 0 has none."""

    version: int
    since_ms: int
    entries: list[Listed]


_DOCUMENTS: dict[Kind, Any] = {
    "pricing": Document[Price],
    "tools": Document[Tool],
    "rates": Document[Rate],
}


def decoded(kind: Kind, raw: bytes) -> Document[Any]:
    """The document in these bytes.

    Raises:
        ValueError: they are none of this kind.
    """
    return msgspec.json.decode(raw, type=_DOCUMENTS[kind])


def moment_ms(valid_from: str | None) -> int:
    """From when an entry holds, in milliseconds since 1970; UTC unless it says otherwise.

    Raises:
        ValueError: it is no ISO 8601 date or time.
    """
    if valid_from is None:
        return -(1 << 62)
    at = datetime.fromisoformat(valid_from)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def checked(entries: Sequence[Listed]) -> list[Listed]:
    """The entries in order of name and date.

    Raises:
        InvalidParameter: the field is named.
    """
    if len(entries) > ENTRIES_MAX:
        raise InvalidParameter("entries", f"must be at most {ENTRIES_MAX}")
    seen: set[tuple[tuple[str, ...], int]] = set()
    for number, each in enumerate(entries):
        where = f"entries[{number}]"
        _check(each, where)
        key = (each.names, moment_ms(each.valid_from))
        if key in seen:
            raise InvalidParameter(where, f"there are two of {'/'.join(each.names)} from the same time")
        seen.add(key)
    return sorted(entries, key=lambda each: (each.names, moment_ms(each.valid_from)))


def _check(entry: Entry, where: str) -> None:
    for field in entry.__struct_fields__:
        value = getattr(entry, field)
        if isinstance(value, Decimal):
            _check_amount(value, f"{where}.{field}")
        elif isinstance(value, str) and not 0 < len(value) <= TEXT_MAX:
            raise InvalidParameter(f"{where}.{field}", f"must have 1 to {TEXT_MAX} characters")
    try:
        moment_ms(entry.valid_from)
    except (ValueError, OverflowError) as error:
        raise InvalidParameter(f"{where}.validFrom", "must be an ISO 8601 date or time") from error
    if isinstance(entry, Rate):
        _check_rate(entry, where)
        return
    _check_currency(entry.currency, f"{where}.currency")
    if isinstance(entry, Tool) and (entry.per == "unit") != (entry.unit is not None):
        raise InvalidParameter(f"{where}.unit", "names the number that is counted, when `per` is unit")
    if isinstance(entry, Price):
        _check_price(entry, where)


def _check_price(price: Price, where: str) -> None:
    if price.batch is not None and price.batch > 1:
        raise InvalidParameter(f"{where}.batch", "must be a part of the price, from 0 to 1")
    if "*" in price.model[:-1]:
        raise InvalidParameter(f"{where}.model", "may have a * only at its end")


def _check_rate(rate: Rate, where: str) -> None:
    _check_currency(rate.source, f"{where}.from")
    _check_currency(rate.to, f"{where}.to")
    if rate.source == rate.to:
        raise InvalidParameter(f"{where}.to", "must be another currency")
    if not rate.rate:
        raise InvalidParameter(f"{where}.rate", "must be more than 0")


def _check_amount(value: Decimal, where: str) -> None:
    if not value.is_finite() or not 0 <= value <= PRICE_MAX:
        raise InvalidParameter(where, f"must be a number from 0 to {PRICE_MAX:.0f}")
    if -int(value.as_tuple().exponent) > DIGITS_MAX:
        raise InvalidParameter(where, f"must have at most {DIGITS_MAX} digits behind the point")


def _check_currency(code: str, where: str) -> None:
    if code not in CURRENCIES:
        raise InvalidParameter(where, f"must be one of {', '.join(CURRENCIES)}")
