"""Users of the worlds of `amp.simulate`, and the packed rows that they have reported."""

import numpy as np

from amp.learning import rows
from amp.learning.approaches import PUBLISHED
from amp.learning.types import Context
from amp.simulate import worlds
from amp.simulate.worlds import CONTEXTS


def personal(rng, users):
    """World c: the population has tastes, and each user departs from them in their own way."""
    return worlds.WORLDS["c"](rng, users, PUBLISHED)


def contextual(rng, users):
    """World f: what works depends on the task type and its level, and little on the user."""
    return worlds.WORLDS["f"](rng, users, PUBLISHED)


def emit(rng, eta):
    """The signals of one interaction at this utility."""
    return worlds.emit(np.array([eta]), worlds.luck(rng, 1)).signals(0)


def row(nonce, combination, signals, *, context=Context(), control=False, prior_version=0):  # noqa: B008 - immutable
    """One packed row, decided at the millisecond of its nonce."""
    decision = rows.Decision(
        nonce=nonce,
        decided_ms=nonce,
        combination=combination,
        task_hash=context.task_hash,
        level=context.level,
        hour=0,
        policy_version=1,
        prior_version=prior_version,
        control=control,
    )
    return rows.pack(decision, signals, fingerprint=b"000000", final=True, step=0)


def histories(rng, truth, count, *, pick=None, prior_version=0):
    """`count` rows of every user in random contexts, on combinations drawn evenly or by `pick`.

    `pick(previous combination or None, previous signals or None)` gives the next combination.
    """
    told = []
    for user in range(truth.users):
        packed, combination, signals = b"", None, None
        for nonce in range(count):
            context = int(rng.integers(len(CONTEXTS)))
            combination = pick(combination, signals) if pick else int(rng.integers(PUBLISHED.count))
            signals = emit(rng, truth.utility(user, context, combination))
            packed += row(nonce, combination, signals, context=CONTEXTS[context], prior_version=prior_version)
        told.append(rows.unpack(packed))
    return told
