"""The room's words. Contract: ledger.md."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec import Struct

from amp.tenancy import Tenant

ExecutionStatus = Literal["SUCCESS", "FAILED", "CANCELLED"]
OutcomeType = Literal["CONVERTED", "ESCALATED", "DEFLECTED", "UNSUCCESSFUL", "CUSTOM"]
Kind = Literal["model", "tool", "human"]
"""What a cost was for: AI models, other tools, people."""

STATUSES: tuple[ExecutionStatus, ...] = ("SUCCESS", "FAILED", "CANCELLED")
OUTCOME_TYPES: tuple[OutcomeType, ...] = ("CONVERTED", "ESCALATED", "DEFLECTED", "UNSUCCESSFUL", "CUSTOM")
KINDS: tuple[Kind, ...] = ("model", "tool", "human")

CURRENCIES = ("USD", "EUR", "GBP", "CAD", "JPY", "CNY", "MXN", "COP", "ARS", "ZMW", "AUD", "ZWG")
DEFAULT_CURRENCY = "USD"

NO_JOB = ""
"""The job of a record that names none."""


class Decided(NamedTuple):
    """The decision that a job followed, as the learning room tells it."""

    approach: str
    group: str
    """`learned` or `control`."""
    request_id: str | None = None


class Usage(Struct, frozen=True):
    """What a price can depend on: of a completion or of a tool event."""

    at_ms: int
    """When it was used; the price of then counts."""
    provider: str | None = None
    model: str | None = None
    tool: str | None = None
    """None is a completion."""
    duration_ms: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0
    units: str | None = None
    """usageMetadata, as JSON."""
    cache_creation_1h_tokens: int = 0
    """Of the tokens put in the cache, those that stay for an hour."""
    batch: bool = False
    """It ran in the batch tier."""


class Priced(NamedTuple):
    """What one record cost."""

    nanos: int | None
    """1e-9 of the currency's unit; None is not known, which is not 0."""
    kind: Kind
    currency: str = DEFAULT_CURRENCY
    by: str = ""
    """Who said so: `sent`, `skipped`, what a catalogue is called, or nothing."""


Price = Callable[[Tenant, Usage, Priced | None], Priced]
"""What a record costs; the last argument is what its sender said, None when it said nothing."""
Decisions = Callable[[Tenant, str], Decided | None]
"""What a requestId tells; None when it is none of this tenant's."""
