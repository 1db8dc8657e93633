"""What is said of a decision, and by whom: the agent's own report, and other ways' words through the bridge.

All of them fill one row. Each way's newest word is kept beside the row, and the row is made of the words
alone: so it comes out the same in whatever order and however often they arrive (its time of report aside).

- The agent's final report goes first, then business outcomes, then grades, each by when its source was
  first heard; a word adds the signals that are not yet said.
- A word that contradicts what stands before it, in `started` or in `completed`, adds nothing. It is kept in
  the log and shown in the export. A satisfaction that is already said stands: another is no contradiction.
- A report of the agent that is not final is provisional. It goes last: where it contradicts, the others
  stand; what it alone says counts. A later step or the final report takes its place, and the row is made
  anew.
- A later step of the same source (a correction) takes its earlier word back and is weighed in its place. One
  that says nothing leaves a row that nobody else spoke of started and without a verdict, which is neutral:
  the interaction was counted, and stays counted.
- At most 16 sources speak of a decision; further ones are refused, so there the order of arrival matters, as
  it does among two reports of the agent of one rank, of which the second is a 409.

Layout: store.lua, `WORD`.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from hashlib import blake2b
from typing import Literal, NamedTuple

from amp.learning import rows
from amp.learning.types import Signals
from amp.tenancy import Tenant

Verdict = Literal["new", "replaced", "filled", "replay", "conflict", "expired"]
Taught = Literal[
    "new", "filled", "agreed", "contradicted", "overruled", "nothing", "replay", "full", "expired"
]
"""What came of another way's word: store.lua, `teach`."""

STEP_MAX = 2**48 - 1
_WORD = struct.Struct("<B6sIHIHBH")


class Way(IntEnum):
    """Who spoke, in the order in which they are weighed."""

    AGENT = 0
    BUSINESS = 1
    GRADED = 2


class Report(NamedTuple):
    """One outcome to store."""

    tenant: Tenant
    user: str
    row: bytes
    alias: bytes
    """Random; names the user in the event log if this is the first that is heard of them."""
    task_type: str
    metadata: bytes
    window_ms: int | None = None
    """The tenant's own outcome window; None is the store's."""
    excluded: int = 0
    shadow: int | None = None
    """Both as in `Decision`: the log keeps them, so that the decision can be made again."""


class Event(NamedTuple):
    """One entry of the log."""

    id: str
    row: bytes
    metadata: bytes
    excluded: int = 0
    shadow: int | None = None
    way: Way = Way.AGENT
    against: bool = False
    """The word contradicts what stands and counts in nothing; `row` is what it alone would make."""


def packed(way: Way, source: str, signals: Signals | None, *, first_ms: int, step: int) -> bytes:
    """The word of a source, which is a job or a graded outcome; None is that it says nothing any more.

    `first_ms` is when the source was first heard, of all that is said in its name the earliest counts.
    """
    said = signals or Signals(started=False)
    return _WORD.pack(
        way,
        blake2b(source.encode(), digest_size=6).digest(),
        first_ms & 0xFFFFFFFF,
        first_ms >> 32,
        step & 0xFFFFFFFF,
        step >> 32,
        rows.signal_bits(said) if signals else 0,
        round((said.satisfaction or 0.0) * rows.SATISFACTION_SCALE),
    )


def beside(report: Report) -> list[str]:
    """What the log keeps of a decision beside its row, as names and values in turn."""
    excluded = ["x", str(report.excluded)] if report.excluded else []
    return excluded if report.shadow is None else [*excluded, "s", str(report.shadow)]


def event(event_id: bytes, of: Mapping[bytes, bytes]) -> Event:
    """An entry as the log holds it."""
    shadow = int(of[b"s"]) if b"s" in of else None
    told = (of.get(b"m", b""), int(of.get(b"x", b"0")), shadow, Way(int(of.get(b"w", b"0"))))
    return Event(event_id.decode(), of.get(b"r") or of[b"k"], *told, b"k" in of)
