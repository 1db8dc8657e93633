"""Walks over a tenant's chains that somebody asked for at a page: beside all else that the process does.

One at a time a tenant, over all services on the store. What is found is kept where `amp ledger verify` keeps
it; how far a walk is, is told every second. One whose process dies is under way no more half a minute later,
and is said to have come to no end, as one is that failed, until one that began later has.
"""

import asyncio
import logging
import secrets
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from amp.clock import iso, now_ms
from amp.errors import StoreUnavailable
from amp.ledger.audit_store import AuditStore
from amp.ledger.head_files import evidence
from amp.ledger.standing import Verifications
from amp.ledger.verified import Walk, verified
from amp.ledger.verify import Verifier, of_files
from amp.store.connection import Store
from amp.tenancy import Tenant

TELL_EVERY_S = 1.0
HELD_MS = 30_000
_AWAY = "the store did not answer"
_BROKEN = "it failed, and the log of the service says how"
_log = logging.getLogger(__name__)


class Walking:
    """The walks of this process, and what is known of those of others."""

    def __init__(self, store: Store, *, folder: Path, key: bytes) -> None:
        """`folder` is where this machine's heads lie, `key` is theirs."""
        self._store = store
        self._kept = Verifications(store)
        self._folder = folder
        self._key = key
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, tenant: Tenant) -> bool:
        """Begins a walk and returns at once; False: one is under way.

        Raises:
            StoreUnavailable: nobody knows; looking tells.
        """
        owner, walk = secrets.token_hex(8), Walk(iso(now_ms()), 0, 0)
        if not await self._kept.tell(tenant, owner, walk, HELD_MS):
            return False
        task = asyncio.create_task(self._walk(tenant, owner, walk))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def ended_early(self, tenant: Tenant) -> str:
        """Why the last walk came to no end; empty if it did, or is under way.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._kept.ended_early(tenant)

    async def version(self, tenant: Tenant) -> str:
        """Another one whenever a walk has begun, has got on or has ended.

        Raises:
            StoreUnavailable: there is no answer.
        """
        digest = blake2b(digest_size=8)
        for each in await self._kept.raw(tenant):
            digest.update(each or b"-")
        return digest.hexdigest()

    async def _walk(self, tenant: Tenant, owner: str, walk: Walk) -> None:
        telling, left = asyncio.create_task(self._tell(tenant, owner, walk)), walk
        try:
            await self._walked(tenant, walk)
            left = None
        except Exception as error:  # noqa: BLE001  whatever it is, who waits at the page must hear of it
            walk.ended_early = _why(error)
            trace = error if walk.ended_early == _BROKEN else None
            told = (tenant.tag, walk.ended_early)
            _log.warning("A walk over the chains of %s ended early: %s.", *told, exc_info=trace)
        finally:
            telling.cancel()
            await asyncio.wait([telling])  # or it would tell once more
            with suppress(StoreUnavailable):
                await self._kept.end(tenant, owner, left)

    async def _walked(self, tenant: Tenant, walk: Walk) -> None:
        began_s = time.perf_counter()
        # before the store: what is on file now is in the store by the time that it is read
        found = await asyncio.to_thread(evidence, self._folder, self._key)
        reads = AuditStore(self._store)
        walk.entries_in_all = sum([size.entries for size in await reads.sizes(tenant)])

        def advance(entries: int) -> None:
            walk.entries += entries

        walked = await Verifier(reads, tenant, found, advance).walk()
        took_s = time.perf_counter() - began_s
        await self._kept.keep(tenant, verified(walked, of_files(found), at=walk.at, took_s=took_s))

    async def _tell(self, tenant: Tenant, owner: str, walk: Walk) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            with suppress(StoreUnavailable):
                await self._kept.tell(tenant, owner, walk, HELD_MS)


def _why(error: Exception) -> str:
    if isinstance(error, StoreUnavailable):
        return _AWAY
    return f"heads on file cannot be read ({error})" if isinstance(error, OSError) else _BROKEN
