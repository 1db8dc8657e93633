"""What reports are made of: exact sums over jobs, a cell for each value of a dimension, and each day of it.

A job lies in the cells of its coordinates. A coordinate is set once and never changes, but it may be set
late: then the job, with all that was counted of it, moves.

Sums are whole numbers by name; a sum that is 0 has no name. The names:

    J      jobs                         R   of them with an outcome
    S:x    with execution status x      Y:x   with outcome type x
    SC SD  with SUCCESS and CONVERTED, with SUCCESS and DEFLECTED
    EH     ESCALATED without cost of people, though a person must have worked
    V:c    value in nanos of currency c
    M:c T:c H:c   cost of models, of other tools, of people
    NC NT  completions, tool events     UC UT  those of them without a price
    TI TO TT   input, output, total tokens

and in the cells of approaches, groups and squads, for intervals: VV:c, CC:c:d, VC:c:d, the sums over jobs of
the squared value, and of the products of two costs, and of a value and a cost, in nanos squared; and JD, how
many jobs these are of. Only jobs that follow a decision have them: a record tells the job's sums before it
only there (entries.py), and what it adds to a square depends on them. A squad may have other jobs too.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Literal, NamedTuple

import msgspec

from amp.ledger.entries import Amendment, Completion, Entry, Outcome, ToolEvent
from amp.ledger.job import LETTERS, State
from amp.ledger.types import KINDS, Kind

DAY_MS = 86_400_000

Dimension = Literal["all", "type", "environment", "agent", "squad", "approach", "group", "none"]
"""`none` holds what was metered without a job."""
Sums = dict[str, int]


class Cell(NamedTuple):
    """Where sums belong."""

    dimension: Dimension
    value: str | None
    """None: jobs without this coordinate; and in `all` and `none`."""
    day: int | None
    """UTC day since 1970 of the job's creation; None: all days together."""


class Coordinates(NamedTuple):
    """What a job is counted under; None: not told (yet)."""

    day: int
    type: str | None = None
    environment: str | None = None
    agent: str | None = None
    approach: str | None = None
    group: str | None = None
    squad: str | None = None

    def cells(self) -> Iterator[Cell]:
        """The cells that the job lies in."""
        for day in (None, self.day):
            yield Cell("all", None, day)
            yield Cell("type", self.type, day)
            yield Cell("environment", self.environment, day)
            yield Cell("agent", self.agent, day)
            if self.squad is not None:
                yield Cell("squad", self.squad, day)
            if self.approach is not None:
                yield Cell("approach", self.approach, day)
            if self.group is not None:
                yield Cell("group", self.group, day)


def spread(here: Coordinates, sums: Sums) -> Iterator[tuple[Cell, Sums]]:
    """What goes into each of the job's cells: squares only where reports may tell intervals."""
    others = plain(sums)
    for cell in here.cells():
        yield cell, sums if cell.dimension in {"approach", "group", "squad"} else others


def plain(sums: Sums) -> Sums:
    """The sums without squares, and without the count of jobs that they are of."""
    return {name: value for name, value in sums.items() if name[:2] not in _SQUARES}


_SQUARES = {"VV", "CC", "VC", "JD"}


def sums_of(state: State, *, decided: bool) -> Sums:
    """What a job adds to each of its cells."""
    sums: Sums = {"J": 1}
    if state.status is not None:
        sums["R"] = 1
        sums[f"S:{state.status}"] = 1
        if state.outcome is not None:
            sums[f"Y:{state.outcome}"] = 1
        sums |= _combined(state)
    if state.value_nanos and state.currency:
        sums[f"V:{state.currency}"] = state.value_nanos
    for (kind, currency), nanos in state.cost_nanos.items():
        if nanos:
            sums[f"{LETTERS[kind]}:{currency}"] = nanos
    for name, count in _counts(state):
        if count:
            sums[name] = count
    return sums | _moments(state) if decided else sums


def _counts(state: State) -> Iterator[tuple[str, int]]:
    yield "NC", state.completions
    yield "NT", state.tool_events
    yield "UC", state.unpriced_completions
    yield "UT", state.unpriced_tool_events
    yield "TI", state.input_tokens
    yield "TO", state.output_tokens
    yield "TT", state.total_tokens


