"""How far back a tenant's log goes, and how fresh it is: a look at each bucket's stream, none is read."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from amp.store.connection import Store
from amp.store.keys import BUCKETS, bucket_tag
from amp.tenancy import Tenant


class Log(NamedTuple):
    """A tenant's log of events."""

    ever: int
    """Events that it ever took."""
    oldest_ms: int | None
    """Of those that are still in it."""
    newest_ms: int | None


async def log_of(store: Store, tenant: Tenant) -> Log:
    """What this tenant's streams say.

    Raises:
        StoreUnavailable: there is no answer.
    """
    replies = await store.ask_each(
        [("XINFO", "STREAM", bucket_tag(tenant, number) + b":events") for number in range(BUCKETS)]
    )
    # a bucket without events has no stream, and an error for an answer
    told = [_fields(reply) for reply in replies if not isinstance(reply, Exception)]
    firsts = [_at_ms(each[b"first-entry"][0]) for each in told if each[b"first-entry"]]
    lasts = [_at_ms(each[b"last-entry"][0]) for each in told if each[b"last-entry"]]
    ever = sum(int(each[b"entries-added"]) for each in told)
    return Log(ever, min(firsts, default=None), max(lasts, default=None))


def _fields(reply: Sequence[Any]) -> dict[bytes, Any]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


def _at_ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
