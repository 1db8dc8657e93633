"""How the ledger stands: what is in it, what is folded, until when it was verified, what lies outside."""

import asyncio

import msgspec
from msgspec import Struct

from amp.ledger.head_files import Heads, HeadsReply
from amp.ledger.rollup_store import RollupStore
from amp.ledger.store import LedgerStore
from amp.ledger.verified import VerifiedReply, VerifyingReply
from amp.store.connection import Store
from amp.store.trust_keys import ledger_verified, ledger_verifying
from amp.tenancy import Tenant

_decoder = msgspec.json.Decoder(VerifiedReply)
_under_way = msgspec.json.Decoder(VerifyingReply)


class LedgerReply(Struct, rename="camel"):
    """How the ledger stands."""

    entries: int
    not_folded: int
    """Entries that reports do not hold yet; a report folds them before it answers."""
    verified: VerifiedReply | None
    """Null: nobody has walked the chains yet, which `amp ledger verify` and the page Trust do."""
    verifying: VerifyingReply | None
    """Null: none is under way that was asked for at the page."""
    since_verified: int
    """Entries that came after the last walk."""
    heads: HeadsReply


class Verifications:
    """What the last walk over each tenant's chains has found."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, tenant: Tenant, found: VerifiedReply) -> None:
        """Takes the place of what was kept before.

        Raises:
            StoreUnavailable: nobody knows; it may be sent again.
        """
        await self._store.ask("SET", ledger_verified(tenant.tag), msgspec.json.encode(found))

    async def newest(self, tenant: Tenant) -> VerifiedReply | None:
        """The last.

        Raises:
            StoreUnavailable: there is no answer.
        """
        raw = await self._store.ask("GET", ledger_verified(tenant.tag))
        return None if raw is None else _decoder.decode(raw)

    async def claim(self, tenant: Tenant, walk: VerifyingReply, held_ms: int) -> bool:
        """Whether no other walk is under way, and this one is from now on, for so long or until it is told.

        Raises:
            StoreUnavailable: nobody knows.
        """
        value, key = msgspec.json.encode(walk), ledger_verifying(tenant.tag)
        return bool(await self._store.ask("SET", key, value, "NX", "PX", held_ms))

    async def tell(self, tenant: Tenant, walk: VerifyingReply, held_ms: int) -> None:
        """How far it is; it is under way for so long from now on.

        Raises:
            StoreUnavailable: it may be told again.
        """
        await self._store.ask("SET", ledger_verifying(tenant.tag), msgspec.json.encode(walk), "PX", held_ms)

    async def release(self, tenant: Tenant) -> None:
        """It is under way no more.

        Raises:
            StoreUnavailable: then it is when its time is over.
        """
        await self._store.ask("DEL", ledger_verifying(tenant.tag))

    async def both(self, tenant: Tenant) -> tuple[VerifiedReply | None, VerifyingReply | None]:
        """The last, and the one that is under way.

        Raises:
            StoreUnavailable: there is no answer.
        """
        last, now = await self.raw(tenant)
        return (
            None if last is None else _decoder.decode(last),
            None if now is None else _under_way.decode(now),
        )

    async def raw(self, tenant: Tenant) -> list[bytes | None]:
        """Both as they are kept: others whenever something has changed.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.ask("MGET", ledger_verified(tenant.tag), ledger_verifying(tenant.tag))


class LedgerStanding:
    """Looks at how the ledger stands; walks nothing."""

    def __init__(
        self, facts: LedgerStore, index: RollupStore, verifications: Verifications, heads: Heads
    ) -> None:
        self._facts = facts
        self._index = index
        self._verifications = verifications
        self._heads = heads

    async def of(self, tenant: Tenant) -> LedgerReply:
        """How this tenant's ledger stands now.

        Raises:
            StoreUnavailable: there is no answer.
        """
        ends, folded, (verified, verifying), heads = await asyncio.gather(
            self._facts.heads(tenant),
            self._index.folded(tenant),
            self._verifications.both(tenant),
            self._heads.state(),
        )
        entries = sum(end.length for end in ends)
        return LedgerReply(
            entries=entries,
            not_folded=max(0, entries - folded),
            verified=verified,
            verifying=verifying,
            since_verified=max(0, entries - (verified.entries if verified else 0)),
            heads=heads,
        )
