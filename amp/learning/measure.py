"""Measures what learning is worth to a tenant: reads its users, compares the groups, publishes what is found.

Runs beside the fit, in its process: never in a worker. Workers only hand on what was published.
"""

import hmac
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from amp.clock import iso
from amp.learning.groups import is_control
from amp.learning.insight_store import PAGE, InsightStore
from amp.learning.insights import LiftReply, ReportingReply, Snapshot, nothing_yet
from amp.learning.policies import Policies
from amp.learning.reporting import Counted, Rate
from amp.learning.store import LearningStore
from amp.learning.sums import Sums, joined, summed
from amp.learning.telling import Occasion, told
from amp.learning.where import TASKS_MAX
from amp.tenancy import Tenant

USERS_MAX = 50_000
EVERY_S = 5.0
SHARE = 20.0
"""A measurement is followed by this many times its own duration of rest."""
ASK_NAMES = 3
"""Users who are asked for the name of a task type: each keeps the names of the first 32 only."""

_log = logging.getLogger(__name__)


def group_key(secret: str) -> bytes:
    """What the control group is drawn with."""
    return hmac.digest(secret.encode(), b"amp control group", "sha256")


class Insights:
    """What was measured, for those who ask."""

    def __init__(self, store: InsightStore) -> None:
        self._store = store

    async def lift(self, tenant: Tenant) -> LiftReply:
        """What learning is worth, as last measured."""
        return (await self._newest(tenant)).lift

    async def reporting(self, tenant: Tenant) -> ReportingReply:
        """Who reports, as last measured."""
        return (await self._newest(tenant)).reporting

    async def version(self, tenant: Tenant) -> str:
        """Another text with every measurement."""
        return (await self._newest(tenant)).lift.computed_at or ""

    async def _newest(self, tenant: Tenant) -> Snapshot:
        return await self._store.newest(tenant) or nothing_yet()


@dataclass(slots=True)
class _Watch:
    """What was last measured of a tenant."""

    outcomes: int = 0
    reports: Rate | None = None
    next_s: float = 0.0


class Measure:
    """Measures tenants that have news."""

    def __init__(
        self, facts: LearningStore, insights: InsightStore, *, policies: Policies, key: bytes
    ) -> None:
        self._facts = facts
        self._insights = insights
        self._policies = policies
        self._key = key
        self._watched: dict[Tenant, _Watch] = {}

    async def attend(self, tenant: Tenant, now_s: float) -> bool:
        """Measures and publishes if there is news and it is time; whether it did.

        Trouble with one tenant is logged and is nobody else's.
        """
        watch = self._watched.setdefault(tenant, _Watch())
        if now_s < watch.next_s:
            return False
        watch.next_s = now_s + EVERY_S
        began_s = time.monotonic()
        try:
            if not await self._has_news(tenant, watch):
                return False
            await self._insights.publish(tenant, await self.of(tenant))
        except Exception:  # noqa: BLE001  whatever is wrong with one tenant, the others are measured
            _log.exception("What learning is worth to %s could not be measured.", tenant.tag)
            return False
        watch.next_s = now_s + max(EVERY_S, SHARE * (time.monotonic() - began_s))
        return True

    async def _has_news(self, tenant: Tenant, watch: _Watch) -> bool:
        outcomes = await self._facts.outcomes(tenant)
        now_ms, _ = await self._facts.read([])
        reports = sum((day.all for day in (await self._insights.counted(tenant, now_ms)).values()), Rate())
        news = (outcomes, reports) != (watch.outcomes, watch.reports)
        watch.outcomes, watch.reports = outcomes, reports
        return news

    async def of(self, tenant: Tenant) -> Snapshot:
        """The measurement as of now.

        Raises:
            StoreUnavailable: there is no answer.
        """
        policy, approaches = self._policies.of(tenant)
        share = 0.0 if tenant.env == "test" else policy.control_share
        outcomes = await self._facts.outcomes(tenant)
        known = sum(await self._facts.known_users(tenant))
        users = await self._chosen(tenant, known, share)
        pages = [summed([], policy.weights, approaches)]
        for start in range(0, len(users), PAGE):
            page = users[start : start + PAGE]
            _, records = await self._facts.read([(tenant, user) for user in page])
            pages.append(summed(list(zip(page, records, strict=True)), policy.weights, approaches))
        now_ms, _ = await self._facts.read([])
        days: Mapping[int, Counted] = await self._insights.counted(tenant, now_ms)
        sums = joined(pages)
        if sums.unreadable:
            _log.error("%d records of %s cannot be read; they are not measured.", sums.unreadable, tenant.tag)
        return told(
            sums,
            days,
            Occasion(
                computed_at=iso(now_ms),
                now_ms=now_ms,
                window_ms=policy.outcome_window_ms,
                outcomes=outcomes,
                users_known=known,
                users_seen=len(users),
                control_share=share,
                approaches=approaches,
                task_names=await self._names(tenant, sums),
            ),
        )

    async def _chosen(self, tenant: Tenant, known: int, share: float) -> list[str]:
        """All users, or a fixed sample by a hash, with more of the smaller group if need be.

        A share that is kept is a power of a half, so that it rarely changes: the sample then stays what it
        was, and who comes joins it.
        """
        control = _kept(known * share, USERS_MAX / 2)
        learned = _kept(known * (1.0 - share), USERS_MAX - min(known * share * control, USERS_MAX / 2))
        chosen: dict[str, None] = {}
        async for names in self._insights.users(tenant):
            for user in names:
                kept = control if is_control(tenant, user, share, self._key) else learned
                if kept == 1.0 or _place(user) < kept:
                    chosen[user] = None
        return list(chosen)

    async def _names(self, tenant: Tenant, sums: Sums) -> Mapping[int, str]:
        """Of the task types with most users."""
        most = sorted(sums.tasks, key=lambda task: -len(sums.tasks[task].users))[: TASKS_MAX + 1]
        asked = [
            (task, sums.users[int(user)])
            for task in most
            for user in sums.tasks[task].users[:ASK_NAMES]
            if task
        ]
        return await self._insights.task_names(tenant, asked)


def _kept(users: float, most: float) -> float:
    """The largest power of a half that leaves no more than `most`."""
    share = 1.0
    while users * share > most:
        share /= 2.0
    return share


def _place(user: str) -> float:
    """Where a user lies between 0 and 1, whatever the group."""
    return int.from_bytes(blake2b(user.encode(), digest_size=8, person=b"amp measure").digest()) / 2**64
