"""Where chains ended, and when: authenticated lines for a file outside the store.

    HMAC-SHA256(key, HMAC of the line before . text), hexadecimal, a space, the text, a newline

The text is JSON: ms since 1970, then the heads that changed, by tenant and bucket. The HMAC before a file's
first line is 32 zero bytes. A line that was altered or forged does not hold, and neither does the one after a
line that was taken out; what comes later still does. The key is derived from the service's secret, so whoever
can write the file and the store but does not know the secret cannot make both agree.
"""

import hmac
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from amp.ledger.chain import Head

MAC_BYTES = 32
FIRST = bytes(MAC_BYTES)
"""What the first line follows."""

Place = tuple[str, int]
"""A tenant's tag and a bucket."""
Text = tuple[int, dict[str, dict[int, tuple[int, bytes]]]]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Text)
_PACKED = struct.Struct(">QH20s")


class Line(NamedTuple):
    """What one line says."""

    at_ms: int
    heads: dict[str, dict[int, tuple[int, bytes]]]


class Recorded(NamedTuple):
    """A head as a file has it."""

    head: Head
    file: str


def key_of(secret: bytes) -> bytes:
    """The key of the lines, from the service's secret."""
    return HKDF(SHA256(), 32, None, b"amp ledger chain heads").derive(secret)


def line(key: bytes, after: bytes, at_ms: int, heads: Mapping[Place, Head]) -> bytes:
    """A line that follows the one with this HMAC."""
    by_tenant: dict[str, dict[int, tuple[int, bytes]]] = {}
    for (tag, bucket), head in heads.items():
        by_tenant.setdefault(tag, {})[bucket] = (head.length, head.link)
    text = _encoder.encode((at_ms, by_tenant))
    return b"%s %s\n" % (_mac(key, after, text).hex().encode(), text)


def mac_of(raw: bytes) -> bytes | None:
    """The HMAC that a line carries; None when it carries none."""
    try:
        mac = bytes.fromhex(raw[: 2 * MAC_BYTES].decode())
    except ValueError:
        return None
    return mac if len(mac) == MAC_BYTES and raw[2 * MAC_BYTES : 2 * MAC_BYTES + 1] == b" " else None


def read(key: bytes, lines: Iterable[bytes]) -> Iterator[Line | None]:
    """What each line says; None when it does not hold. A last line without its end is still being written."""
    after = FIRST
    for raw in lines:
        if not raw.endswith(b"\n"):
            return
        mac, text = mac_of(raw), raw[2 * MAC_BYTES + 1 : -1]
        written = _mac(key, after, text).hex().encode()  # as text: hexadecimal has other spellings
        if mac is None or not hmac.compare_digest(raw[: 2 * MAC_BYTES], written):
            yield None
        else:
            yield Line(*_decoder.decode(text))
        after = mac or FIRST


class Evidence:
    """Every head that some line holds, 30 bytes each."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.lines = 0
        self.newest_ms: dict[str, int] = {}
        """When each tenant's last head was written."""
        self.unheld: list[tuple[str, int]] = []
        """Files, and the number of a line that does not hold: at most one a file, the first."""
        self._heads: dict[Place, bytearray] = {}

    def add(self, file: str, lines: Iterable[Line | None]) -> None:
        """Takes a file in."""
        number, unheld = len(self.files), False
        self.files.append(file)
        for at, each in enumerate(lines, 1):
            if each is not None:
                self._take(number, each)
            elif not unheld:
                unheld = True
                self.unheld.append((file, at))

    def tenants(self) -> set[str]:
        return {tag for tag, _ in self._heads}

    def of(self, tag: str, bucket: int) -> list[Recorded]:
        """The heads of one chain, the shortest first, none twice from one file."""
        packed = set(_PACKED.iter_unpack(self._heads.get((tag, bucket), b"")))
        return [Recorded(Head(length, link), self.files[file]) for length, file, link in sorted(packed)]

    def _take(self, number: int, found: Line) -> None:
        self.lines += 1
        for tag, heads in found.heads.items():
            self.newest_ms[tag] = max(found.at_ms, self.newest_ms.get(tag, 0))
            for bucket, (length, link) in heads.items():
                self._heads.setdefault((tag, bucket), bytearray()).extend(_PACKED.pack(length, number, link))


def _mac(key: bytes, after: bytes, text: bytes) -> bytes:
    return hmac.digest(key, after + text, "sha256")
