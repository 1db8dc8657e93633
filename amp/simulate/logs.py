"""A tenant's own rows, as a world is fitted to them: from the store, or from an exported log.

Users come in the order of their first decision, so that both give the same to the bit.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from amp.exits import CommandFailed
from amp.learning import reward, rows
from amp.learning.approaches import Approaches, Dimension
from amp.learning.crowd import readable
from amp.learning.logline import LogLine, packed
from amp.learning.policies import InForce
from amp.learning.store import LearningStore
from amp.learning.types import History
from amp.tenancy import Tenant


async def of_store(facts: LearningStore, ruled: InForce, owner: Tenant) -> list[History]:
    """The rows of every user; records that cannot be read are left out.

    Raises:
        StoreUnavailable: there is no answer.
    """
    sampled = await facts.sample(owner, await facts.known_users(owner))
    return _in_order(readable([record.rows for _, record in sampled], ruled.approaches))


def of_file(lines: Iterable[LogLine], ruled: InForce) -> tuple[list[History], Approaches]:
    """The same from an exported log; and the approaches, offered as they were in its newest decision.

    Raises:
        CommandFailed: the log is of other dimensions or weights.
    """
    newest = None
    users: dict[str, list[bytes]] = defaultdict(list)
    told: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        try:
            row = packed(line, ruled.approaches)
        except ValueError as error:
            raise CommandFailed(
                f"The log is of other dimensions than amp's own ({error}): simulate without --log."
            ) from error
        if newest is None or line.decided_at > newest.decided_at:
            newest = line
        users[line.user].append(row)
        told[line.user].append(line.reward)
    for user, each in users.items():
        found = reward.rewards(np.frombuffer(b"".join(each), rows.ROW), ruled.policy.weights)
        if not np.allclose(found, told[user], rtol=0.0, atol=1e-6):
            raise CommandFailed(
                "The log's rewards are of other weights than amp's own: simulate without --log."
            )
    histories = rows.unpack_all([b"".join(each) for each in users.values()])
    return _in_order(histories), _offering(newest, ruled.approaches)


def _offering(newest: LogLine | None, approaches: Approaches) -> Approaches:
    if newest is None or not newest.offered:
        return approaches
    dimensions: list[Dimension] = []
    for each in approaches.dimensions:
        offered = newest.offered.get(each.name, each.options)
        closed = (number for number, option in enumerate(each.options) if option not in offered)
        dimensions.append(replace(each, closed=tuple(closed)))
    return replace(approaches, dimensions=tuple(dimensions))


def _in_order(histories: Iterable[History]) -> list[History]:
    """Of those who have rows."""

    def first(history: History) -> tuple[int, int]:
        return int(rows.decided_ms(history[:1])[0]), int(history["nonce"][0])

    return sorted((history for history in histories if len(history)), key=first)
