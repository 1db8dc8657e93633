"""Which policy is in force for each tenant: the one it made, else what the operator's settings say."""

import asyncio
import logging
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple, cast

from amp.errors import StoreUnavailable
from amp.learning import document as documents
from amp.learning.approaches import PUBLISHED, Approaches
from amp.learning.document import Document, OwnDimension, Place
from amp.learning.layouts import Layout
from amp.learning.policy_store import PolicyStore
from amp.learning.types import Learner, Policy
from amp.settings import Settings
from amp.tenancy import Tenant

POLL_S = 0.5
_log = logging.getLogger(__name__)


class InForce(NamedTuple):
    """A tenant's policy and the approaches that it chooses from."""

    policy: Policy
    approaches: Approaches


class Policies:
    """One policy a tenant; the operator's settings describe it until the tenant has its own."""

    def __init__(self, first: InForce, store: PolicyStore | None = None) -> None:
        self._first = first
        self._store = store
        self._current: dict[str, InForce] = {}

    def of(self, tenant: Tenant) -> InForce:
        return self._current.get(tenant.tag, self._first)

    @property
    def shipped(self) -> InForce:
        """What holds for a tenant without a policy of its own."""
        return self._first

    @property
    def first(self) -> Document:
        """Version 1 of every tenant."""
        return documents.first(self._first.policy)

    async def tell_served(self) -> None:
        """Tells the commands beside the service by which settings it serves; they may have others.

        Raises:
            StoreUnavailable: they may not know.
        """
        if self._store:
            await self._store.serve(documents.encode(self.first))

    async def as_served(self) -> None:
        """Takes the settings of whoever served last for ours.

        Raises:
            StoreUnavailable: there is no answer.
        """
        data = await self._store.served() if self._store else None
        if data is None:
            return
        try:
            self._first = in_force(documents.decode(data))
        except ValueError:
            _log.exception("The policy that is served cannot be read; the settings here stand in.")

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
        """Reads every policy that is not ours yet.

        Raises:
            StoreUnavailable: there is no answer.
        """
        if self._store is None:
            return
        for tag, version in (await self._store.versions()).items():
            if version == self._current.get(tag, self._first).policy.version:
                continue
            data = await self._store.document(tag, version)
            if data is not None:
                self._take(tag, version, data)

    async def at(self, tenant: Tenant, version: int) -> InForce | None:
        """What was in force then, if its combinations were numbered as they are now; None if not, or unknown.

        Raises:
            StoreUnavailable: there is no answer.
        """
        standing = self.of(tenant)
        if version == standing.policy.version:
            return standing
        if version == self._first.policy.version:
            earlier = self._first
        else:
            data = await self._store.document(tenant.tag, version) if self._store else None
            if data is None:
                return None
            earlier = in_force(documents.decode(data))
        return earlier if earlier.approaches.layout == standing.approaches.layout else None

    def _take(self, tag: str, version: int, data: bytes) -> None:
        try:
            self._current[tag] = in_force(documents.decode(data))
        except ValueError:
            standing = self._current.get(tag, self._first).policy.version
            _log.exception("Policy %d of %s cannot be read; %d stays.", version, tag, standing)


def in_force(document: Document) -> InForce:
    """What the document says, for decisions."""
    return InForce(document.policy, _approaches(document.dimensions, document.layouts, document.slots))


@lru_cache(maxsize=1024)
def _approaches(
    dimensions: tuple[OwnDimension, ...], layouts: tuple[Layout, ...], slots: tuple[Place, ...]
) -> Approaches:
    """The same object as long as nothing of it changes, for much is worked out once for each."""
    return documents.approaches(dimensions, layouts, slots)


def first(settings: Settings) -> InForce:
    """What the operator's settings describe, with the dimensions of the contract."""
    policy = Policy(
        learner=cast("Learner", settings.policy),
        explore_floor=settings.explore_floor,
        control_share=settings.control_share,
        outcome_window_ms=settings.outcome_window_ms,
    )
    return InForce(policy, PUBLISHED)
