"""From entries to what they change in the cells: each entry once, in its bucket's order.

What an entry changes is said by itself, by the side data the store's function put beside it, and by the job's
coordinates, which never change once they are set. Adding the changes of all entries in any order of buckets
and in pieces of any size gives what adding up the jobs gives.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from amp.ledger.cells import DAY_MS, Cell, Coordinates, Sums, add, after, spread, sums_of
from amp.ledger.entries import AGENT, BEFORE, DECISION, ENVIRONMENT, MADE, SQUAD, TYPE, Entry
from amp.ledger.job import State, read_state
from amp.ledger.side import Side
from amp.ledger.types import NO_JOB


class Told(NamedTuple):
    """An entry and what lies beside it."""

    entry: Entry
    side: Side


class Known(NamedTuple):
    """What the store has of a job's coordinates now, those that were set after an entry included."""

    day: int
    type: str | None
    environment: str | None
    agent: str | None
    approach: str | None
    group: str | None
    squad: str | None = None

    def at(self, flags: int) -> Coordinates:
        """Those that were set then."""
        decided = flags & DECISION
        return Coordinates(
            self.day,
            self.type if flags & TYPE else None,
            self.environment if flags & ENVIRONMENT else None,
            self.agent if flags & AGENT else None,
            self.approach if decided else None,
            self.group if decided else None,
            self.squad if flags & SQUAD else None,
        )


_NOTHING = State()
_Place = Coordinates | int
"""A job's coordinates, or the day of what has no job."""


def changes(told: Iterable[Told], known: Mapping[str, Known]) -> dict[Cell, Sums]:
    """What these entries add to the cells."""
    places: dict[_Place, Sums] = {}
    for entry, side in told:
        if entry.job == NO_JOB:
            sums = sums_of(after(_NOTHING, entry), decided=False)
            del sums["J"]
            add(places.setdefault(entry.at_ms // DAY_MS, {}), sums)
        else:
            _fold(places, entry, side, known[entry.job])
    cells: dict[Cell, Sums] = {}
    for place, sums in places.items():
        for cell, part in _spread(place, sums):
            add(cells.setdefault(cell, {}), part)
    return {cell: sums for cell, sums in cells.items() if sums}


def _fold(places: dict[_Place, Sums], entry: Entry, side: Side, job: Known) -> None:
    here = job.at(side.flags)
    decided = side.has(DECISION)
    if side.has(MADE):
        add(places.setdefault(here, {}), sums_of(after(_NOTHING, entry), decided=decided))
        return
    before = _NOTHING
    there = here
    if side.has(BEFORE):
        before, there = read_state(side.before), job.at(side.flags_before)
    # Without a state before nothing moves, and what an entry adds does not depend on what was there.
    add(places.setdefault(there, {}), sums_of(before, decided=there.approach is not None), -1)
    add(places.setdefault(here, {}), sums_of(after(before, entry), decided=decided))


def _spread(place: _Place, sums: Sums) -> Iterable[tuple[Cell, Sums]]:
    if isinstance(place, int):
        return ((Cell("none", None, None), sums), (Cell("none", None, place), sums))
    return spread(place, sums)
