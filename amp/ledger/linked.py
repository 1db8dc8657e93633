"""Where a job's entries stand in the chain of their bucket, so that anybody can compute their links again."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from amp.clock import iso
from amp.ledger.chain import EMPTY, Head, Stored, digest, follow
from amp.ledger.entries import Amendment, Completion, Created, Entry, Metrics, Outcome, ToolEvent, unpack

EntryKind = Literal["created", "completion", "tool-event", "outcome", "amendment", "metrics"]
_KINDS: dict[type[Entry], EntryKind] = {
    Created: "created",
    Completion: "completion",
    ToolEvent: "tool-event",
    Outcome: "outcome",
    Amendment: "amendment",
    Metrics: "metrics",
}


class LinkRow(Struct, rename="camel", frozen=True):
    """An entry: link = SHA-1(previous link . hash . side data), all three as bytes."""

    entry: str
    """The bucket and the entry's number in it, as receipts name it."""
    position: int
    kind: EntryKind
    at: str
    key_id: str
    """Of the key that sent it."""
    hash: str
    """SHA-256 of the entry."""
    side_data: str
    previous_link: str
    link: str
    holds: bool
    """The link follows from the three."""


class ChainEnd(Struct, frozen=True):
    """How many entries a chain has, and the link that it ends with."""

    length: int
    link: str


class JobChain(Struct, rename="camel", frozen=True):
    """GET /v1/ledger/jobs/{agenticJobId}/chain: hexadecimal bytes."""

    bucket: int
    head: ChainEnd
    links: list[LinkRow]
    total_count: int


class Neighbours(NamedTuple):
    """An entry, and the one before it; None before the first."""

    entry: Stored
    before: Stored | None


def job_chain(bucket: int, head: Head, found: Iterable[Neighbours], count: int) -> JobChain:
    """One page of a job's entries, of so many."""
    links = [_row(bucket, each) for each in found]
    return JobChain(bucket, ChainEnd(head.length, head.link.hex()), links, count)


def paired(positions: Sequence[int], stored: dict[int, Stored]) -> list[Neighbours]:
    """The entries at these positions with those before them."""
    return [Neighbours(stored[each], stored.get(each - 1)) for each in positions]


def _row(bucket: int, each: Neighbours) -> LinkRow:
    entry, before = each
    previous = before.link if before else EMPTY.link
    of = unpack(entry.entry)
    first = before is None and entry.position != 1  # the entry before is missing, which is damage
    return LinkRow(
        entry=f"{bucket}-{entry.position}",
        position=entry.position,
        kind=_KINDS[type(of)],
        at=iso(of.at_ms),
        key_id=of.by,
        hash=digest(entry.entry).hex(),
        side_data=entry.side.hex(),
        previous_link=previous.hex(),
        link=entry.link.hex(),
        holds=not first and follow(previous, entry.entry, entry.side) == entry.link,
    )
