"""The priors that a worker decides with: the newest published one of each tenant, read in the background."""

import asyncio
import logging
from contextlib import suppress
from typing import NamedTuple

from amp.errors import StoreUnavailable
from amp.learning import prior
from amp.learning.approaches import Approaches
from amp.learning.carry import carry
from amp.learning.policies import Policies
from amp.learning.prior import Prior
from amp.learning.store import LearningStore
from amp.tenancy import Tenant

POLL_S = 0.5
_log = logging.getLogger(__name__)


class _Carried(NamedTuple):
    """A prior as it is for a tenant's own dimensions."""

    published: Prior
    approaches: Approaches
    prior: Prior


class Priors:
    """One prior a tenant; the shipped one until the crowd has taught better."""

    def __init__(self, store: LearningStore, policies: Policies) -> None:
        self._store = store
        self._policies = policies
        self._shipped = prior.shipped(policies.shipped.approaches)
        self._current: dict[str, Prior] = {}
        self._carried: dict[str, _Carried] = {}

    def of(self, tenant: Tenant) -> Prior:
        """The tenant's prior, for the dimensions of the policy in force."""
        published = self._current.get(tenant.tag, self._shipped)
        approaches = self._policies.of(tenant).approaches
        if approaches.plain and not published.layout:
            return published
        carried = self._carried.get(tenant.tag)
        if carried is None or carried.published is not published or carried.approaches is not approaches:
            carried = _Carried(published, approaches, carry(published, approaches))
            self._carried[tenant.tag] = carried
        return carried.prior

    async def follow(self) -> None:
        """Keeps up with what is published, until cancelled."""
        while True:
            with suppress(StoreUnavailable):
                await self.refresh()
            await asyncio.sleep(POLL_S)

    async def refresh(self) -> None:
        """Reads every prior that is newer than ours.

        Raises:
            StoreUnavailable: there is no answer.
        """
        for tag, version in (await self._store.prior_versions()).items():
            current = self._current.get(tag, self._shipped)
            if version == current.version:
                continue
            blob = await self._store.prior(tag, version)
            if blob is None:
                continue
            try:
                self._current[tag] = prior.decode(blob)
            except ValueError:
                _log.exception("The prior %d of %s cannot be read; %d stays.", version, tag, current.version)
