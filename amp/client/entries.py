"""What waits to be sent: reports and records, and how small they are on disk.

On disk an outcome is two bytes of flags, its request id as the bytes that base64url spells, and its numbers;
what does not fit this form exactly, and every other kind, is JSON after one letter.
"""

import math
import struct
import zlib
from base64 import urlsafe_b64encode
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from amp.client import calls
from amp.client.types import Outcome

Kind = Literal["outcome", "metering", "job"]
Fields = dict[str, Any]

_PREFIX = "req_"
_COMPACT, _ID_PACKED = 0x80, 0x01
_FLOAT = struct.Struct("<d")
_MILLIS, _HUNDREDTHS = (1000.0, 4), (100.0, 1)
"""How many make a unit, and the bytes that hold the usual ones; others are kept as floats."""
_OF_TRI = (None, False, True)
_CODE = {None: 0, False: 1, True: 2}
_MAYBE, _STEP = {bool, type(None)}, {int, type(None)}
"""Types, because 1 equals True but says something else to the server."""
_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
"""From the URL-safe alphabet; what is not of it does not come back as it was."""
_LETTERS: dict[Kind, bytes] = {"outcome": b"o", "metering": b"m", "job": b"j"}
_BLOCK, _LENGTH = b"b", 3
_KINDS: dict[int, Kind] = {letter[0]: kind for kind, letter in _LETTERS.items()}
_KNOWN = {
    "request_id",
    "started",
    "completed",
    "time_to_start",
    "flow_state",
    "satisfaction",
    "final",
    "step",
    "metadata",
}


@dataclass(slots=True, eq=False)
class Entry:
    """One report or record that is to arrive."""

    kind: Kind
    said: Fields | bytes
    """As the caller gave it, or its body as JSON."""
    id: int = 0
    """Its row in the spool; 0 is none."""
    attempts: int = 0
    since: int = 0
    """How many others had arrived when this one first failed."""

    def body(self) -> bytes:
        """As JSON.

        Raises:
            AmpError: JSON cannot carry it.
        """
        if not isinstance(self.said, bytes):
            self.said = encoded(self.kind, self.said)
        return self.said


def encoded(kind: Kind, fields: Fields) -> bytes:
    """The body as JSON.

    Raises:
        AmpError: JSON cannot carry it.
        TypeError: a field is unknown.
    """
    return calls.outcome_body(fields) if kind == "outcome" else calls.body(fields)


def pack(kind: Kind, fields: Fields) -> bytes:
    """The entry as the spool keeps it; raises as `encoded` does."""
    if kind == "outcome":
        compact = _compact(fields)
        if compact is not None:
            return compact
    return _LETTERS[kind] + encoded(kind, fields)


def unpack(packed: bytes) -> tuple[Kind, bytes]:
    """The entry again, its body as JSON.

    Raises:
        ValueError: nobody wrote this.
    """
    try:
        if packed[0] & _COMPACT:
            return "outcome", calls.outcome_body(_fields(packed))
        return _KINDS[packed[0]], packed[1:]
    except (IndexError, KeyError, struct.error, TypeError) as error:
        raise ValueError("no entry of a spool") from error


def _compact(fields: Fields) -> bytes | None:
    """None where the form cannot say exactly this."""
    if not fields.keys() <= _KNOWN:
        return None
    said = fields.get
    started, request_id, step = said("started"), said("request_id"), said("step")
    completed, flow_state, final = said("completed"), said("flow_state"), said("final")
    kinds: set[Any] = {type(completed), type(flow_state), type(final)}
    if not (type(started) is bool and type(request_id) is str and kinds <= _MAYBE and type(step) in _STEP):
        return None
    flags = _COMPACT | started | _CODE[completed] << 1 | _CODE[flow_state] << 3 | _CODE[final] << 5
    try:
        packed, raw = _packed_id(request_id)
        start, time_to_start = _number(said("time_to_start"), *_MILLIS)
        liking, satisfaction = _number(said("satisfaction"), *_HUNDREDTHS)
        metadata = said("metadata")
        more = packed | start << 1 | liking << 3 | (step is not None) << 5 | (metadata is not None) << 6
        return b"".join(
            (
                bytes((flags, more, len(raw))),
                raw,
                time_to_start,
                satisfaction,
                b"" if step is None else bytes((step,)),
                b"" if metadata is None else _metadata(fields),
            )
        )
    except (KeyError, ValueError, TypeError, OverflowError):
        return None  # the JSON form takes it, or refuses it by name


