"""What makes sending a record again harmless: its own id, and the idempotency key beside it.

Both are remembered for good, in the slot of the job. A key that comes with another job is another key there.
"""

from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from amp.errors import InvalidParameter

KEY_LENGTH_MAX = 255

Call = Literal["c", "t", "m"]
"""A completion, a tool event, further metrics."""

_KEY = b"i"


class Once(Struct, frozen=True):
    """What a record came with."""

    key: str | None
    """The idempotency key."""
    body: bytes
    """As it was sent: with the key, another body is another record."""
    place: int | None = None
    """In the batch that the key is of."""

    @property
    def name(self) -> bytes | None:
        """The key as it is told from all others: no key of one record has a line feed in it."""
        if not self.key:
            return None
        return (self.key if self.place is None else f"{self.key}\n{self.place}").encode()


def checked(once: Once) -> Once:
    """The same, with a key that may be used.

    Raises:
        InvalidParameter: it is not 1 to 255 printable characters of ASCII.
    """
    key = once.key
    if key is not None and not (0 < len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable()):
        raise InvalidParameter("Idempotency-Key", f"must be 1 to {KEY_LENGTH_MAX} printable ASCII characters")
    return once


def remembered(call: Call, transaction: str) -> bytes:
    """The name under which a transaction is remembered."""
    return call.encode() + _digest(transaction.encode())


def remembered_key(once: Once) -> bytes:
    """The name under which the key is remembered; empty when there is none."""
    return _KEY + _digest(once.name) if once.name else b""


def fingerprint(call: Call, once: Once) -> bytes:
    """What must be the same when the key comes again; empty when there is none."""
    return _digest(call.encode() + b" " + once.body) if once.key else b""


def is_completion(name: bytes) -> bool:
    return name[:1] == b"c"


def is_tool_event(name: bytes) -> bool:
    return name[:1] == b"t"


def _digest(of: bytes) -> bytes:
    return blake2b(of, digest_size=8).digest()
