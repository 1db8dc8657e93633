"""A job as its hash in the store has it, and as the room reads it.

Fields of the hash in small letters never count in a report's sums:

    c u   created, updated          f l   first and last event, ms since 1970
    n t v e a   name, type, version, environment, agent       p g   approach, group of its decision
    q     squad
    o     positions of its outcome and amendments, spaced     m     positions of its metrics
    b     `t` when what made it was metered, and not a call that creates

Those with a capital letter are its state, which side data repeats (entries.py):

    S Y V W     status, type, value in nanos and currency of the outcome in force
    M:USD M.USD cost of models in units and nanos, and so for T tools, H people; either may miss
    NC NT       how many completions and tool events      UC UT   how many of them have no price
    TI TO TT    input, output and total tokens
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from amp.ledger import money
from amp.ledger.entries import Completion, Metered
from amp.ledger.types import Kind

LETTERS: dict[Kind, str] = {"model": "M", "tool": "T", "human": "H"}
KIND_OF: dict[str, Kind] = {letter: kind for kind, letter in LETTERS.items()}
PARTS = {":": money.NANOS, ".": 1}


@dataclass(frozen=True, slots=True)
class State:
    """What reports count of a job."""

    status: str | None = None
    outcome: str | None = None
    value_nanos: int | None = None
    currency: str | None = None
    cost_nanos: dict[tuple[Kind, str], int] = field(default_factory=dict[tuple[Kind, str], int])
    """By kind and currency."""
    completions: int = 0
    tool_events: int = 0
    unpriced_completions: int = 0
    unpriced_tool_events: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work, what it cost and what came of it."""

    id: str
    created_ms: int
    updated_ms: int
    first_event_ms: int | None
    last_event_ms: int | None
    name: str | None
    type: str | None
    version: str | None
    environment: str | None
    agent: str | None
    squad: str | None
    approach: str | None
    group: str | None
    by_telemetry: bool
    """A metered record made it."""
    outcomes: tuple[int, ...]
    """Positions of the outcome and its amendments in the bucket's entries."""
    metrics: tuple[int, ...]
    state: State

    @property
    def amendments(self) -> int:
        return max(0, len(self.outcomes) - 1)


def read_state(of: Mapping[str, str]) -> State:
    """The state in a job's hash, or in side data."""
    costs: dict[tuple[Kind, str], int] = {}
    for name, amount in of.items():
        if name[1:2] in PARTS:
            coordinate = KIND_OF[name[0]], name[2:]
            costs[coordinate] = costs.get(coordinate, 0) + int(amount) * PARTS[name[1]]
    return State(
        status=of.get("S"),
        outcome=of.get("Y"),
        value_nanos=_number(of.get("V")),
        currency=of.get("W"),
        cost_nanos=costs,
        completions=int(of.get("NC", "0")),
        tool_events=int(of.get("NT", "0")),
        unpriced_completions=int(of.get("UC", "0")),
        unpriced_tool_events=int(of.get("UT", "0")),
        input_tokens=int(of.get("TI", "0")),
        output_tokens=int(of.get("TO", "0")),
        total_tokens=int(of.get("TT", "0")),
    )


def read_job(job: str, of: Mapping[str, str]) -> Job | None:
    """The job in its hash; None when there is none."""
    if "c" not in of:
        return None
    return Job(
        id=job,
        created_ms=int(of["c"]),
        updated_ms=int(of["u"]),
        first_event_ms=_number(of.get("f")),
        last_event_ms=_number(of.get("l")),
        name=of.get("n"),
        type=of.get("t"),
        version=of.get("v"),
        environment=of.get("e"),
        agent=of.get("a"),
        squad=of.get("q"),
        approach=of.get("p"),
        group=of.get("g"),
        by_telemetry="b" in of,
        outcomes=_positions(of.get("o", "")),
        metrics=_positions(of.get("m", "")),
        state=read_state(of),
    )


def added(of: Metered) -> list[str | int]:
    """What the entry adds to its job: fields above, then a whole number for each."""
    call = isinstance(of, Completion)
    letter = LETTERS["model" if call else "human" if of.human else "tool"]
    sums = {"NC" if call else "NT": 1}
    if of.cost_nanos is None:
        sums["UC" if call else "UT"] = 1
    else:
        units, rest = money.split(of.cost_nanos)
        if units or not rest:  # nothing at all is said once
            sums[f"{letter}:{of.currency}"] = units
        if rest:
            sums[f"{letter}.{of.currency}"] = rest
    if call:
        tokens = {"TI": of.input_tokens, "TO": of.output_tokens, "TT": of.total_tokens}
        sums |= {name: count for name, count in tokens.items() if count}
    return [*sums, *sums.values()]


def _number(raw: str | None) -> int | None:
    return None if raw is None else int(raw)


def _positions(raw: str) -> tuple[int, ...]:
    return tuple(int(each) for each in raw.split())
