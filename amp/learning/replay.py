"""What each decision knew, rebuilt from the log and from what is kept, so that it can be made again.

A decision rests on the user's rows that had arrived before it. The log holds every report with its time of
arrival, the user's record the rows that the log no longer holds; a decision whose rows cannot be told for
certain is not rebuilt, and the reason is said.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import structs

from amp.learning import rows
from amp.learning.approaches import Approaches
from amp.learning.learners import choose
from amp.learning.prior import Prior
from amp.learning.record import Record
from amp.learning.types import Ask, Context, History, Policy, Preference

Reason = Literal[
    "degraded", "erased", "preferences", "concurrent", "log", "trimmed", "prior", "policy", "mismatch"
]
REASONS: dict[Reason, str] = {
    "degraded": "decided while the store did not answer",
    "erased": "the user was erased since, and with the user what the decision knew",
    "preferences": "a preference may have been stated or cleared since",
    "concurrent": "a report of this user arrived while it was decided",
    "log": "an earlier version of a staged report is older than the log",
    "trimmed": "rows that it saw are no longer kept",
    "prior": "the prior that it rested on is no longer kept",
    "policy": "the policy that it followed is not known here",
    "mismatch": "decided by other rules: made again with what is kept, it comes out otherwise",
}
"""Why a decision has no propensity."""
READ_WITHIN_MS = 80
"""A decision reads its user's rows within so long of its time, or else the prior answers alone."""


class Logged(NamedTuple):
    """One report as the log holds it."""

    arrived_ms: int
    row: bytes
    task_type: str = ""
    excluded: int = 0
    """The options that the request ruled out, a bit each."""
    shadow: int | None = None
    """What would have been picked, where the operator's baseline was served."""


class Kept(NamedTuple):
    """What is kept of the user outside the log."""

    record: Record
    changed_ms: int
    """When preferences or metadata were last sent; 0: never."""
    read_ms: int
    """When this was read, before the log was."""


class Remembered(NamedTuple):
    """One decision with the report that stands."""

    report: Logged
    row: History
    """The report's row; shape (1,)."""
    ask: Ask | None
    """What the decision knew; None where that cannot be told for certain, which `reason` explains."""
    reason: Reason | None

    @property
    def decided_ms(self) -> int:
        return int(rows.decided_ms(self.row)[0])

    @property
    def versions(self) -> tuple[int, int]:
        """Of the policy and of the prior."""
        return int(self.row["policy_version"][0]), int(self.row["prior_version"][0])


class _Versions(NamedTuple):
    """Every version of every row of one user, ordered by (decided, nonce, arrival)."""

    history: History
    decided: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    """When each version may have arrived at the earliest."""
    last: npt.NDArray[np.int64]
    """And at the latest."""


def remembered(reports: Sequence[Logged], kept: Kept | None, complete_from_ms: int) -> Iterator[Remembered]:
    """The decisions of one user, in their order, from the user's reports in the order of the log.

    The log is complete from `complete_from_ms` on (0: nothing was ever dropped). `kept` is None for a user
    who was erased since.
    """
    standing = {report.row[: rows.NONCE_BYTES]: report for report in reports}
    versions = _versions(reports, kept)
    hidden = _hidden(versions, kept, complete_from_ms)
    found = [(report, np.frombuffer(report.row, rows.ROW)) for report in standing.values()]
    found.sort(key=lambda each: (int(rows.decided_ms(each[1])[0]), int(each[1]["nonce"][0])))
    for report, row in found:
        known = _known(row, versions, kept, complete_from_ms, hidden=hidden)
        if isinstance(known, Ask):
            yield Remembered(report, row, structs.replace(known, excluded=report.excluded), None)
        else:
            yield Remembered(report, row, None, known)


def stated(made: Remembered, approaches: Approaches) -> Remembered:
    """The same with the preferences that had an effect under these approaches."""
    ask = made.ask
    if ask is None:
        return made
    return made._replace(ask=structs.replace(ask, preferences=approaches.stated(ask.preferences)))


def again(made: Sequence[Remembered], prior: Prior, policy: Policy, approaches: Approaches) -> bool:
    """Whether these decisions, which all have an ask, come out as they did when made again."""
    choices = choose(asks(made, policy), prior, policy, approaches)
    return all(
        choice.combination == int(each.row["combination"][0])
        and choice.floored == _has(each.row, rows.FLOORED)
        and choice.explored == _has(each.row, rows.EXPLORED)
        and choice.shadow == each.report.shadow
        for choice, each in zip(choices, made, strict=True)
    )


def asks(made: Sequence[Remembered], policy: Policy) -> list[Ask]:
    """What those of these decisions that can be made again looked at under this policy."""
    known = [each.ask for each in made if each.ask]
    return [structs.replace(ask, history=rows.deciding(ask.history, policy)) for ask in known]


