"""Appends entries: what comes within one event-loop tick leaves in one round trip."""

from collections.abc import Callable

from amp.ledger.chain import Head
from amp.ledger.store import LedgerStore, Write, Written
from amp.store.batch import Batch
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
        self._writes: Batch[Write, Written] = Batch(store.write, deadline_s=STORE_WITHIN_S, flights=2)

    async def append(self, tenant: Tenant, write: Write) -> Written:
        """What came of it.

        Raises:
            StoreUnavailable: nobody knows; it may be sent again.
        """
        written = await self._writes.submit(write)
        if self._heard and written.link:
            self._heard(tenant, write.bucket, Head(written.position, written.link))
        if self._told and written.link and (write.said.request or write.verb in {"outcome", "amend"}):
            self._told(tenant, write.bucket)
        return written
