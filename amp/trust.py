"""Whether what amp holds can be trusted: what can be lost, what was verified, what waits, who has keys."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from amp.clock import iso
from amp.grading.graded import Graded
from amp.learning.backlog import BacklogReply, LearningBacklog
from amp.ledger.standing import LedgerReply, LedgerStanding
from amp.store.connection import Store
from amp.store.durability import DurabilityReply, durability
from amp.store.keyring import KeyRecord, KeyTable
from amp.store.readiness import Check, check
from amp.store.uses import DEGRADED, Uses
from amp.tenancy import Tenant

KEYS_MAX = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CheckReply(Struct, rename="camel"):
    """One thing that was looked at, as GET /readyz has it."""

    name: str
    ok: bool
    found: str
    fix: str | None


class TurnedReply(Struct, rename="camel"):
    """What one UTC day's calls with this tenant's keys did not get; each item of a batch counts as a call."""

    day: str
    limited: int
    """Over the key's limit: status 429."""
    refused: int
    """Any other status of 400 to 499."""
    failed: int
    """500 and more: the store away, or our fault."""
    degraded: int
    """Contexts that were answered without the store, from the prior alone."""
    statuses: dict[str, int]


class WaitingReply(Struct, rename="camel"):
    """Graded sessions that are not at rest."""

    running: int
    rescheduling: int
    """They wait to be tried again."""


class TrustReply(Struct, rename="camel"):
    """GET /v1/insights/trust."""

    durability: DurabilityReply
    checks: list[CheckReply]
    ledger: LedgerReply
    learning: BacklogReply
    sessions: WaitingReply
    turned_away: list[TurnedReply]
    """Of the last 7 days, today first; a few seconds behind."""


class KeyReply(Struct, rename="camel"):
    """What is known of a key; the key itself nobody can show again."""

    id: str
    env: str
    scopes: list[str]
    environment: str | None
    """The environment of sessions that a worker's key is bound to."""
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    """At most a minute behind; null: not since amp keeps it."""


class KeysReply(Struct, rename="camel"):
    """GET /v1/insights/keys: those of the caller's tenant and environment, the newest first."""

    keys: list[KeyReply]
    """At most 200."""
    all: int


class Trust:
    """Looks at all of it; walks nothing, changes nothing."""

    def __init__(
        self,
        store: Store,
        keys: KeyTable,
        uses: Uses,
        *,
        ledger: LedgerStanding,
        backlog: LearningBacklog,
        graded: Graded,
    ) -> None:
        self._store = store
        self._keys = keys
        self._uses = uses
        self._ledger = ledger
        self._backlog = backlog
        self._graded = graded

    async def of(self, tenant: Tenant) -> TrustReply:
        """How this tenant's data stands now.

        Raises:
            StoreUnavailable: there is no answer.
        """
        safe, checks, ledger, learning, counts, days = await asyncio.gather(
            durability(self._store),
            check(self._store),
            self._ledger.of(tenant),
            self._backlog.of(tenant),
            self._graded.counts(tenant),
            self._uses.days(tenant),
        )
        return TrustReply(
            safe,
            [_told(each) for each in checks],
            ledger,
            learning,
            WaitingReply(counts.statuses["running"], counts.statuses["rescheduling"]),
            [_turned(day, found) for day, found in days.items()],
        )

    async def keys(self, tenant: Tenant) -> KeysReply:
        """The tenant's keys, and when each was last used.

        Raises:
            StoreUnavailable: there is no answer.
        """
        records = self._keys.of(tenant)
        shown = records[:KEYS_MAX]
        used = await self._uses.last([each.id for each in shown])
        return KeysReply([_key(each, at) for each, at in zip(shown, used, strict=True)], len(records))


def _told(found: Check) -> CheckReply:
    return CheckReply(found.name, found.ok, found.found, None if found.ok else found.fix)


def _turned(day: int, found: Mapping[str, int]) -> TurnedReply:
    statuses = {what: count for what, count in sorted(found.items()) if what != DEGRADED}

    def between(low: int, high: int) -> int:
        return sum(count for what, count in statuses.items() if low <= int(what) < high)

    limited = statuses.get("429", 0)
    return TurnedReply(
        (_EPOCH + timedelta(days=day)).date().isoformat(),
        limited,
        between(400, 500) - limited,
        between(500, 600),
        found.get(DEGRADED, 0),
        statuses,
    )


def _key(record: KeyRecord, used_ms: int | None) -> KeyReply:
    def moment(at_ms: int | None) -> str | None:
        return None if at_ms is None else iso(at_ms)

    return KeyReply(
        record.id,
        record.env,
        list(record.scopes),
        record.environment,
        iso(record.created_ms),
        moment(record.expires_ms),
        moment(record.revoked_ms),
        moment(used_ms),
    )
