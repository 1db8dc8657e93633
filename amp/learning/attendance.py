"""A worker keeps up with the priors, and says that it is there, which it holds and what it serves by."""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from amp.errors import StoreUnavailable
from amp.learning.fit_store import FitStore
from amp.learning.policies import Policies
from amp.learning.priors import POLL_S, Priors

HEARTBEAT_S = 2.0


class Attendance:
    """One worker's. Said when it changes and every `HEARTBEAT_S`; unsaid when it ends in good order."""

    def __init__(
        self,
        fits: FitStore,
        priors: Priors,
        policies: Policies,
        *,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fits = fits
        self._priors = priors
        self._policies = policies
        self._elapsed_s = elapsed_s
        self._worker = secrets.token_hex(8)
        self.announces = True
        """False: this process draws pages, and decides for nobody."""
        self._said: dict[str, int] = {}
        self._due_s = 0.0

    async def keep(self) -> None:
        """Refreshes and says so, until cancelled."""
        try:
            while True:
                await self.once()
                await asyncio.sleep(POLL_S)
        finally:
            with suppress(StoreUnavailable):
                await self._fits.leave(self._worker)

    async def once(self) -> None:
        """Reads what is new, and says so when it is, or when it is time; nothing without the store."""
        with suppress(StoreUnavailable):
            await self._priors.refresh()
            held, now_s = self._priors.held(), self._elapsed_s()
            if not self.announces:
                return
            if held != self._said or now_s >= self._due_s:
                await self._fits.announce(self._worker, held)
                await self._policies.tell_served()
                self._said, self._due_s = held, now_s + HEARTBEAT_S
