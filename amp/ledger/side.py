"""What the store's function says beside an entry, read. Its bytes are described in entries.py."""

from collections.abc import Mapping
from typing import NamedTuple

from amp.ledger.entries import SQUAD, SQUAD_SET, SQUAD_WAS


class Side(NamedTuple):
    """What the function said beside an entry."""

    flags: int
    before: Mapping[str, str]
    """The job's state until then, as fields of its hash; empty without BEFORE."""
    flags_before: int
    """Which coordinates were set until then; 0 without BEFORE."""

    def has(self, flag: int) -> bool:
        return bool(self.flags & flag)


def read_flags(raw: bytes) -> int:
    """The flags of side data."""
    return raw[0] | (SQUAD if len(raw) > 1 and raw[1] & SQUAD_SET else 0)


def read_side(raw: bytes) -> Side:
    """The side data."""
    words = raw[2:].decode().split(" ") if len(raw) > 2 else []
    before = dict(zip(words[::2], words[1::2], strict=True))
    second = raw[1] if len(raw) > 1 else 0
    until = second & ~(SQUAD_WAS | SQUAD_SET) | (SQUAD if second & SQUAD_WAS else 0)
    return Side(read_flags(raw), before, until)
