"""Which task types a tenant's users work on: the commonest, and users who know what they are called.

A row names its task type by a hash; the name lies with the user. One that a single user alone has is nobody
else's business, and stays there.
"""

from collections.abc import Sequence

import numpy as np

from amp.learning.types import History

TASKS_MAX = 1000
USERS_MIN = 2
ASKED = 3
"""Users that are asked for a name; one may not have it: only the first 32 are kept of each."""


def told_by(users: Sequence[tuple[str, History]]) -> dict[int, list[str]]:
    """For each of the commonest task types some users who have it."""
    by: dict[int, list[str]] = {}
    counts: dict[int, int] = {}
    for user, history in users:
        own: list[int] = np.unique(history["task_hash"]).tolist()
        for told in own:
            counts[told] = counts.get(told, 0) + 1
            known = by.setdefault(told, [])
            if len(known) < ASKED:
                known.append(user)
    counts.pop(0, None)  # no task type was said
    common = sorted(counts, key=lambda told: (-counts[told], told))[:TASKS_MAX]
    return {told: by[told] for told in common if counts[told] >= USERS_MIN}
