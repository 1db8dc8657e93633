"""How a request came, and what a session remembers of it: one that comes again is not taken in twice."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from amp.grading.types import Change, Event, Sent
from amp.tenancy import Access

_SENT_MAX = 8


class Sending(NamedTuple):
    """How a request came: what tells it from another, and whether it comes again."""

    body: bytes
    again: bool = False
    """The client says that it sent the same before and heard no answer."""
    key: str | None = None
    """The caller's own name for it: then it is the same whenever it comes."""

    def digest(self, access: Access) -> str:
        told = self.key.encode() if self.key else self.body
        return blake2b(told, digest_size=12, key=f"{access.key_id}".encode()).hexdigest()

    @property
    def repeats(self) -> bool:
        return self.again or self.key is not None


def remembering(change: Change, digest: str, seq: int, echoes: Sequence[Event]) -> Change:
    """The change, and which of its events answered this request."""
    places = {id(event): seq + number for number, event in enumerate(change.events, 1)}
    by_name = {(event.get("id"), event.get("processed_at")): places[id(event)] for event in change.events}
    seqs = [by_name.get((each.get("id"), each.get("processed_at"))) for each in echoes]
    if None in seqs:
        return change
    kept = list(change.state.sent.items())[-(_SENT_MAX - 1) :]
    sent = {**dict(kept), digest: Sent(change.state.at_us, [each for each in seqs if each is not None])}
    return change._replace(state=msgspec.structs.replace(change.state, sent=sent))
