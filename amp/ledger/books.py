"""The verbs of price lists, tools and rates: see them, change them, follow what others changed."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, cast

import msgspec

from amp.errors import StoreUnavailable, VersionConflict
from amp.ledger.book_store import BookStore
from amp.ledger.catalogue import KINDS, Document, Entry, Kind, checked, decoded
from amp.ledger.pricing import Pricer, Rates
from amp.ledger.types import Priced, Usage
from amp.tenancy import Tenant

POLL_S = 0.5
_log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
_EMPTY = Document[Any](0, 0, [])
_PRICER, _RATES = Pricer(), Rates()


class PriceLists:
    """What each tenant states of money, as the newest versions say; every worker follows them."""

    def __init__(self, store: BookStore) -> None:
        self._store = store
        self._current: dict[tuple[str, str], Document[Any]] = {}
        self._pricers: dict[str, Pricer] = {}
        self._rates: dict[str, Rates] = {}

    def pricer(self, tenant: Tenant) -> Pricer:
        """The prices of models and tools, all dates of them."""
        return self._pricers.get(tenant.tag, _PRICER)

    def rates(self, tenant: Tenant) -> Rates:
        """The rates between currencies, all dates of them."""
        return self._rates.get(tenant.tag, _RATES)

    def price(self, tenant: Tenant, usage: Usage, sent: Priced | None) -> Priced:
        """What a record costs: what its sender says, else what the lists of its time say."""
        pricer = self.pricer(tenant)
        if sent is None:
            return pricer.price(usage)
        kind = pricer.kind(usage)
        return sent if kind == sent.kind else sent._replace(kind=kind)

    async def show(self, tenant: Tenant, kind: Kind) -> Document[Any]:
        """The version that stands.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return (await self._standing(tenant, kind))[1]

    async def put(
        self, tenant: Tenant, kind: Kind, entries: list[Entry], expected: int | None
    ) -> Document[Any]:
        """Makes these all the entries there are; in force here at once, everywhere in a second.

        Records that are in the ledger keep the price that they were given.

        Raises:
            InvalidParameter: the field is named.
            VersionConflict: another version stands than the expected one, or came first.
            StoreUnavailable: nobody knows whether it was done; it may be sent again.
        """
        listed = checked(cast("list[Any]", entries))
        now_ms, current = await self._standing(tenant, kind)
        if listed == current.entries and current.version:
            # a try before may have ended between publishing it and telling the others
            await self._store.publish(tenant, kind, current.version, _encoder.encode(current))
            self._take(tenant.tag, kind, current)
            return current
        if expected is not None and expected != current.version:
            raise _conflict(current.version)
        after = Document[Any](current.version + 1, max(now_ms, current.since_ms), listed)
        if not await self._store.publish(tenant, kind, after.version, _encoder.encode(after)):
            raise _conflict(after.version)
        self._take(tenant.tag, kind, after)
        return after

    async def follow(self) -> None:
        """Keeps up with what is published, until cancelled."""
        while True:
            await self.catch_up()
            await asyncio.sleep(POLL_S)

    async def catch_up(self) -> None:
        """`refresh`, if the store answers."""
        with suppress(StoreUnavailable):
            await self.refresh()

    async def refresh(self) -> None:
        """Reads every document that is not ours yet.

        Raises:
            StoreUnavailable: there is no answer.
        """
        for (tag, name), version in (await self._store.versions()).items():
            kind = cast("Kind", name)
            if kind not in KINDS or version <= self._current.get((tag, kind), _EMPTY).version:
                continue
            raw = await self._store.document(tag, kind, version)
            if raw is None:
                continue
            try:
                self._take(tag, kind, decoded(kind, raw))
            except ValueError:
                _log.exception("Version %d of %s of %s cannot be read.", version, kind, tag)

    def _take(self, tag: str, kind: Kind, document: Document[Any]) -> None:
        self._current[tag, kind] = document
        if kind == "rates":
            self._rates[tag] = Rates(document.entries)
            return
        prices = self._current.get((tag, "pricing"), _EMPTY).entries
        self._pricers[tag] = Pricer(prices, self._current.get((tag, "tools"), _EMPTY).entries)

    async def _standing(self, tenant: Tenant, kind: Kind) -> tuple[int, Document[Any]]:
        """The store's clock, and the version that stands."""
        now_ms, version = await self._store.standing(tenant.tag, kind)
        raw = await self._store.document(tenant.tag, kind, version) if version else None
        return now_ms, _EMPTY if raw is None else decoded(kind, raw)


def _conflict(version: int) -> VersionConflict:
    return VersionConflict(
        f"Version {version} stands: read it and change that.", details={"version": version}
    )
