"""The room's words: sessions, their events, outcomes, and what one step changes.

A session is four things, which one atomic write moves together:

head         what the caller said of it: agent, title, metadata. Changed by `update` and `archive`.
state        what the loop judges: status, outcomes, what waits to be processed. Small: each step writes it.
definitions  what an outcome asks for, one each; written once, never changed.
events       the log, 1, 2, 3, ...: never renumbered, never rewritten. An input that had to wait lies there
             twice with the same id: as it came (`processed_at` null), and again when it was processed.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from amp.grading.times import rfc3339

Event = dict[str, Any]
"""As on the wire: `type`, `id`, `processed_at` and the type's own fields."""

Status = Literal["rescheduling", "running", "idle", "terminated"]
Result = Literal[
    "pending", "running", "evaluating", "satisfied", "max_iterations_reached", "failed", "interrupted"
]
TERMINAL: frozenset[Result] = frozenset({"satisfied", "max_iterations_reached", "failed", "interrupted"})

EVENTS_MAX = 10_000
"""Of a session; who sends more is refused, the loop itself may finish what it has begun."""
EVENTS_OF_LOOP_MAX = 12_000
"""With so many in the log an agent begins nothing more."""
SESSION_BYTES_MAX = 64 << 20
"""Of a session's events and definitions; files are counted apart."""
OUTCOMES_MAX = 100
"""Of a session: each step writes their records."""
BATCH_MAX = 50
ITERATIONS, ITERATIONS_MAX = 3, 20
RUBRIC_LENGTH_MAX = 262_144
DESCRIPTION_LENGTH_MAX = 65_536


class Criterion(Struct, omit_defaults=True):
    """One numbered line of a frozen rubric."""

    id: int
    name: str
    check: str | None = None
    """What decides it by code, as it stands in the rubric after `check:`."""


class Mark(Struct, omit_defaults=True):
    """What a grading says of one criterion."""

    id: int
    name: str
    passed: bool
    gap: str = ""


class Usage(Struct):
    """Tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    def plus(self, other: "Usage") -> "Usage":
        return Usage(
            *(
                a + b
                for a, b in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
            )
        )


class Definition(Struct, omit_defaults=True):
    """What an outcome asks for, frozen when it was defined: a rubric that was a file is its text here."""

    outcome_id: str
    description: str
    rubric: str
    max_iterations: int = ITERATIONS
    criteria: list[Criterion] = []


class Outcome(Struct, omit_defaults=True):
    """Where one outcome is: the record of the session, without its description."""

    outcome_id: str
    max_iterations: int = ITERATIONS
    result: Result = "pending"
    iteration: int = 0
    explanation: str | None = None
    criteria: list[Mark] = []
    """Of the newest grading."""
    start_id: str = ""
    """Of the `span.outcome_evaluation_start` that has no end yet."""
    completed_at: str | None = None
    error: str | None = None

    @property
    def over(self) -> bool:
        return self.result in TERMINAL


class Waiting(Struct):
    """An input that is not processed yet; its content lies in the log at `seq`."""

    id: str
    type: str
    seq: int


class Sent(Struct):
    """A batch that was taken in lately: what a client that lost the answer asks for again."""

    at_us: int
    seqs: list[int]
    """Of the echoes."""


class State(Struct, omit_defaults=True):
    """What the loop judges."""

    status: Status = "idle"
    outcomes: list[Outcome] = []
    """In the order in which they were defined; at most one is under way, later ones are `pending`."""
    waiting: list[Waiting] = []
    at_us: int = 0
    """The time of the newest event: the next one's is later."""
    usage: Usage = msgspec.field(default_factory=Usage)
    active_us: int = 0
    running_since_us: int | None = None
    sent: dict[str, Sent] = {}
    """By the digest of the request."""
    loop: dict[str, Any] = {}
    """What the loop keeps for itself; nobody else reads it."""

    def active(self) -> Outcome | None:
        """The first outcome that is not over."""
        return next((each for each in self.outcomes if not each.over), None)


class Head(Struct, omit_defaults=True):
    """What the caller said of the session."""

    id: str
    agent: dict[str, Any]
    """The snapshot, as on the wire."""
    environment_id: str
    created_us: int
    updated_us: int
    title: str | None = None
    metadata: dict[str, str] = {}
    resources: list[dict[str, Any]] = []
    vault_ids: list[str] = []
    budget: dict[str, Any] | None = None
    archived_us: int | None = None
    agent_metadata: dict[str, str] = {}
    """The agent's own when the session was made: it names the grader."""


class Session(NamedTuple):
    """One reading of a session; `version` and `seq` are one with the rest."""

    version: int
    """Moves with every write; a write names the version it was thought on."""
    seq: int
    """Of the newest event; 0 when there is none."""
    head: Head
    state: State
    bytes: int = 0
    """Of its events and definitions."""


class Lease(NamedTuple):
    """The right to advance a session until its time is over; a later lease has a larger fence."""

    fence: int
    session: Session


class Change(NamedTuple):
    """What one step makes of a session. Every part that is None or empty stays as it is."""

    state: State
    events: Sequence[Event] = ()
    definitions: Sequence[Definition] = ()
    head: Head | None = None


class Pen:
    """Writes events down: gives them ids, strictly increasing times and the seq that they will have.

    Made by whoever holds the clock, from the session as it was read: `Pen(session.seq, session.state.at_us,
    now_us, new_id)`. `at_us` belongs into the state that is saved with the events.
    """

    def __init__(self, seq: int, last_us: int, now_us: int, new_id: Callable[[str], str]) -> None:
        self.seq = seq
        """Of the newest event that was written."""
        self.at_us = last_us
        self._now_us = now_us
        self.new_id = new_id
        """A new id of this kind: `new_id("outc")`."""

    def event(self, kind: str, **fields: Any) -> Event:
        """A new event, processed now."""
        return self._written({"type": kind, "id": self.new_id("sevt"), **fields, "processed_at": self.time()})

    def waiting(self, kind: str, **fields: Any) -> tuple[Event, Waiting]:
        """An input that is not processed yet, and its place in the queue."""
        event = self._written({"type": kind, "id": self.new_id("sevt"), **fields, "processed_at": None})
        return event, Waiting(event["id"], kind, self.seq)

    def processed(self, event: Event) -> Event:
        """An input that waited, as processed now: the same id again."""
        return self._written({**event, "processed_at": self.time()})

    def time(self) -> str:
        """Now, and later than any time before."""
        self.at_us = max(self.at_us + 1, self._now_us)
        return rfc3339(self.at_us)

    def _written(self, event: Event) -> Event:
        self.seq += 1
        return event
