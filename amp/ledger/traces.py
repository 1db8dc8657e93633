"""From a job's records to its runs: traces, each with what it used.

A cost counts in the trace whose record it is. What came of the job, and the job itself, count once, in the
trace that worked on it last: so the rows of a report by trace add up to the jobs, to the last nano, and an
attempt that had to be made again is pure cost. A trace has the type that its first typed record says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from amp.ledger.cells import Sums, after, escalated_unmetered, sums_of
from amp.ledger.entries import TAGS, Metered, id_text
from amp.ledger.job import Job, State

_TYPE = TAGS.index("traceType")


class Run(NamedTuple):
    """A trace of one job; None is what its records do not say."""

    trace: str | None
    trace_type: str | None


def runs(job: Job, metered: Sequence[Metered]) -> Iterator[tuple[Run, Sums]]:
    """What each run of the job adds to a report; a job without records is one run without a name."""
    states: dict[Run, State] = {}
    types = _types(metered)
    last, last_ms = Run(None, None), -1
    for entry in metered:
        trace = _trace(entry)
        run = Run(trace, _type(entry) if trace is None else types.get(trace))
        states[run] = after(states.get(run, _NOTHING), entry)
        if entry.began_ms >= last_ms:
            last, last_ms = run, entry.began_ms
    state = job.state
    states[last] = replace(
        states.get(last, _NOTHING),
        status=state.status,
        outcome=state.outcome,
        value_nanos=state.value_nanos,
        currency=state.currency,
    )
    for run, used in states.items():
        sums = sums_of(used, decided=False)
        sums.pop("EH", None)  # a person may have worked in another run
        if run != last:
            del sums["J"]
        elif escalated_unmetered(state):
            sums["EH"] = 1
        yield run, sums


def has(metered: Sequence[Metered], trace: str | None, trace_type: str | None) -> bool:
    """Whether the job had such a run; None is any."""
    types = _types(metered)
    for entry in metered:
        named = _trace(entry)
        kind = _type(entry) if named is None else types.get(named)
        if trace in {None, named} and trace_type in {None, kind}:
            return True
    return False


_NOTHING = State()


def _types(metered: Sequence[Metered]) -> dict[str, str]:
    types: dict[str, str] = {}
    for entry in metered:
        trace, kind = _trace(entry), _type(entry)
        if trace is not None and kind is not None:
            types.setdefault(trace, kind)
    return types


def _trace(entry: Metered) -> str | None:
    return id_text(entry.trace) if entry.trace else None


def _type(entry: Metered) -> str | None:
    return entry.tags.get(_TYPE) if entry.tags else None
