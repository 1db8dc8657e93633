"""Takes in what was used: prices it and appends it to its job, once."""

import os
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple, cast
from uuid import UUID

from amp.clock import Clock, now_ms
from amp.errors import IdempotencyKeyMismatch
from amp.ledger import answers, metering, recording
from amp.ledger.answers import Receipt
from amp.ledger.appending import Appender
from amp.ledger.entries import Completion, Metered, id_text, pack, unpack
from amp.ledger.job import added
from amp.ledger.metering import Sent
from amp.ledger.once import Once, checked, fingerprint, remembered, remembered_key
from amp.ledger.store import Said, Write
from amp.ledger.types import Decisions, Price
from amp.ledger.wire import CompletionRequest, ToolRequest
from amp.store.ledger_keys import bucket_of, job_keys, no_job_keys
from amp.tenancy import Access, Tenant

KNOWN_MAX = 20_000
"""Jobs of which a worker remembers what is said of them."""

Random = Callable[[int], bytes]


class Taken(NamedTuple):
    """A receipt, and whether the record was there already."""

    receipt: Receipt
    replayed: bool


class Intake:
    """Meters."""

    def __init__(
        self,
        appender: Appender,
        *,
        decisions: Decisions,
        price: Price = metering.as_sent,
        clock: Clock = now_ms,
        random: Random = os.urandom,
    ) -> None:
        self._appender = appender
        self._decisions = decisions
        self._price = price
        self._clock = clock
        self._random = random
        self._known: dict[tuple[Tenant, str], int] = {}

    async def meter(self, access: Access, request: CompletionRequest | ToolRequest, once: Once) -> Taken:
        """Appends what was used to its job, which it makes when there is none.

        Raises:
            InvalidParameter: the field is named.
            IdempotencyKeyMismatch: the key came with another body before.
            StoreUnavailable: nobody knows; send it again.
        """
        once, tenant, now = checked(once), access.tenant, self._clock()
        transaction = request.transaction_id or self._stand_in(once)
        if isinstance(request, CompletionRequest):
            sent = metering.completion(request, transaction, now)
        else:
            sent = metering.tool_event(request, transaction, now)
        asked = request.amp_request_id if sent.job else None
        decided = self._decisions(tenant, asked) if asked else None
        priced = self._price(tenant, sent.usage, sent.priced)
        known = self._known.get((tenant, sent.job), 0)
        entry = recording.entry(sent, priced, decided, (now, access.key_id), known)
        write = _write(tenant, sent, entry, once)
        written = await self._appender.append(tenant, write)
        if written.verdict == "recorded":
            self._remember(tenant, sent.job, written.entry[0])
        if written.verdict == "mismatch":
            raise IdempotencyKeyMismatch("This Idempotency-Key came with another body before.")
        if written.verdict == "replay":
            stands = cast("Metered", unpack(written.entry))
            told = written.entry, stands, id_text(stands.transaction)
        else:
            told = write.entry, entry, sent.transaction
        receipt = answers.receipt(write.bucket, written.position, *told)
        return Taken(receipt, written.verdict == "replay")

    def _remember(self, tenant: Tenant, job: str, flags: int) -> None:
        """What is said of a job stays, so that its further entries need not say it again."""
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[tenant, job] = flags

    def _stand_in(self, once: Once) -> str:
        """The id of a record without one: the same whenever its key comes again."""
        key = blake2b(once.name, digest_size=16).digest() if once.name else self._random(16)
        return str(UUID(bytes=key))


def _write(tenant: Tenant, sent: Sent, entry: Metered, once: Once) -> Write:
    call = "c" if isinstance(entry, Completion) else "t"
    return Write(
        "meter",
        bucket_of(sent.job or sent.transaction),
        job_keys(tenant, sent.job) if sent.job else no_job_keys(tenant, sent.transaction),
        sent.job,
        entry.at_ms,
        pack(entry),
        _said(entry) if sent.job else Said(),
        (
            remembered(call, sent.transaction),
            remembered_key(once),
            fingerprint(call, once),
            entry.began_ms,
            *added(entry),
        ),
    )


def _said(entry: Metered) -> Said:
    about = (entry.name, entry.type, entry.version, entry.environment, entry.agent)
    return Said(*about, entry.approach, entry.group, entry.squad, entry.request)
