"""Checks one bucket: its chain, the heads that were recorded of it, and what its jobs' hashes must be."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from amp.ledger.chain import EMPTY, LINK_BYTES, Break, Head, Stored, verify
from amp.ledger.entries import unpack
from amp.ledger.heads import Recorded
from amp.ledger.rebuilt import Rebuilt
from amp.ledger.side import read_flags

STORE = "the store"
"""Where the head comes from that lies beside the chain."""

_CUT = "Entries cut from a chain's end after its last head was written: each second, and at a clean end."
_BOTH = "What was cut from the ends of chains and of the head files alike."
_KNOWS = "Changes by somebody who knows the service's secret and can write both store and head files."
UNSEEN = (_CUT, _BOTH, _KNOWS)
"""What no walk can find."""


class Finding(NamedTuple):
    """Something that is not what was written."""

    tenant: str
    """Its tag; empty when it is about a file of heads."""
    bucket: int | None
    position: int | None
    """Of the entry in its bucket: its stream id is `position-0`."""
    job: str | None
    what: str


class Walked(NamedTuple):
    """What was found of one tenant."""

    entries: int
    chains: int
    jobs: int
    busy: int
    """Jobs whose hash could not be compared, for they were written to each time."""
    heads: int
    """On file, and part of their chain."""
    findings: list[Finding]
    """The first of each bucket, in the buckets' order."""


class Audit:
    """One bucket, page by page."""

    def __init__(self, tag: str, bucket: int, stored: Head, recorded: Sequence[Recorded]) -> None:
        self._tag = tag
        self._bucket = bucket
        self._link = EMPTY.link
        beside = [Recorded(stored, STORE)] if stored.length else []
        self._recorded = sorted([*recorded, *beside], key=lambda each: each.head.length, reverse=True)
        self.length = 0
        """Entries that hold."""
        self.jobs: dict[str, Rebuilt] = {}
        self.on_file = 0
        """Heads on file that agree."""
        self.finding: Finding | None = None
        """The first thing that is wrong; nothing after it is looked at."""

    def take(self, page: Sequence[Stored]) -> None:
        """The entries that come next."""
        start = self.length
        found = verify(page, Head(start, self._link))
        whole = page[: found.position - 1 - start] if isinstance(found, Break) else page
        if self._rebuild(whole) and self._agree(start, whole) and isinstance(found, Break):
            job = None
            for each in page[len(whole) : len(whole) + 1]:
                job = _job(each) if each.position == found.position else None
            self._found(found.position, job, f"the entry {found.reason}")

    def close(self, stored: Head) -> None:
        """No entry comes any more; `stored` is the store's head as it was read after the last one."""
        if self.finding is None and self._recorded:
            head, file = self._recorded[0]  # the longest
            said = f"{file} has a head of {head.length:,} entries"
            self._found(self.length + 1, None, f"the entry is missing: {said}, the chain has {self.length:,}")
        if self.finding is None and stored.length < self.length:
            self._found(stored.length + 1, None, f"the store's head is at {stored.length}, entries go on")

    def wrong(self, job: str | None, what: str) -> None:
        """Something beside the chain is not what the entries make it."""
        if self.finding is None:
            self._found(None, job, what)

    def _rebuild(self, entries: Iterable[Stored]) -> bool:
        jobs = self.jobs
        for position, raw, side, link in entries:
            try:
                entry = unpack(raw)
            except msgspec.DecodeError as error:
                self._found(position, None, f"the entry cannot be read: {error}")
                return False
            job = jobs.get(entry.job)
            if job is None:
                job = jobs[entry.job] = Rebuilt()
            job.take(position, entry, read_flags(side))
            self.length, self._link = position, link
        return True

    def _agree(self, start: int, page: Sequence[Stored]) -> bool:
        """Whether the recorded heads up to here are links of this chain."""
        waiting = self._recorded
        while waiting and waiting[-1].head.length <= self.length:
            head, file = waiting.pop()
            entry = page[head.length - start - 1] if head.length > start else None
            if entry is None or entry.link != head.link:
                what = (
                    f"another entry was here: {file} has a head of {head.length:,} entries with another link"
                )
                self._found(head.length, entry and _job(entry), what)
                return False
            self.on_file += file != STORE
        return True

    def _found(self, position: int | None, job: str | None, what: str) -> None:
        if self.finding is None:
            self.finding = Finding(self._tag, self._bucket, position, job, what)


def stored_page(page: Sequence[tuple[bytes, Sequence[bytes]]]) -> list[Stored]:
    """Entries as XRANGE gives them; one of another shape gets a link that no entry has."""
    return [_stored(entry_id, flat) for entry_id, flat in page]


def _stored(entry_id: bytes, flat: Sequence[bytes]) -> Stored:
    position, _, rest = entry_id.partition(b"-")
    if (
        len(flat) == 6
        and flat[0] == b"e"
        and flat[2] == b"s"
        and flat[4] == b"l"
        and rest == b"0"
        and flat[3]
    ):
        return Stored(int(position), flat[1], flat[3], flat[5])
    of = dict(zip(flat[::2], flat[1::2], strict=True))
    return Stored(int(position), of.get(b"e", b""), of.get(b"s", b""), b"\xff" * (LINK_BYTES + 1))


def _job(entry: Stored) -> str | None:
    try:
        return unpack(entry.entry).job or None
    except msgspec.DecodeError:
        return None
