"""What the ledger is made of: its entries, packed, and what the store's function says beside each.

An entry is msgpack made by the service: an array that begins with the number of its kind (`tag`) and its job.
Fields are added at the end and have a default, so that old entries stay readable; none is ever moved.

Beside it lies the side data that the function makes in the same step and the chain covers too:

- a byte of flags, below: which coordinates of the job are set once this entry is in. A coordinate is set by
  the first entry that carries it and never changes: a later one need not repeat it, and whoever folds entries
  may read it from the job itself.
- a second byte where there is more to say: SQUAD_SET when the job's squad is, and with BEFORE the flags until
  then, SQUAD_WAS among them.
- with BEFORE, the job's state just before this entry, as `field value field value ...`: the fields of the
  job's hash (job.py) that begin with a capital letter. It is there when a coordinate was set although the job
  was not new (what was counted until now moves with it), on outcomes and all that follows them, and on every
  further entry of a job that follows a decision (cost and value of each such job are needed one by one).

Source: ledger.md.
"""

import re
from typing import Any, cast

import msgspec
from msgspec import Struct

TYPE, ENVIRONMENT, AGENT, DECISION = 1, 2, 4, 8
"""Flags: this coordinate of the job is set."""
NAME, VERSION = 64, 128
"""Flags: so is this, which nothing is grouped by."""
MADE = 16
"""Flag: this entry made the job."""
BEFORE = 32
"""Flag: the state before follows."""
SQUAD, SQUAD_WAS, SQUAD_SET = 256, 16, 32
"""Flag: so is this coordinate; and where the second byte says it, until then and now."""

WIDE = 2**63
TAGS = (
    "traceType",
    "traceName",
    "squadName",
    "squadRole",
    "parentTransactionId",
    "organizationName",
    "productName",
    "operationType",
    "operationSubtype",
    "skipReason",
    "pricingTier",
    "transactionName",
    "taskType",
    "agentVersion",
    "subscriptionId",
    "ticketId",
    "region",
    "errorReason",
    "operation",
    "errorMessage",
    "workflowId",
)
"""Names on the wire; new ones go to the end."""


class Created(Struct, array_like=True, frozen=True, tag=1, tag_field="entry"):
    """A job was made, or told more of itself before it had any of it."""

    job: str
    at_ms: int
    """The service's clock, as in every entry."""
    by: str
    """The id of the key that sent it, as in every entry."""
    name: str | None = None
    type: str | None = None
    version: str | None = None
    environment: str | None = None
    approach: str | None = None
    group: str | None = None
    request: str | None = None
    """The requestId of the decision that the job followed, as in the next three."""


class Completion(Struct, array_like=True, frozen=True, tag=2, tag_field="entry"):
    """An AI call."""

    job: str
    """Empty is none."""
    at_ms: int
    by: str
    transaction: bytes
    """Its id: `packed_id`."""
    began_ms: int
    duration_ms: int
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost_nanos: int | None
    """None: nobody knows its price."""
    currency: str
    priced_by: str
    stop_reason: str | None = None
    agent: str | None = None
    type: str | None = None
    environment: str | None = None
    name: str | None = None
    version: str | None = None
    approach: str | None = None
    group: str | None = None
    trace: bytes | None = None
    """Its id: `packed_id`."""
    squad: str | None = None
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    tags: dict[int, str] | None = None
    """What else was sent and is short, by its number in TAGS."""
    cache_creation_1h_tokens: int = 0
    request: str | None = None


class ToolEvent(Struct, array_like=True, frozen=True, tag=3, tag_field="entry"):
    """A tool was used, or a person was."""

    job: str
    """Empty is none."""
    at_ms: int
    by: str
    transaction: bytes
    """Its id: `packed_id`."""
    began_ms: int
    duration_ms: int
    tool: str
    success: bool
    human: bool
    cost_nanos: int | None
    """None: nobody knows its price."""
    currency: str
    priced_by: str
    agent: str | None = None
    type: str | None = None
    environment: str | None = None
    name: str | None = None
    version: str | None = None
    approach: str | None = None
    group: str | None = None
    trace: bytes | None = None
    """Its id: `packed_id`."""
    squad: str | None = None
    usage: str | None = None
    """usageMetadata, as the JSON that was sent."""
    tags: dict[int, str] | None = None
    request: str | None = None


class Outcome(Struct, array_like=True, frozen=True, tag=4, tag_field="entry"):
    """What came of the job. There is one; it is never changed."""

    job: str
    at_ms: int
    by: str
    status: str
    outcome: str | None
    value_nanos: int | None
    currency: str | None
    reason: str | None
    metadata: str | None
    """Verbatim."""
    reported_ms: int | None
    """When the client says it was."""
    reported_by: str
    approach: str | None = None
    group: str | None = None
    metrics: str | None = None
    """As the JSON that was sent."""
    value_sent: str | None = None
    """As the number that was sent, where the value is that number rounded."""
    request: str | None = None


class Before(Struct, array_like=True, frozen=True):
    """What was in force until an amendment: what reports count of it."""

    status: str
    outcome: str | None
    value_nanos: int | None
    currency: str | None


class Amendment(Struct, array_like=True, frozen=True, tag=5, tag_field="entry"):
    """From now on this is in force instead: the whole outcome, and why."""

    job: str
    at_ms: int
    by: str
    status: str
    outcome: str | None
    value_nanos: int | None
    currency: str | None
    reason: str | None
    metadata: str | None
    reported_ms: int | None
    reported_by: str
    why: str | None
    before: Before
    metrics: str | None = None
    """As the JSON that was sent."""
    value_sent: str | None = None
    """As in Outcome."""


class Metrics(Struct, array_like=True, frozen=True, tag=6, tag_field="entry"):
    """Further figures of an outcome."""

    job: str
    at_ms: int
    by: str
    metrics: str
    """As the JSON that was sent."""


Entry = Created | Completion | ToolEvent | Outcome | Amendment | Metrics
Metered = Completion | ToolEvent
Reported = Outcome | Amendment

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry, strict=False)  # a whole number may be text


def pack(entry: Entry) -> bytes:
    """The entry as it is hashed and stored; amounts that 64 bits do not hold are text."""
    try:
        return _encoder.encode(entry)
    except OverflowError:
        return _encoder.encode(_narrow(msgspec.to_builtins(entry, builtin_types=(bytes,))))


def unpack(raw: bytes) -> Entry:
    """The entry.

    Raises:
        msgspec.DecodeError: these bytes are none.
    """
    try:
        return _decoder.decode(raw)
    except UnicodeDecodeError as error:  # a flipped byte of a text
        raise msgspec.DecodeError(str(error)) from error


def _narrow(value: Any) -> Any:
    if isinstance(value, list):
        return [_narrow(each) for each in cast("list[Any]", value)]
    return str(value) if isinstance(value, int) and abs(value) >= WIDE else value


def packed_id(text: str) -> bytes:
    """The id, as short as it can be said without loss."""
    return b"u" + bytes.fromhex(text.replace("-", "")) if _UUID.fullmatch(text) else b"t" + text.encode()


def id_text(packed: bytes) -> str:
    """The id as it was sent."""
    if packed[:1] == b"t":
        return packed[1:].decode()
    digits = packed[1:].hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
