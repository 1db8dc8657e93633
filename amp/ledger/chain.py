"""The chain of a bucket's entries: each link is made of the one before, so none can change unseen.

    link = SHA-1(link before . SHA-256(entry) . side data), the first link before being 20 zero bytes

The service hashes the entry with SHA-256; the store's function, which alone knows what came before, can only
hash with SHA-1. That is enough: who wants to change or take out an entry and keep a later link has to find
another input of SHA-1 to a link that stands, a second preimage, which nobody can (2^160 tries; the known
attacks find two inputs of the attacker's own making that agree). To make such a pair in advance, somebody
would need free bytes in what is hashed: SHA-256 leaves none, and side data is flags and figures.
"""

from collections.abc import Iterable
from hashlib import sha1, sha256
from typing import NamedTuple

LINK_BYTES = 20


class Head(NamedTuple):
    """How many entries a chain has, and the link that it ends with."""

    length: int
    link: bytes


EMPTY = Head(0, bytes(LINK_BYTES))


class Stored(NamedTuple):
    """An entry as it lies in the store."""

    position: int
    """From 1, without a gap."""
    entry: bytes
    side: bytes
    link: bytes


class Break(NamedTuple):
    """The first entry that is not what was written."""

    position: int
    reason: str


def digest(entry: bytes) -> bytes:
    """What the link knows of an entry."""
    return sha256(entry).digest()


def follow(link: bytes, entry: bytes, side: bytes) -> bytes:
    """The link after this one."""
    return sha1(link + sha256(entry).digest() + side, usedforsecurity=False).digest()


def verify(entries: Iterable[Stored], start: Head = EMPTY) -> Head | Break:
    """Walks a run of entries that follows `start`: the head that it ends with, or the first that is wrong."""
    length, link = start
    for position, entry, side, stored in entries:
        if position != length + 1:
            return Break(length + 1, f"is missing: {position} comes next")
        link = sha1(link + sha256(entry).digest() + side, usedforsecurity=False).digest()
        if link != stored:
            return Break(position, "is not what was written: its link does not follow from it")
        length = position
    return Head(length, link)


def read_head(raw: bytes | None) -> Head:
    """A bucket's head as the store has it."""
    return Head(int(raw[LINK_BYTES:]), raw[:LINK_BYTES]) if raw else EMPTY


def close(found: Head | Break, stored: Head) -> Break | None:
    """What is wrong with a whole chain, by the head that the store keeps beside it; None is nothing."""
    if isinstance(found, Break):
        return found
    if found.length < stored.length:
        return Break(found.length + 1, f"is missing: the chain's head is at {stored.length}")
    if found != stored:
        return Break(found.length, "is not the end that the head tells of")
    return None
