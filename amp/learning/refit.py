"""Fits the population prior in the background: one leader by lease, in a process of its own.

So that it never holds a worker's event loop. Workers pick a published prior up within a second (priors.py).
"""

import asyncio
import logging
import os
import secrets
import time
from dataclasses import dataclass

import numpy as np

from amp import settings as configuration
from amp.errors import StoreUnavailable
from amp.learning import prior, rows
from amp.learning import store as learning_store
from amp.learning.approaches import PUBLISHED, Approaches
from amp.learning.fit import fit
from amp.learning.policies import policy_of
from amp.learning.priors import Priors
from amp.learning.store import LearningStore
from amp.learning.types import Policy
from amp.store.connection import Store, connect
from amp.store.functions import Functions
from amp.store.keyring import Keyring, pepper
from amp.tenancy import Tenant, tenant

LOOK_EVERY_S = 1.0
LOOK_AT_LEAST_EVERY_S = 60.0
QUIET_SHARE = 0.05
LEASE_MS = 60_000
GROWTH = 1.15
"""A refit is due when the outcomes have grown by this factor. Source: learning.md section 1."""
FIRST_AT = 20
"""Outcomes before which the shipped prior stands."""
AT_LEAST_EVERY_S = 3600.0
USERS_MAX = 20_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watch:
    """What this process knows of a tenant."""

    since_s: float
    """The last fit, or when the tenant was first seen."""
    outcomes: int = 0
    """At the last fit."""
    next_s: float = 0.0
    """When to count again: soon after a fit, ever rarer with quiet, so that many tenants cost little."""


class Refit:
    """Looks at every tenant and fits those that have learned enough since their last fit."""

    def __init__(
        self, facts: LearningStore, keyring: Keyring, *, policy: Policy, approaches: Approaches
    ) -> None:
        self._facts = facts
        self._keyring = keyring
        self._priors = Priors(facts, approaches)
        self._policy = policy
        self._approaches = approaches
        self._watched: dict[Tenant, _Watch] = {}
        self._owner = secrets.token_hex(8)

    async def run(self) -> None:
        """Leads, or waits to lead, until cancelled."""
        while True:
            try:
                if await self._facts.lease(self._owner, LEASE_MS):
                    await self.look(time.monotonic())
            except StoreUnavailable:
                _log.debug("The store does not answer; the priors stay as they are.")
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, now_s: float) -> int:
        """Fits every tenant that is due; how many priors were published.

        Raises:
            StoreUnavailable: what was published before stays.
        """
        await self._priors.refresh()
        tenants = {tenant(record.tenant, record.env) for record in await self._keyring.all()}
        published = 0
        for each in sorted(tenants, key=lambda known: known.tag):
            watch = self._watched.setdefault(each, _Watch(now_s))
            if now_s < watch.next_s:
                continue
            outcomes = await self._facts.outcomes(each)
            if _due(watch, outcomes, now_s):
                published += await self._fit(each)
                watch.outcomes, watch.since_s = outcomes, now_s
            quiet_s = (now_s - watch.since_s) * QUIET_SHARE
            watch.next_s = now_s + min(max(quiet_s, LOOK_EVERY_S), LOOK_AT_LEAST_EVERY_S)
        return published

    async def _fit(self, each: Tenant) -> bool:
        known = await self._facts.known_users(each)
        share = min(1.0, USERS_MAX / max(sum(known), 1))
        sampled = await self._facts.sample(each, [int(np.ceil(count * share)) for count in known])
        current = self._priors.of(each)
        fitted = fit(
            [rows.unpack(record.rows) for _, record in sorted(sampled)],
            current,
            self._policy,
            self._approaches,
            np.random.default_rng(current.version),
        )
        if fitted.better:
            await self._facts.publish(each, fitted.prior.version, prior.encode(fitted.prior))
        _log.info(
            "Prior %d of %s: score %.4f against %.4f of the current one; %s.",
            fitted.prior.version,
            each.tag,
            fitted.score,
            fitted.current_score,
            "published" if fitted.better else "not published",
        )
        return fitted.better


def _due(watch: _Watch, outcomes: int, now_s: float) -> bool:
    if watch.outcomes == 0:
        return outcomes >= FIRST_AT
    late = now_s - watch.since_s >= AT_LEAST_EVERY_S and outcomes > watch.outcomes
    return late or outcomes >= watch.outcomes * GROWTH


def main() -> None:
    """Runs with the settings in the environment, until it is stopped."""
    settings = configuration.load(os.environ)
    store = connect(settings.redis or "")
    asyncio.run(_run(settings, store))


async def _run(settings: configuration.Settings, store: Store) -> None:
    facts = LearningStore(
        store,
        Functions(store, [learning_store.LIBRARY]),
        window_ms=settings.outcome_window_ms,
        retention_ms=settings.log_retention_ms,
    )
    keyring = Keyring(store, pepper(settings.secret or ""))
    await Refit(facts, keyring, policy=policy_of(settings), approaches=PUBLISHED).run()
