"""What is in a backup, in its order: a tar of these, gzipped.

amp-backup.json        which format it is: a reader stops here at one that it does not know
files/TENANT.ENV/ID    the bytes of uploaded and delivered files
ledger/heads-N.log     where the ledger's chains ended, a moment before the store's snapshot
secret                 what keys and request ids are sealed with, unless it was left out
store.rdb.00000 ...    the store's snapshot in the RDB format, in pieces: `cat store.rdb.*` is the whole
files/...              those that came while the snapshot was made
manifest.json          when, of what, and the size and SHA-256 of each part: without it, a backup is cut
"""

import hmac
import re

from msgspec import Struct

FORMAT = 1
HEADER, MANIFEST = "amp-backup.json", "manifest.json"
SECRET, STORE = "secret", "store.rdb"
PIECE_BYTES = 8 << 20
"""Of the snapshot, whose size nobody knows before its end: a tar wants it first."""
_PART = re.compile(
    r"files/[a-z0-9-]{1,32}\.(?:live|test)/file_\w{1,200}|ledger/heads-[\w.-]{1,200}\.log|secret|store\.rdb\.\d{5,9}",
    re.ASCII,
)


class Header(Struct, rename="camel"):
    """The first part."""

    format: int
    amp: str
    """The version that wrote it."""


class Part(Struct, rename="camel"):
    """One file in a backup."""

    name: str
    bytes: int
    sha256: str


class Manifest(Struct, rename="camel"):
    """The last part: what the others are."""

    format: int
    amp: str
    server: str
    """Which store it comes from: `Valkey 9.1.2`."""
    durability: str
    """How safe what it acknowledged was: `always`, `everysec` and so on."""
    began_at: str
    """By the store's clock, before anything was read."""
    snapshot_at: str | None
    """The moment that it is of, to the second, by the store's clock."""
    rdb: str
    """The snapshot's format."""
    database: int
    keys: int | None
    """In the snapshot; null where its beginning does not tell."""
    secret: str
    """A fingerprint: whether a secret is the one, without telling it."""
    has_secret: bool
    parts: list[Part]

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.parts)

    def under(self, folder: str) -> list[Part]:
        """The parts whose names begin so."""
        return [each for each in self.parts if each.name.startswith(folder)]


def fingerprint(secret: str) -> str:
    """Of a service's secret: the same for the same one; nobody finds the secret from it."""
    return hmac.digest(secret.encode(), b"amp backup", "sha256").hex()[:32]


def piece(number: int) -> str:
    """The name of a piece of the snapshot."""
    return f"{STORE}.{number:05}"


def is_part(name: str) -> bool:
    """Whether a backup may hold it: whoever made the file cannot make us write elsewhere."""
    return _PART.fullmatch(name) is not None