def _packed_id(request_id: str) -> tuple[int, bytes]:
    if request_id.startswith(_PREFIX):
        text = request_id[4:].encode()
        standard = text.translate(_STANDARD) + b"=" * (-len(text) % 4)
        raw = a2b_base64(standard)
        if len(raw) < 256 and b2a_base64(raw, newline=False) == standard:
            return _ID_PACKED, raw
    plain = request_id.encode()
    if len(plain) > 255:
        raise ValueError("longer than the form has room for")
    return 0, plain


def _spelt(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(said: Any, scale: float, size: int) -> tuple[int, bytes]:
    """0: none; 1: a whole number of `1 / scale`; 2: a float."""
    if said is None:
        return 0, b""
    if type(said) not in {int, float} or not math.isfinite(said) or float(said) != said:
        raise TypeError(said)
    whole = round(said * scale)
    if 0 <= whole < 256**size and whole / scale == said:
        return 1, whole.to_bytes(size, "little")
    return 2, _FLOAT.pack(said)


def _metadata(fields: Fields) -> bytes:
    calls.outcome_body(fields)  # a body that is too large must not be found out later
    return msgspec.json.encode(fields["metadata"])


def _fields(packed: bytes) -> Outcome:
    flags, more, length = packed[0], packed[1], packed[2]
    at = 3 + length
    if len(packed) < at:
        raise IndexError
    raw = packed[3:at]
    fields: Any = {
        "request_id": _PREFIX + _spelt(raw) if more & _ID_PACKED else raw.decode(),
        "started": bool(flags & 1),
        "completed": _OF_TRI[flags >> 1 & 3],
        "flow_state": _OF_TRI[flags >> 3 & 3],
        "final": _OF_TRI[flags >> 5 & 3],
    }
    for name, form, scale, size in (
        ("time_to_start", more >> 1 & 3, *_MILLIS),
        ("satisfaction", more >> 3 & 3, *_HUNDREDTHS),
    ):
        if form == 1:
            fields[name] = int.from_bytes(packed[at : at + size], "little") / scale
            at += size
        elif form:
            (fields[name],) = _FLOAT.unpack_from(packed, at)
            at += _FLOAT.size
    if more >> 5 & 1:
        fields["step"] = packed[at]
        at += 1
    if more >> 6 & 1:
        fields["metadata"] = msgspec.json.decode(packed[at:])
    return fields


def pack_block(packed: Sequence[bytes]) -> bytes:
    """Many entries as one row: sealed ids do not deflate, nearly all that stands beside them does.

    The lengths, then the first bytes of all entries, the second of all, ...: like lies by like.
    """
    width = max(map(len, packed))
    padded = b"".join(each.ljust(width, b"\0") for each in packed)
    lengths = b"".join(len(each).to_bytes(_LENGTH, "little") for each in packed)
    columns = (padded[place::width] for place in range(width))
    return _BLOCK + len(packed).to_bytes(_LENGTH, "little") + zlib.compress(lengths + b"".join(columns))


def unpack_row(row: bytes) -> list[bytes]:
    """The entries of a row, which is one or a block of them.

    Raises:
        ValueError: nobody wrote this.
    """
    if row[:1] != _BLOCK:
        return [row]
    try:
        plain, count = zlib.decompress(row[1 + _LENGTH :]), int.from_bytes(row[1 : 1 + _LENGTH], "little")
    except zlib.error as error:
        raise ValueError("no block of a spool") from error
    ends = range(0, count * _LENGTH, _LENGTH)
    lengths = [int.from_bytes(plain[end : end + _LENGTH], "little") for end in ends]
    width = max(lengths)
    padded, start = bytearray(count * width), count * _LENGTH
    for place in range(width):
        padded[place::width] = plain[start + place * count : start + (place + 1) * count]
    return [bytes(padded[at * width : at * width + length]) for at, length in enumerate(lengths)]
