"""What lies in the store for one user, read: the record's header, and the details beside it."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from amp.learning.rows import ROW_BYTES
from amp.learning.types import Preference

HEADER = struct.Struct("<8sIHIHI24s")
"""alias, created, watermark (low, high each), trimmed and more, preferences: as in `store.lua`.

Where the highest byte of `trimmed` is 1, the preferences of eight more slots follow."""
PREFERENCE = struct.Struct("<BIB")
"""Of each slot: option + 1 (0: none) and the lock, milliseconds since created (low, high)."""
MORE_BYTES = 8 * PREFERENCE.size
LOCKED = 0x80


class Record(NamedTuple):
    """A user's header and packed rows; a user nobody has heard of has neither."""

    alias: bytes = b""
    created_ms: int = 0
    trimmed: int = 0
    """Interactions whose rows are no longer kept."""
    preferences: tuple[Preference | None, ...] = ()
    """By slot: the four of the contract, and eight more when one of those states something."""
    rows: bytes = b""

    @property
    def interactions(self) -> int:
        return self.trimmed + len(self.rows) // ROW_BYTES


@dataclass(frozen=True, slots=True)
class Details:
    """What a decision does not need: names, metadata and the sums over trimmed rows."""

    task_names: Mapping[int, str] = field(default_factory=dict[int, str])
    metadata: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """JSON by key."""
    trimmed_sums: Mapping[str, int] = field(default_factory=dict[str, int])
    """`fold` in store.lua names them."""
    changed_ms: int = 0
    """When preferences or metadata were last sent."""


def read_record(raw: bytes | None) -> Record:
    """A record as it lies in the store; one that only an erasure left is nobody's.

    Too few bytes for a header are handed on as rows, so that one damaged record fails where rows are read,
    for its own user, and not every read that it is a part of.
    """
    if not raw:
        return Record()
    if len(raw) < HEADER.size:
        return Record(rows=raw)
    alias, low, high, _, _, trimmed, preferences = HEADER.unpack_from(raw)
    if not low and not high:
        return Record()
    created_ms, start = (high << 32) | low, HEADER.size
    if trimmed >> 24 == 1 and len(raw) >= start + MORE_BYTES:
        preferences += raw[start : start + MORE_BYTES]
        start += MORE_BYTES
    return Record(
        alias=alias,
        created_ms=created_ms,
        trimmed=trimmed & 0xFFFFFF,
        preferences=_preferences(preferences, created_ms),
        rows=raw[start:],
    )


def _preferences(raw: bytes, created_ms: int) -> tuple[Preference | None, ...]:
    if not any(raw):
        return ()
    return tuple(
        Preference((byte & ~LOCKED) - 1, bool(byte & LOCKED), created_ms + ((high << 32) | low))
        if byte & ~LOCKED
        else None
        for byte, low, high in PREFERENCE.iter_unpack(raw)
    )


def read_details(flat: Sequence[bytes]) -> Details:
    names: dict[int, str] = {}
    metadata: dict[str, bytes] = {}
    sums: dict[str, int] = {}
    for raw, value in zip(flat[::2], flat[1::2], strict=True):
        name = raw.decode()
        if name.startswith("t:"):
            names[int(name[2:])] = value.decode()
        elif name.startswith("m:"):
            metadata[name[2:]] = value
        else:
            sums[name] = int(value)
    return Details(names, metadata, sums, sums.pop("changed", 0))
