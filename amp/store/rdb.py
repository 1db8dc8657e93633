"""The beginning of a snapshot in the RDB format: who wrote it, when, and how many keys come.

Source: the format as redis and valkey write it (rdb.h): a magic of nine bytes, auxiliary fields, function
libraries, then for each database its number and its size before its keys.
"""

from contextlib import suppress
from typing import NamedTuple

_END = 0xFF
_MAGICS = (b"REDIS", b"VALKEY")


class RdbHead(NamedTuple):
    """What a snapshot says of itself."""

    format: str
    """The magic, which is a version too: `REDIS0011`."""
    saved_s: int | None
    """When it was taken, by the store's clock, in seconds since 1970."""
    database: int | None
    """The first that has keys; None when none has, or the beginning does not tell."""
    keys: int | None
    """In that database, those whose time is just over among them."""


class _Short(Exception):
    """The bytes at hand end too early."""


def read_head(raw: bytes) -> RdbHead | None:
    """What the first bytes of a snapshot say; None when they are not of one."""
    if not raw.startswith(_MAGICS) or len(raw) < 9:
        return None
    told, database, keys = _read(raw)
    saved = told.get(b"ctime")
    return RdbHead(raw[:9].decode(), int(saved) if saved else None, database, keys)


def _read(raw: bytes) -> tuple[dict[bytes, bytes], int | None, int | None]:
    """The auxiliary fields, the first database and how many keys it has."""
    told: dict[bytes, bytes] = {}
    database, at = None, 9
    with suppress(_Short):
        while True:
            code, at = _bytes(raw, at, 1)[0], at + 1
            match code:
                case 0xFA:  # an auxiliary field
                    name, at = _text(raw, at)
                    told[name], at = _text(raw, at)
                case 0xF5:  # a function library
                    _, at = _text(raw, at)
                case 0xFE:  # a database
                    database, at = _length(raw, at)
                case 0xFB:  # its size
                    return told, database, _length(raw, at)[0]
                case _:
                    return told, database, 0 if code == _END else None
    return told, database, None


def _length(raw: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    first = _bytes(raw, at, 1)[0]
    match first >> 6:
        case 0:
            return first & 63, at + 1
        case 1:
            return int.from_bytes(_bytes(raw, at, 2)) & 0x3FFF, at + 2
        case 2:
            size = 8 if first & 1 else 4
            return int.from_bytes(_bytes(raw, at + 1, size)), at + 1 + size
        case _:
            raise _Short


def _text(raw: bytes, at: int) -> tuple[bytes, int]:
    """A string, and where it ends; one that is compressed is passed over and empty."""
    kind = _bytes(raw, at, 1)[0]
    if kind >> 6 != 3:
        size, at = _length(raw, at)
        return _bytes(raw, at, size), at + size
    kind &= 63
    if kind < 3:  # a number of one, two or four bytes
        size = 1 << kind
        number = int.from_bytes(_bytes(raw, at + 1, size), "little", signed=True)
        return b"%d" % number, at + 1 + size
    packed, at = _length(raw, at + 1)
    _, at = _length(raw, at)
    _bytes(raw, at, packed)
    return b"", at + packed


def _bytes(raw: bytes, at: int, size: int) -> bytes:
    found = raw[at : at + size]
    if len(found) < size:
        raise _Short
    return found
