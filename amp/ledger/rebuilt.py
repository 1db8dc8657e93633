"""A job as its entries alone make it: what store.lua keeps in its hash, made again to compare.

Fields: job.py, but that a cost is one amount here.
"""

from collections.abc import Mapping
from typing import NamedTuple

from amp.ledger import money
from amp.ledger.entries import (
    AGENT,
    DECISION,
    ENVIRONMENT,
    MADE,
    NAME,
    SQUAD,
    TYPE,
    VERSION,
    Amendment,
    Completion,
    Created,
    Entry,
    Metered,
    Metrics,
    ToolEvent,
)
from amp.ledger.job import KIND_OF, PARTS
from amp.ledger.types import NO_JOB

_STICKY = TYPE | ENVIRONMENT | AGENT | DECISION | NAME | VERSION | SQUAD
_SAID = {
    "n": "name",
    "t": "type",
    "v": "version",
    "e": "environment",
    "a": "agent",
    "p": "approach",
    "g": "group",
    "q": "squad",
    "r": "request",
}
_WORDS = {
    "c": "time of creation",
    "u": "time of its last change",
    "f": "time of its first event",
    "l": "time of its last event",
    "b": "source",
    "o": "positions of outcomes",
    "m": "positions of metrics",
    "S": "execution status",
    "Y": "outcome type",
    "V": "outcome value (1e-9)",
    "W": "outcome currency",
    "NC": "count of completions",
    "NT": "count of tool events",
    "UC": "count of unpriced completions",
    "UT": "count of unpriced tool events",
    "TI": "input tokens",
    "TO": "output tokens",
    "TT": "total tokens",
} | _SAID


class Difference(NamedTuple):
    """A field that is not what the entries make it."""

    field: str
    stored: str | None
    rebuilt: str | None

    def __str__(self) -> str:
        return f"{_words(self.field)} is {_shown(self.stored)}, its entries say {_shown(self.rebuilt)}"


class Rebuilt:
    """One job, entry by entry."""

    __slots__ = ("_costs", "_events", "_flags", "_said", "_sums")

    def __init__(self) -> None:
        self._flags = 0
        self._said: dict[str, str] = {}
        self._sums: dict[str, int] = {}
        self._costs: dict[str, int] = {}  # by letter and currency, as "M USD", in nanos
        self._events: tuple[int, int] | None = None

    def take(self, position: int, entry: Entry, flags: int) -> None:
        """The next entry of the job; `flags` are those of its side data."""
        if entry.job != NO_JOB:  # what has no job has sums in common and nothing else
            self._tell(entry, flags)
        if isinstance(entry, Completion):
            self._add_call(entry)
        elif isinstance(entry, ToolEvent):
            self._add_tool(entry)
        elif not isinstance(entry, Created):
            self._report(position, entry)

    def difference(self, stored: Mapping[str, str]) -> Difference | None:
        """The first field, in their order, in which the stored hash differs."""
        rebuilt, found = self._fields(), _joined(stored)
        if rebuilt == found:
            return None
        wrong = min(name for name in rebuilt.keys() | found if rebuilt.get(name) != found.get(name))
        return Difference(wrong, found.get(wrong), rebuilt.get(wrong))

    def _fields(self) -> dict[str, str]:
        found = self._said | {name: str(amount) for name, amount in self._sums.items()}
        for name, amount in self._costs.items():
            found[name] = money.text(amount)
        if self._events is not None:
            found["f"], found["l"] = map(str, self._events)
        return found

    def _tell(self, entry: Entry, flags: int) -> None:
        said = self._said
        said["u"] = str(entry.at_ms)
        if flags & MADE:
            said["c"] = said["u"]
            if not isinstance(entry, Created):
                said["b"] = "t"
        if flags & _STICKY != self._flags:
            self._flags = flags & _STICKY
            for letter, name in _SAID.items():
                if letter not in said and (value := getattr(entry, name, None)):
                    said[letter] = value
        elif flags & DECISION and "r" not in said and (request := getattr(entry, "request", None)):
            said["r"] = request  # an earlier release did not keep the first one

    def _add_call(self, entry: Completion) -> None:
        sums = self._sums
        _grow(sums, "NC", 1)
        self._cost(entry, "M", "UC")
        if entry.input_tokens:
            _grow(sums, "TI", entry.input_tokens)
        if entry.output_tokens:
            _grow(sums, "TO", entry.output_tokens)
        if entry.total_tokens:
            _grow(sums, "TT", entry.total_tokens)

    def _add_tool(self, entry: ToolEvent) -> None:
        _grow(self._sums, "NT", 1)
        self._cost(entry, "H" if entry.human else "T", "UT")

    def _cost(self, entry: Metered, letter: str, unpriced: str) -> None:
        if entry.cost_nanos is None:
            _grow(self._sums, unpriced, 1)
        else:
            _grow(self._costs, f"{letter} {entry.currency}", entry.cost_nanos)
        if entry.job != NO_JOB:
            at = entry.began_ms
            low, high = self._events or (at, at)
            self._events = (min(low, at), max(high, at))

    def _report(self, position: int, entry: Entry) -> None:
        said = self._said
        if isinstance(entry, Metrics):
            said["m"] = f"{said['m']} {position}" if "m" in said else str(position)
            return
        assert not isinstance(entry, Created | Completion | ToolEvent), "taken elsewhere"
        first = not isinstance(entry, Amendment) or "o" not in said
        said["o"] = str(position) if first else f"{said['o']} {position}"
        said["S"] = entry.status
        value = None if entry.value_nanos is None else str(entry.value_nanos)
        for letter, told in (("Y", entry.outcome), ("V", value), ("W", entry.currency)):
            if told:
                said[letter] = told
            else:
                said.pop(letter, None)


def _grow(sums: dict[str, int], name: str, amount: int) -> None:
    sums[name] = sums.get(name, 0) + amount


def _joined(stored: Mapping[str, str]) -> dict[str, str]:
    """The fields with units and nanos of each cost as one amount."""
    found: dict[str, str] = {}
    costs: dict[str, int] = {}
    for name, value in stored.items():
        if name[1:2] in PARTS and value.removeprefix("-").isdecimal():
            _grow(costs, f"{name[0]} {name[2:]}", int(value) * PARTS[name[1]])
        else:
            found[name] = value
    for name, amount in costs.items():
        found[name] = money.text(amount)
    return found


def _words(field: str) -> str:
    if field in _WORDS:
        return _WORDS[field]
    letter, _, currency = field.partition(" ")
    return f"{KIND_OF[letter]} cost in {currency}" if letter in KIND_OF and currency else f"field {field!r}"


def _shown(value: str | None) -> str:
    return "missing" if value is None else repr(value)
