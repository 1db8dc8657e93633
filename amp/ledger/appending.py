"""Appends entries: what comes within one event-loop tick leaves in one round trip a way to the store."""

from collections.abc import Callable
from functools import partial

from amp.ledger.chain import Head
from amp.ledger.store import LedgerStore, Write, Written
from amp.store.batch import Batch
from amp.store.connection import WAYS
from amp.tenancy import Tenant

STORE_WITHIN_S = 1.2
"""Then a call is refused for now."""

Told = Callable[[Tenant, int], None]
"""Told the bucket of each entry that says, or may say, what came of a job that follows a decision."""
Heard = Callable[[Tenant, int, Head], None]
"""Told where a bucket's chain ends, each time that an entry is appended here."""


class Appender:
    """The way of every entry into the store."""

    def __init__(self, store: LedgerStore, heard: Heard | None = None, told: Told | None = None) -> None:
        self._heard = heard
        self._told = told
        self._ways = [
            Batch[Write, Written](partial(store.write, way=way), deadline_s=STORE_WITHIN_S)
            for way in range(WAYS)
        ]

    async def append(self, tenant: Tenant, write: Write) -> Written:
        """What came of it.

        Raises:
            StoreUnavailable: nobody knows; it may be sent again.
        """
        written = await self._ways[write.bucket % WAYS].submit(write)
        if self._heard and written.link:
            self._heard(tenant, write.bucket, Head(written.position, written.link))
        if self._told and written.link and (write.said.request or write.verb in {"outcome", "amend"}):
            self._told(tenant, write.bucket)
        return written
