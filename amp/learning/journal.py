"""The log read back, a bucket at a time: every decision with an outcome, and how likely it was."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np

from amp.learning import prior_wire
from amp.learning.approaches import Approaches
from amp.learning.carry import carry
from amp.learning.policies import Policies
from amp.learning.prior import Prior, shipped
from amp.learning.propensity import propensities
from amp.learning.record import read_record
from amp.learning.replay import Kept, Logged, Reason, Remembered, again, asks, remembered, stated
from amp.learning.store import PAGE, LearningStore
from amp.learning.types import Ask, Floats
from amp.store.connection import Store, clock_ms
from amp.store.keys import bucket_tag, user_keys
from amp.tenancy import Tenant

_AT_A_TIME = 256
"""Decisions whose probabilities are worked out together, and are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision with an outcome."""

    alias: bytes
    """The user's random name in the log."""
    made: Remembered
    reason: Reason | None
    """Why there are no probabilities; None when there are."""
    probabilities: Floats | None = None
    """Of each combination in this decision; shape (combinations,)."""
    prior: Prior | None = None
    """What the decision rested on, where it has probabilities."""
    approaches: Approaches | None = None
    """Those in force then, where they are known and numbered as they are now."""

    @property
    def ask(self) -> Ask | None:
        return self.made.ask


class _Bucket(NamedTuple):
    """What the store holds of one bucket."""

    kept: dict[bytes, Kept]
    """By alias."""
    reports: dict[bytes, list[Logged]]
    """By alias, in the order of the log."""
    complete_from_ms: int