def _combined(state: State) -> Sums:
    if state.status == "SUCCESS" and state.outcome in {"CONVERTED", "DEFLECTED"}:
        return {"S" + state.outcome[0]: 1}
    if state.outcome == "ESCALATED" and not any(
        nanos for (kind, _), nanos in state.cost_nanos.items() if kind == "human"
    ):
        return {"EH": 1}
    return {}


def _moments(state: State) -> Sums:
    costs: Sums = {}
    for (_, currency), nanos in state.cost_nanos.items():
        costs[currency] = costs.get(currency, 0) + nanos
    sums = {f"CC:{one}:{other}": costs[one] * costs[other] for one, other in product(sorted(costs), repeat=2)}
    if state.value_nanos and state.currency:
        sums[f"VV:{state.currency}"] = state.value_nanos**2
        sums |= {f"VC:{state.currency}:{c}": state.value_nanos * nanos for c, nanos in costs.items()}
    return {"JD": 1} | {name: value for name, value in sums.items() if value}


def escalated_unmetered(state: State) -> bool:
    """Whether a person took over whose time nobody metered: the job's ROI is too high."""
    return "EH" in _combined(state)


def after(state: State, entry: Entry) -> State:
    """The job's state once this entry is in."""
    match entry:
        case Completion():
            return replace(
                state,
                cost_nanos=_with_cost(state, "model", entry.currency, entry.cost_nanos),
                completions=state.completions + 1,
                unpriced_completions=state.unpriced_completions + (entry.cost_nanos is None),
                input_tokens=state.input_tokens + entry.input_tokens,
                output_tokens=state.output_tokens + entry.output_tokens,
                total_tokens=state.total_tokens + entry.total_tokens,
            )
        case ToolEvent():
            kind: Kind = "human" if entry.human else "tool"
            return replace(
                state,
                cost_nanos=_with_cost(state, kind, entry.currency, entry.cost_nanos),
                tool_events=state.tool_events + 1,
                unpriced_tool_events=state.unpriced_tool_events + (entry.cost_nanos is None),
            )
        case Outcome() | Amendment():
            return replace(
                state,
                status=entry.status,
                outcome=entry.outcome,
                value_nanos=entry.value_nanos,
                currency=entry.currency,
            )
        case _:
            return state


def _with_cost(state: State, kind: Kind, currency: str, nanos: int | None) -> dict[tuple[Kind, str], int]:
    if not nanos:
        return state.cost_nanos
    costs = dict(state.cost_nanos)
    costs[kind, currency] = costs.get((kind, currency), 0) + nanos
    return costs


def add(into: Sums, sums: Mapping[str, int], sign: int = 1) -> None:
    """Adds, or with -1 takes away; what comes to 0 loses its name, so that equal sums look equal."""
    for name, value in sums.items():
        total = into.get(name, 0) + sign * value
        if total:
            into[name] = total
        else:
            into.pop(name, None)


def together(many: Iterable[Mapping[str, int]]) -> Sums:
    """The sum of sums."""
    total: Sums = {}
    for each in many:
        add(total, each)
    return total


def money(sums: Mapping[str, int], letter: str) -> dict[str, int]:
    """Nanos by currency of one kind of amount: V, M, T or H."""
    return {name[2:]: value for name, value in sums.items() if name[:2] == letter + ":"}


COST_LETTERS = tuple(LETTERS[kind] for kind in KINDS)

_keys = msgspec.json.Decoder(tuple[Dimension, str | None, int | None])
_sums = msgspec.msgpack.Decoder(dict[str, int | str])
_INT64 = 1 << 63


def cell_name(cell: Cell) -> bytes:
    """The cell's name in the store."""
    return msgspec.json.encode(cell)


def named_cell(name: bytes) -> Cell:
    """The cell of this name."""
    return Cell(*_keys.decode(name))


def pack(sums: Mapping[str, int]) -> bytes:
    """The sums as they are stored; what 64 bits cannot hold is text. Equal sums are equal bytes."""
    return msgspec.msgpack.encode(
        {name: value if abs(value) < _INT64 else str(value) for name, value in sorted(sums.items())}
    )


def unpack(raw: bytes) -> Sums:
    """The sums."""
    return {name: int(value) for name, value in _sums.decode(raw).items()}
