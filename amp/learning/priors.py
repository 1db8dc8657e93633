"""The priors that a worker decides with: the newest published one of each tenant, read in the background."""

import logging
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from amp.learning import prior, prior_wire
from amp.learning.approaches import Approaches
from amp.learning.carry import carry
from amp.learning.policies import Policies
from amp.learning.prior import Prior
from amp.learning.store import LearningStore
from amp.learning.types import Policy
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
        self._earlier: dict[tuple[str, int], Prior | None] = {}
        self._carried: dict[str, _Carried] = {}
        self._unreadable: dict[str, int] = {}
        """The published version of a tenant that cannot be read, by tenant tag."""

    def of(self, tenant: Tenant, policy: Policy | None = None) -> Prior:
        """The prior in force, for the dimensions of the policy in force.

        It is the newest, or while `policy` is frozen the one of then.

        One that this worker does not hold yet is read at the next refresh; the newest stands in.
        """
        published = self._published(tenant, policy)
        approaches = self._policies.of(tenant).approaches
        if approaches.plain and not published.layout:
            return published
        carried = self._carried.get(tenant.tag)
        if carried is None or carried.published is not published or carried.approaches is not approaches:
            carried = _Carried(published, approaches, carry(published, approaches))
            self._carried[tenant.tag] = carried
        return carried.prior

    def standing(self, tenant: Tenant) -> Prior:
        """What the next fit starts from, and comes after: the newest that was published.

        One that cannot be read counts as none: the shipped prior stands under its version.
        """
        version = self._unreadable.get(tenant.tag)
        if version is None:
            return self.of(tenant)
        return replace(carry(self._shipped, self._policies.of(tenant).approaches), version=version)

    def _published(self, tenant: Tenant, policy: Policy | None) -> Prior:
        current = self._current.get(tenant.tag, self._shipped)
        frozen = policy.frozen_prior if policy and policy.mode == "frozen" else None
        if frozen is None or frozen == current.version:
            return current
        if frozen == self._shipped.version:
            return self._shipped
        return self._earlier.setdefault((tenant.tag, frozen), None) or current

    async def at(self, tenant: Tenant, version: int, approaches: Approaches) -> Prior | None:
        """One version, for these dimensions; None when it is not kept or cannot be read.

        It is read anew each time: who asks often keeps what it is asked for.

        Raises:
            StoreUnavailable: there is no answer.
        """
        if version == self._shipped.version:
            return carry(self._shipped, approaches)
        try:
            return carry(await self._read(tenant.tag, version), approaches)
        except ValueError:
            return None

    def held(self) -> dict[str, int]:
        """The newest version that this worker has of each tenant's prior, by tenant tag."""
        return {tag: current.version for tag, current in self._current.items()}

    async def refresh(self) -> None:
        """Reads every prior that is newer than ours; the one before stays for one that cannot be read.

        Raises:
            StoreUnavailable: there is no answer.
        """
        for tag, version in (await self._store.prior_versions()).items():
            current = self._current.get(tag, self._shipped)
            if version == current.version:
                continue
            try:
                self._current[tag] = await self._read(tag, version)
                self._unreadable.pop(tag, None)
            except ValueError as error:
                if self._unreadable.get(tag) != version:
                    _log.error("The prior %d of %s cannot be read: %s", version, tag, error)
                self._unreadable[tag] = version
        for (tag, version), held in list(self._earlier.items()):
            if held is None:
                with suppress(ValueError):
                    self._earlier[tag, version] = await self._read(tag, version)

    async def _read(self, tag: str, version: int) -> Prior:
        """One version.

        Raises:
            ValueError: it is not kept, or is no prior for any dimensions of this tenant.
            StoreUnavailable: there is no answer.
        """
        blob = await self._store.prior(tag, version)
        if blob is None:
            raise ValueError("it is not kept")
        found = prior_wire.decode(blob)
        if not found.layout and found.mean.size != self._shipped.mean.size:
            raise ValueError("it is of other dimensions")
        return found
