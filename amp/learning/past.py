"""Why past decisions were made: the sentence of then, from the rows that are kept of before.

Only what can still be told is told; where the rows, the prior, the policy or the preferences of then are not
known any more, the reason is said instead. `replay.py` does more, from the log: it makes decisions again.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from amp.learning import rows
from amp.learning.approaches import Approaches
from amp.learning.population import population
from amp.learning.prior import Prior
from amp.learning.rationale import of_users, rationales
from amp.learning.record import Record
from amp.learning.replay import REASONS
from amp.learning.types import Ask, Choice, Context, History, Ints, Policy

CHANGED = "what was reported of an earlier decision was added to since"


class Rested(NamedTuple):
    """What a decision rested on beside the user's own facts."""

    policy: Policy
    approaches: Approaches
    prior: Prior


class Told(NamedTuple):
    """The sentence, or why there is none."""

    why: str | None
    unexplained: str | None = None


Versions = tuple[int, int]
"""Of the policy and of the prior."""


def versions(row: np.void) -> Versions:
    return int(row["policy_version"]), int(row["prior_version"])


def explained(
    history: History,
    shown: Ints,
    record: Record,
    changed_ms: int,
    rested: Mapping[Versions, Rested | str],
) -> list[Told]:
    """The decisions at these places of a user's rows (`rows.every`).

    `changed_ms` is when preferences were last sent; `rested` says what each pair of versions was, or why
    that is not known.
    """
    return [_one(history, int(place), record, changed_ms, rested) for place in shown]


def _one(
    history: History,
    place: int,
    record: Record,
    changed_ms: int,
    rested: Mapping[Versions, Rested | str],
) -> Told:
    row = history[place]
    known = rested[versions(row)]
    if isinstance(known, str):
        return Told(None, known)
    if record.trimmed and place < rows.KEPT_ROWS:
        return Told(None, REASONS["trimmed"])
    if _changed_since(history, place):
        return Told(None, CHANGED)
    ask = _ask(history, place, record, known)
    choice = _choice(row)
    told = rationales([ask], [choice], known.prior, known.approaches, known.policy)[0]
    decided_ms = int(rows.decided_ms(history[place : place + 1])[0])
    if changed_ms > decided_ms and not _whatever_is_preferred(ask, choice, known):
        return Told(None, REASONS["preferences"])
    return Told(told)


def _changed_since(history: History, place: int) -> bool:
    """Whether an earlier decision's row was made anew after this one, which may have seen it otherwise."""
    decided, before = rows.decided_ms(history), history[:place]
    late = decided[:place] + before["reported_after_ms"] > decided[place]
    anew = (before["step"] > 0) | rows.has(before, rows.FILLED) | (before["final"] == 0)
    return bool((late & anew).any())


def _ask(history: History, place: int, record: Record, known: Rested) -> Ask:
    """What the decision knew: the rows that had arrived, and the preferences that were stated."""
    row, decided = history[place], rows.decided_ms(history)
    bits = int(row["circumstance"])
    arrived = decided[:place] + history["reported_after_ms"][:place] <= decided[place]
    seen = rows.deciding(history[:place][arrived], known.policy)[-rows.KEPT_ROWS :]
    preferences = known.approaches.stated(
        [each if each and each.since_ms <= decided[place] else None for each in record.preferences]
    )
    return Ask(
        history=seen[:0] if bits & rows.DEGRADED else seen,
        context=Context(int(row["task_hash"]), bits & rows.LEVEL_MASK),
        nonce=int(row["nonce"]),
        preferences=() if bits & rows.DEGRADED else preferences,
        control=bool(bits & rows.CONTROL),
    )


def _choice(row: np.void) -> Choice:
    """What was decided; how sure it was is not kept, and no sentence says it."""
    bits, combination = int(row["circumstance"]), int(row["combination"])
    return Choice(
        combination=combination,
        floored=bool(bits & rows.FLOORED),
        explored=bool(bits & rows.EXPLORED),
        confidence=0.0,
        dimension_confidence=(),
        user_weight=0.0,
        shadow=combination if bits & rows.SHADOW else None,
    )


def _whatever_is_preferred(ask: Ask, choice: Choice, known: Rested) -> bool:
    """Whether the sentence is the same under any preferences: it counts rows, or says that chance decided."""
    if choice.floored:
        return True
    if ask.control or choice.shadow is not None:
        return False
    crowd = population(known.prior, known.approaches)
    return bool(of_users([ask], crowd.options_at[[choice.combination]].tolist(), crowd))