def _known(  # noqa: PLR0911  each reason is a return
    row: History, versions: _Versions, kept: Kept | None, complete_from_ms: int, *, hidden: int
) -> Ask | Reason:
    """What the decision of this row knew, or why that cannot be told."""
    if kept is None:
        return "erased"
    at = int(rows.decided_ms(row)[0])
    others = versions.history["nonce"] != row["nonce"]
    preferences = _preferences(kept, at)
    history = _seen(versions, others & (versions.last < at))
    if _has(row, rows.DEGRADED):
        return "degraded"
    if preferences is None:
        return "preferences"
    if at >= kept.read_ms or _concurrent(versions, others, at):
        return "concurrent"
    if _overwritten(versions, others, at, complete_from_ms):
        return "log"
    if hidden and not _reaches(history, complete_from_ms):
        return "trimmed"
    return _ask(row, history, preferences)


def _ask(row: History, history: History, preferences: tuple[Preference | None, ...]) -> Ask:
    circumstance = int(row["circumstance"][0])
    return Ask(
        history=history,
        context=Context(int(row["task_hash"][0]), circumstance & rows.LEVEL_MASK),
        nonce=int(row["nonce"][0]),
        preferences=preferences,
        control=bool(circumstance & rows.CONTROL),
    )


def _versions(reports: Sequence[Logged], kept: Kept | None) -> _Versions:
    """What was reported: in the log, and in the record where the log no longer holds it."""
    logged = {report.row for report in reports}
    record = b"" if kept is None else kept.record.rows
    older = [record[at : at + rows.ROW_BYTES] for at in range(0, len(record), rows.ROW_BYTES)]
    older = [row for row in older if row not in logged]
    history = np.frombuffer(b"".join([*older, *(report.row for report in reports)]), rows.ROW)
    decided = rows.decided_ms(history)
    reported = decided + history["reported_after_ms"]
    arrived = np.concatenate([reported[: len(older)], [report.arrived_ms for report in reports]])
    arrived = arrived.astype(np.int64)
    order = np.lexsort((np.arange(len(history)), history["nonce"], decided))
    # The two clocks of a report agree unless the store's was set back, or the decision's was ahead of it.
    first, last = np.minimum(reported, arrived), np.maximum(reported, arrived)
    return _Versions(history[order], decided[order], first[order], last[order])


def _hidden(versions: _Versions, kept: Kept | None, complete_from_ms: int) -> int:
    """How many trimmed rows the log no longer holds."""
    if kept is None or not complete_from_ms:
        return 0
    record = rows.every(kept.record.rows)
    told = np.unique(versions.history["nonce"][versions.last < kept.read_ms])
    return kept.record.trimmed - int((~np.isin(told, record["nonce"])).sum())


def _preferences(kept: Kept, at: int) -> tuple[Preference | None, ...] | None:
    """The preferences at that time; None where they may have been others.

    A cleared preference leaves no trace, but one that stands says since when.
    """
    stated = kept.record.preferences
    if kept.record.created_ms > at + READ_WITHIN_MS:
        return ()  # nobody had heard of the user
    if kept.changed_ms < at or (stated and all(each and each.since_ms < at for each in stated)):
        return stated
    return None


def _concurrent(versions: _Versions, others: npt.NDArray[np.bool_], at: int) -> bool:
    """Whether a report arrived about when the rows were read, of a decision that was made by then."""
    about = (versions.first <= at + READ_WITHIN_MS) & (versions.last >= at) & (versions.decided <= at)
    return bool((others & about).any())


def _overwritten(versions: _Versions, others: npt.NDArray[np.bool_], at: int, complete_from_ms: int) -> bool:
    """Whether the decision may have seen a version of a row that was replaced and is older than the log."""
    if not complete_from_ms:
        return False
    nonces = versions.history["nonce"]
    opening = np.ones(len(nonces), bool)
    opening[1:] = nonces[1:] != nonces[:-1]
    ranked = (versions.history["final"] > 0) | (versions.history["step"] > 0)
    ranked |= rows.has(versions.history, rows.FILLED)
    early = (versions.decided < min(at, complete_from_ms)) & (versions.last >= at)
    return bool((others & opening & ranked & early).any())


def _seen(versions: _Versions, seen: npt.NDArray[np.bool_]) -> History:
    """The last version of each row that was there, the newest rows that a decision uses."""
    there = np.flatnonzero(seen)
    nonces = versions.history["nonce"][there]
    final = np.ones(len(there), bool)
    final[:-1] = nonces[1:] != nonces[:-1]
    return versions.history[there[final]][-rows.KEPT_ROWS :]


def _reaches(history: History, complete_from_ms: int) -> bool:
    """Whether rows that nobody knows of would be too old for this history."""
    return len(history) == rows.KEPT_ROWS and int(rows.decided_ms(history[:1])[0]) >= complete_from_ms


def _has(row: History, bit: int) -> bool:
    return bool(rows.has(row, bit, "circumstance")[0])
