"""The verbs of who operates the learner: fit now, go back to an earlier prior."""

import asyncio
import time
from dataclasses import replace

from amp.clock import iso
from amp.errors import InvalidParameter, NotFound, StoreUnavailable
from amp.learning import prior, prior_wire
from amp.learning.admin_wire import FitReply, RefitReply, RollbackReply
from amp.learning.approaches import PUBLISHED
from amp.learning.carry import carry
from amp.learning.fit_store import FitStore
from amp.learning.policies import Policies
from amp.learning.prior import Prior
from amp.learning.store import LearningStore
from amp.tenancy import Tenant

REFIT_WITHIN_S = 30.0
"""Then a caller is told that it is not done, and may ask again."""
ROLLBACK_WITHIN_S = 5.0
LOOK_EVERY_S = 0.1
TRIES = 5
"""Of a rollback, while fits are published in between."""


class Admin:
    """Operates one tenant's learner, from wherever the store can be reached."""

    def __init__(self, facts: LearningStore, fits: FitStore, *, policies: Policies) -> None:
        self._facts = facts
        self._fits = fits
        self._policies = policies

    async def refit(self, tenant: Tenant, within_s: float | None = None) -> RefitReply:
        """Has the prior fitted, whatever has grown, and waits until every worker decides with it.

        Raises:
            StoreUnavailable: nobody knows whether it is asked; it may be asked again.
        """
        until_s = time.monotonic() + (REFIT_WITHIN_S if within_s is None else within_s)
        ask = await self._fits.ask(tenant)
        while (fit := await self._fits.served(tenant)) is None or fit.ask < ask:
            if time.monotonic() >= until_s:
                return RefitReply(done=False, prior_version=await self._standing(tenant), workers=0)
            await asyncio.sleep(LOOK_EVERY_S)
        workers = await self._with(tenant, fit.prior_version, until_s)
        done = workers is not None
        return RefitReply(done=done, prior_version=fit.prior_version, workers=workers or 0, fit=fit)

    async def rollback(self, tenant: Tenant, version: int) -> RollbackReply:
        """Publishes an earlier prior as the newest, and holds fits off until one is asked for.

        Raises:
            InvalidParameter: the version is not earlier than the one in force.
            NotFound: that prior is no longer kept.
            StoreUnavailable: nobody knows whether it is done; it may be asked again.
        """
        for _ in range(TRIES):
            standing = await self._standing(tenant)
            if not 0 <= version < standing:
                raise InvalidParameter("version", f"must be earlier than {standing}, the prior in force")
            earlier = await self._earlier(tenant, version)
            fresh = replace(earlier, version=standing + 1)
            now, _ = await self._facts.read([])
            record = FitReply(
                iso(now),
                fresh.version,
                published=True,
                reason=f"Rolled back to prior {version}.",
                users=fresh.users,
                outcomes=fresh.rows,
                index=fresh.index is not None,
            )
            if await self._fits.rollback(tenant, fresh.version, prior_wire.encode(fresh), record):
                workers = await self._with(tenant, fresh.version, time.monotonic() + ROLLBACK_WITHIN_S)
                return RollbackReply(workers is not None, fresh.version, version, workers or 0)
        raise StoreUnavailable("Other priors keep being published; try again.")

    async def _standing(self, tenant: Tenant) -> int:
        return (await self._facts.prior_versions()).get(tenant.tag, 0)

    async def _earlier(self, tenant: Tenant, version: int) -> Prior:
        approaches = self._policies.of(tenant).approaches
        if version == 0:
            return carry(prior.shipped(PUBLISHED), approaches)
        blob = await self._facts.prior(tenant.tag, version)
        if blob is None:
            raise NotFound(
                f"Prior {version} is no longer kept: one that was replaced stays as long as the event log "
                "(AMP_LOG_RETENTION)."
            )
        try:
            earlier = prior_wire.decode(blob)
        except ValueError as error:
            raise NotFound(f"Prior {version} cannot be read.") from error
        if not earlier.layout and earlier.mean.size != PUBLISHED.design.shape[1]:
            raise InvalidParameter("version", "is a prior of other dimensions or options than today's")
        return carry(earlier, approaches)

    async def _with(self, tenant: Tenant, version: int, until_s: float) -> int | None:
        """How many workers there are, once all of them hold this prior or a newer; None: not in time."""
        while True:
            workers = await self._fits.workers()
            if all(held.get(tenant.tag, 0) >= version for held in workers):
                return len(workers)
            if time.monotonic() >= until_s:
                return None
            await asyncio.sleep(LOOK_EVERY_S)
