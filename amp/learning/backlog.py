"""What the learner has yet to take in, and which worker decides with which prior."""

import asyncio

from msgspec import Struct

from amp.learning.fit_store import FitStore
from amp.learning.insight_store import InsightStore
from amp.learning.store import LearningStore
from amp.tenancy import Tenant


class BacklogReply(Struct, rename="camel"):
    """What the learner has yet to take in. A user's own outcomes count at once, whatever stands here."""

    outcomes: int
    """That were ever reported."""
    not_measured: int
    """Since lift and reporting were last measured."""
    measured_at: str | None
    fit_asked: bool
    """Somebody asked for a fit that is not done yet."""
    last_fit_at: str | None
    workers: list[int]
    """The prior that each worker decides with."""


class LearningBacklog:
    """Looks at what is behind."""

    def __init__(self, facts: LearningStore, fits: FitStore, measured: InsightStore) -> None:
        self._facts = facts
        self._fits = fits
        self._measured = measured

    async def of(self, tenant: Tenant) -> BacklogReply:
        """What this tenant's learner is behind with.

        Raises:
            StoreUnavailable: there is no answer.
        """
        outcomes, newest, asked, fits, workers = await asyncio.gather(
            self._facts.outcomes(tenant),
            self._measured.newest(tenant),
            self._fits.is_asked(tenant),
            self._fits.records(tenant),
            self._fits.workers(),
        )
        return BacklogReply(
            outcomes=outcomes,
            not_measured=max(0, outcomes - (newest.lift.outcomes if newest else 0)),
            measured_at=newest.lift.computed_at if newest else None,
            fit_asked=asked,
            last_fit_at=fits[0].at if fits else None,
            workers=sorted(held.get(tenant.tag, 0) for held in workers),
        )