class Journal:
    """Reads a tenant's log; writes nothing."""

    def __init__(self, store: Store, facts: LearningStore, policies: Policies) -> None:
        self._store = store
        self._facts = facts
        self._policies = policies
        self._priors: dict[tuple[str, int, Approaches], Prior | None] = {}

    async def sizes(self, tenant: Tenant, buckets: Sequence[int]) -> list[int]:
        """How many reports the log holds in each of these buckets.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.ask_in_turn([("XLEN", _stream(tenant, number)) for number in buckets])

    async def entries(self, tenant: Tenant, number: int, since_ms: int = 0) -> AsyncIterator[Entry]:
        """The decisions of one bucket that were made since then, user after user.

        Raises:
            StoreUnavailable: there is no answer.
        """
        bucket = await self._read(tenant, number)
        found: list[tuple[bytes, Remembered]] = []
        for alias, reports in bucket.reports.items():
            made = remembered(reports, bucket.kept.get(alias), bucket.complete_from_ms)
            found += [(alias, each) for each in made if each.decided_ms >= since_ms]
        for versions in dict.fromkeys(each.versions for _, each in found):
            of_these = [(alias, each) for alias, each in found if each.versions == versions]
            async for entry in self._judged(tenant, versions, of_these):
                yield entry

    async def _judged(
        self, tenant: Tenant, versions: tuple[int, int], found: Sequence[tuple[bytes, Remembered]]
    ) -> AsyncIterator[Entry]:
        """The decisions of one policy and prior, with the probabilities of those that can be made again.

        When one does not come out as it did, none is trusted: they were decided by rules that are not these.
        """
        ruled = await self._policies.at(tenant, versions[0])
        prior = await self._prior(tenant, versions[1], ruled.approaches) if ruled else None
        known = [(alias, stated(each, ruled.approaches)) for alias, each in found if each.ask and ruled]
        missing: Reason | None = "policy" if ruled is None else "prior" if prior is None else None
        if ruled and prior:
            chunks = [known[start : start + _AT_A_TIME] for start in range(0, len(known), _AT_A_TIME)]
            if not all(again([each for _, each in chunk], prior, *ruled) for chunk in chunks):
                missing = "mismatch"
        then = ruled.approaches if ruled else None
        for alias, each in found:
            if each.reason or missing:
                yield Entry(alias, each, each.reason or missing, approaches=then)
        if missing or not ruled or not prior:
            return
        for start in range(0, len(known), _AT_A_TIME):
            some = known[start : start + _AT_A_TIME]
            told = propensities(asks([each for _, each in some], ruled.policy), prior, *ruled)
            for (alias, each), probabilities in zip(some, told, strict=True):
                yield Entry(alias, each, None, probabilities, prior, then)

    async def _prior(self, tenant: Tenant, version: int, approaches: Approaches) -> Prior | None:
        """A published prior as it was for these approaches; None when it is not kept, or cannot be read."""
        key = (tenant.tag, version, approaches)
        if key not in self._priors:
            self._priors[key] = await self._read_prior(tenant, version, approaches)
        return self._priors[key]

    async def _read_prior(self, tenant: Tenant, version: int, approaches: Approaches) -> Prior | None:
        if version == 0:
            return shipped(approaches)
        blob = await self._facts.prior(tenant.tag, version)
        try:
            return carry(prior_wire.decode(blob), approaches) if blob else None
        except (ValueError, msgspec.MsgspecError):
            return None

    async def _read(self, tenant: Tenant, number: int) -> _Bucket:
        """Records before reports: then the log has whatever a record has, unless it has dropped it."""
        kept = await self._kept(tenant, number)
        reports: dict[bytes, list[Logged]] = {}
        start, oldest = b"-", 0
        while True:
            page: list[tuple[bytes, list[bytes]]] = await self._store.ask(
                "XRANGE", _stream(tenant, number), start, "+", "COUNT", PAGE
            )
            oldest = oldest or (_arrived_ms(page[0][0]) if page else 0)
            for event, flat in page:
                fields = dict(zip(flat[::2], flat[1::2], strict=True))
                if b"r" in fields:
                    reports.setdefault(fields[b"a"], []).append(_logged(event, fields))
            if len(page) < PAGE:
                break
            start = b"(" + page[-1][0]
        return _Bucket(kept, reports, await self._complete_from_ms(tenant, number, oldest))

    async def _complete_from_ms(self, tenant: Tenant, number: int, oldest_ms: int) -> int:
        """From when on the log that was just read lacks nothing; 0 if nothing was ever dropped."""
        (stream,) = await self._store.ask_each([("XINFO", "STREAM", _stream(tenant, number))])
        if isinstance(stream, Exception):  # there never was an event
            return 0
        told: dict[bytes, Any] = dict(zip(stream[::2], stream[1::2], strict=True))
        if told[b"length"] == told[b"entries-added"]:
            return 0
        first: list[Any] | None = told[b"first-entry"]
        # what was dropped while we read may have gone before we came to it
        return max(oldest_ms, _arrived_ms(first[0])) if first else np.iinfo(np.int64).max

    async def _kept(self, tenant: Tenant, number: int) -> dict[bytes, Kept]:
        names: list[bytes] = await self._store.ask("SMEMBERS", bucket_tag(tenant, number) + b":users")
        kept: dict[bytes, Kept] = {}
        for start in range(0, len(names), PAGE):
            keys = [user_keys(tenant, name.decode()) for name in names[start : start + PAGE]]
            reads = [("GET", each.record) for each in keys] + [
                ("HGET", each.details, b"changed") for each in keys
            ]
            now, *replies = await self._store.ask_all([("TIME",), *reads])
            read_ms = clock_ms(now)
            for record, changed in zip(replies[: len(keys)], replies[len(keys) :], strict=True):
                read = read_record(record)
                kept[read.alias] = Kept(read, int(changed or 0), read_ms)
        return kept


def _logged(event: bytes, fields: dict[bytes, bytes]) -> Logged:
    shadow = fields.get(b"s")
    return Logged(
        _arrived_ms(event),
        fields[b"r"],
        fields.get(b"t", b"").decode(),
        int(fields.get(b"x", b"0")),
        None if shadow is None else int(shadow),
    )


def _stream(tenant: Tenant, number: int) -> bytes:
    return bucket_tag(tenant, number) + b":events"


def _arrived_ms(event: bytes) -> int:
    return int(event.partition(b"-")[0])
