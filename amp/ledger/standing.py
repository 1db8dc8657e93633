"""How the ledger stands: what is in it, what is folded, until when it was verified, what lies outside."""

import asyncio
from importlib.resources import files

import msgspec
from msgspec import Struct

from amp.ledger.head_files import Heads, HeadsReply
from amp.ledger.rollup_store import RollupStore
from amp.ledger.store import LedgerStore
from amp.ledger.verified import VerifiedReply, VerifyingReply, Walk
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.trust_keys import ledger_verified, ledger_verifying, ledger_walk
from amp.tenancy import Tenant

LIBRARY = files("amp.ledger").joinpath("walks.lua").read_text()
UNHEARD = "its service ended, or lost the store"

_decoder = msgspec.json.Decoder(VerifiedReply)
_walk = msgspec.json.Decoder(Walk)
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
    """What the last walk over each tenant's chains has found, and how one that a page asked for stands."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._functions = Functions(store, [LIBRARY])

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

    async def tell(self, tenant: Tenant, owner: str, walk: Walk, held_ms: int) -> bool:
        """Whether this owner's walk is under way, for so long from now on; not if another's is.

        Raises:
            StoreUnavailable: nobody knows; it may be told again.
        """
        arguments = (owner, msgspec.json.encode(walk), held_ms)
        return bool(await self._functions.call(Call("amp_ledger_walk_v1", _walk_keys(tenant), arguments)))

    async def end(self, tenant: Tenant, owner: str, walk: Walk | None) -> bool:
        """Whether this owner's walk was under way; it is no more. One without an end leaves how far it came.

        Raises:
            StoreUnavailable: then it is when its time is over.
        """
        arguments = (owner, msgspec.json.encode(walk) if walk else b"")
        call = Call("amp_ledger_walk_ended_v1", _walk_keys(tenant), arguments)
        return bool(await self._functions.call(call))

    async def both(self, tenant: Tenant) -> tuple[VerifiedReply | None, VerifyingReply | None]:
        """The last, and the one that is under way.

        Raises:
            StoreUnavailable: there is no answer.
        """
        last, owner, now = await self.raw(tenant)
        return (
            None if last is None else _decoder.decode(last),
            _under_way.decode(now) if owner and now else None,
        )

    async def ended_early(self, tenant: Tenant) -> str:
        """Why the last walk from a page came to no end; empty if it did, or one that began later did.

        Raises:
            StoreUnavailable: there is no answer.
        """
        last, owner, raw = await self.raw(tenant)
        if owner or not raw:
            return ""
        walk = _walk.decode(raw)
        if last is not None and _decoder.decode(last).at >= walk.at:
            return ""
        return walk.ended_early or UNHEARD

    async def raw(self, tenant: Tenant) -> list[bytes | None]:
        """What the last has found, whose is under way, how it stands: others whenever something has changed.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.ask("MGET", ledger_verified(tenant.tag), *_walk_keys(tenant))


def _walk_keys(tenant: Tenant) -> tuple[bytes, bytes]:
    return ledger_verifying(tenant.tag), ledger_walk(tenant.tag)


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
