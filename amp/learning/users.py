"""The verbs of whoever looks after users: find them, and see what was decided for one and why."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from amp.clock import iso
from amp.errors import InvalidParameter, NotFound
from amp.learning import rows, validation
from amp.learning.approaches import Approaches
from amp.learning.effects import NoEffects
from amp.learning.past import Rested, Versions, explained, versions
from amp.learning.policies import Policies
from amp.learning.prior import Prior
from amp.learning.priors import Priors
from amp.learning.profiles import interaction
from amp.learning.record import Record
from amp.learning.replay import REASONS
from amp.learning.reward import rewards
from amp.learning.service import phase
from amp.learning.store import LearningStore
from amp.learning.types import History
from amp.learning.user_store import Place, UserStore
from amp.learning.user_wire import HistoryReply, PastReply, StatedReply, UserReply, UsersReply
from amp.store.keys import BUCKETS
from amp.tenancy import Tenant

LIMIT_MAX = 100
LOOK_BUDGET = 20_000
"""Ids that one search reads at most, or a page more."""
_PRIORS_KEPT = 64


class Users:
    """A tenant's users, one by one."""

    def __init__(self, facts: LearningStore, ids: UserStore, priors: Priors, *, policies: Policies) -> None:
        self._facts = facts
        self._ids = ids
        self._priors = priors
        self._policies = policies
        self._earlier: OrderedDict[tuple[str, int, Approaches], Prior | None] = OrderedDict()

    async def recent(self, tenant: Tenant, limit: int) -> UsersReply:
        """The users who were heard of last.

        Raises:
            InvalidParameter: the limit is out of its range.
            StoreUnavailable: there is no answer.
        """
        names = await self._ids.recent(tenant, _checked(limit))
        known = sum(await self._facts.known_users(tenant))
        found = await self._read(tenant, names)
        return UsersReply(known, None, found, len(found), 0, None)

    async def find(self, tenant: Tenant, search: str, limit: int, after: str | None = None) -> UsersReply:
        """The user of this id, and some of those whose ids begin so.

        Raises:
            InvalidUserId: nobody's id can be or begin so.
            InvalidParameter: the limit or `after` is out of its range.
            StoreUnavailable: there is no answer.
        """
        wanted, begin = validation.user_id(search), _place(after)
        looked = await self._ids.look(tenant, wanted, begin, enough=_checked(limit), budget=LOOK_BUDGET)
        named = sorted(user for user in looked.found if user != wanted)
        exact = await self._read(tenant, [wanted])
        return UsersReply(
            looked.known,
            exact[0] if exact else None,
            await self._read(tenant, named[:limit]),
            len(named),
            looked.looked_at,
            looked.next and f"{looked.next.bucket}.{looked.next.cursor}",
        )

    async def one(self, tenant: Tenant, user_id: str) -> UserReply:
        """One user, in a line.

        Raises:
            NotFound: nobody has reported or preferred anything for this user.
            StoreUnavailable: there is no answer.
        """
        found = await self._read(tenant, [validation.user_id(user_id)])
        if not found:
            raise NotFound("There is no profile for this user.")
        return found[0]

    async def history(self, tenant: Tenant, user_id: str, offset: int, limit: int) -> HistoryReply:
        """What was decided for a user, why, and what was reported, a page at a time, the newest first.

        Raises:
            NotFound: nobody has reported or preferred anything for this user.
            InvalidParameter: the limit is out of its range.
            StoreUnavailable: there is no answer.
        """
        user = validation.user_id(user_id)
        record, details = await self._facts.profile(tenant, user)
        if not record.created_ms:
            raise NotFound("There is no profile for this user.")
        history, ruled = rows.every(record.rows), self._policies.of(tenant)
        shown = np.arange(len(history))[::-1][max(0, offset) :][: _checked(limit)]
        rested = await self._rested(tenant, history[shown])
        why = explained(history, shown, record, details.changed_ms, rested)
        worth = rewards(history[shown], ruled.policy.weights)
        return HistoryReply(
            user_id=user,
            total_interactions=record.interactions,
            kept=len(history),
            offset=max(0, offset),
            interactions=[
                PastReply(interaction(row, details, b"", ruled.approaches), reward, *told)
                for row, reward, told in zip(history[shown], worth.tolist(), why, strict=True)
            ],
        )

    async def _read(self, tenant: Tenant, names: list[str]) -> list[UserReply]:
        """Those of them who are known."""
        _, records = await self._facts.read([(tenant, name) for name in names])
        approaches = self._policies.of(tenant).approaches
        return [
            _user(name, record, approaches)
            for name, record in zip(names, records, strict=True)
            if record.created_ms
        ]

    async def _rested(self, tenant: Tenant, shown: History) -> dict[Versions, Rested | str]:
        """What decisions of these versions rested on, or why nobody can tell."""
        found: dict[Versions, Rested | str] = {}
        for row in shown:
            pair = versions(row)
            if pair not in found:
                found[pair] = await self._then(tenant, pair)
        return found

    async def _then(self, tenant: Tenant, pair: Versions) -> Rested | str:
        ruled = await self._policies.at(tenant, pair[0])
        if ruled is None:
            return REASONS["policy"]
        prior = await self._prior(tenant, pair[1], ruled.approaches)
        return Rested(*ruled, prior) if prior else REASONS["prior"]

    async def _prior(self, tenant: Tenant, version: int, approaches: Approaches) -> Prior | None:
        """One version, without what contexts add: no sentence speaks of it, and it is nearly all of it."""
        key = tenant.tag, version, approaches
        if key not in self._earlier:
            read = await self._priors.at(tenant, version, approaches)
            self._earlier[key] = replace(read, effects=NoEffects()) if read else None
            if len(self._earlier) > _PRIORS_KEPT:
                self._earlier.popitem(last=False)
        self._earlier.move_to_end(key)
        return self._earlier[key]


def _user(name: str, record: Record, approaches: Approaches) -> UserReply:
    try:
        history = rows.every(record.rows)
    except ValueError:  # a damaged record: its user is there all the same
        history = rows.every(None)
    last_ms = (rows.decided_ms(history) + history["reported_after_ms"]).max(initial=0)
    return UserReply(
        user_id=name,
        phase=phase(record.interactions),
        total_interactions=record.interactions,
        preferences={
            dimension.preference: StatedReply(dimension.options[each.option], each.locked, iso(each.since_ms))
            for dimension, each in zip(
                approaches.dimensions, approaches.stated(record.preferences), strict=False
            )
            if each is not None
        },
        last_reported_at=iso(int(last_ms)) if last_ms else None,
    )


def _checked(limit: int) -> int:
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidParameter("limit", f"must be 1 to {LIMIT_MAX}")
    return limit


def _place(after: str | None) -> Place:
    """Where a search goes on, from what an earlier answer said."""
    if not after:
        return Place()
    number, dot, cursor = after.partition(".")
    if not (dot and number.isdecimal() and cursor.isdecimal() and int(number) < BUCKETS) or len(after) > 32:
        raise InvalidParameter("after", "must be what an earlier answer said")
    return Place(int(number), int(cursor))
