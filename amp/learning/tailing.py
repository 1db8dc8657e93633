"""The log read as it grows: each report, a job's outcome or a verdict that taught, and what contradicted."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from amp.learning import reward, rows, words
from amp.learning.logline import LogSignals, signals_of
from amp.learning.policies import InForce
from amp.learning.record import read_record
from amp.learning.words import Way
from amp.store.connection import Store, clock_ms
from amp.store.keys import BUCKETS, bucket, bucket_tag, record_key
from amp.tenancy import Tenant

PAGE = 200
"""Events of a bucket that are read at a time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BY: dict[Way, Literal["agent", "job", "verdict"]] = {
    Way.AGENT: "agent",
    Way.BUSINESS: "job",
    Way.GRADED: "verdict",
}


class Told(Struct, rename="camel", kw_only=True, tag="outcome", tag_field="kind"):
    """One entry of the log."""

    at: datetime
    """When the store took it."""
    user: str
    """The user's random alias in the log, never the user's id."""
    by: Literal["agent", "job", "verdict"]
    """Whose report it is; by a job or a verdict, the bridge taught it."""
    counts: bool
    """False: it contradicts what stands, and changes nothing."""
    task_type: str | None
    approach: dict[str, str]
    signals: LogSignals
    """As they stand after this report."""
    reward: float
    """Under the policy now in force."""
    group: Literal["learned", "control"]
    final: bool
    step: int
    nonce: str
    """Of the decision: 64 bits, in decimal."""


class Tail:
    """Where one reader is in a tenant's log."""

    def __init__(self, store: Store, tenant: Tenant, buckets: Collection[int] = range(BUCKETS)) -> None:
        self._store = store
        self._tenant = tenant
        self._after = dict.fromkeys(buckets, b"")

    async def begin(self, since_ms: int | None) -> None:
        """Starts there; None is now, by the store's clock.

        Raises:
            StoreUnavailable: there is no answer.
        """
        now_ms = clock_ms(await self._store.ask("TIME"))
        since_ms = now_ms if since_ms is None else since_ms
        self._after = dict.fromkeys(self._after, b"%d" % since_ms)

    async def page(self, ruled: InForce) -> list[Told]:
        """What came since the last page, oldest first; none is given twice, and none left out.

        Raises:
            StoreUnavailable: there is no answer; asked again, it goes on where it was.
        """
        starts = list(self._after.items())
        pages = await self._store.ask_all(
            [("XRANGE", _stream(self._tenant, number), after, "+", "COUNT", PAGE) for number, after in starts]
        )
        found: list[tuple[tuple[int, ...], Told]] = []
        for (number, _), page in zip(starts, pages, strict=True):
            for event_id, flat in page:
                self._after[number] = b"(" + event_id
                fields = dict(zip(flat[::2], flat[1::2], strict=True))
                if b"r" in fields or b"k" in fields:
                    order = tuple(int(part) for part in event_id.split(b"-"))
                    found.append((order, _told(event_id, fields, ruled)))
        return [told for _, told in sorted(found, key=lambda each: each[0])]


async def alias(store: Store, tenant: Tenant, user: str) -> str | None:
    """What the log calls the user; None before anything was reported of them.

    Raises:
        StoreUnavailable: there is no answer.
    """
    raw = await store.ask("GET", record_key(tenant, user))
    return read_record(raw).alias.hex() if raw else None


def bucket_of(user: str) -> int:
    """Where in the log the user's events are."""
    return bucket(user.encode())


def _told(event_id: bytes, fields: dict[bytes, bytes], ruled: InForce) -> Told:
    event = words.event(event_id, fields)
    row = rows.unpack(event.row)
    one = row[0]
    bits = int(one["circumstance"])
    return Told(
        at=_EPOCH + timedelta(milliseconds=int(event_id.partition(b"-")[0])),
        user=fields[b"a"].hex(),
        by=_BY[event.way],
        counts=not event.against,
        task_type=fields.get(b"t", b"").decode() or None,
        approach=ruled.approaches.told(int(one["policy_version"]), int(one["combination"])),
        signals=signals_of(one),
        reward=round(float(reward.rewards(row, ruled.policy.weights)[0]), 6),
        group="control" if bits & rows.CONTROL else "learned",
        final=bool(one["final"]),
        step=int(one["step"]),
        nonce=str(int(one["nonce"])),
    )


def _stream(tenant: Tenant, number: int) -> bytes:
    return bucket_tag(tenant, number) + b":events"
