"""Fits the population prior in the background: one leader by lease, in a process of its own.

So that it never holds a worker's event loop. Workers pick a published prior up within a second (priors.py).
"""

import asyncio
import logging
import os
import secrets
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from amp import settings as configuration
from amp.errors import StoreUnavailable
from amp.learning import insight_store, policies, prior
from amp.learning import store as learning_store
from amp.learning.approaches import Approaches
from amp.learning.crowd import readable
from amp.learning.fit import fit
from amp.learning.insight_store import InsightStore
from amp.learning.measure import Measure, group_key
from amp.learning.policies import Policies
from amp.learning.policy_store import PolicyStore
from amp.learning.priors import Priors
from amp.learning.record import Record
from amp.learning.store import LearningStore
from amp.learning.types import History, Weights
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
TRIM_EVERY_S = 3600.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watch:
    """What this process knows of a tenant."""

    since_s: float
    """The last fit, or when the tenant was first seen."""
    trim_s: float
    """When to trim the logs."""
    outcomes: int = 0
    """At the last fit."""
    weights: Weights | None = None
    """Of the reward at the last fit."""
    next_s: float = 0.0
    """When to count again: soon after a fit, ever rarer with quiet, so that many tenants cost little."""


class Refit:
    """Looks at every tenant and fits those that have learned enough since their last fit."""

    def __init__(
        self,
        facts: LearningStore,
        keyring: Keyring,
        *,
        policies: Policies,
        measure: Measure | None = None,
    ) -> None:
        self._facts = facts
        self._keyring = keyring
        self._priors = Priors(facts, policies)
        self._policies = policies
        self._measure = measure
        self._watched: dict[Tenant, _Watch] = {}
        self._owner = secrets.token_hex(8)

    async def run(self) -> None:
        """Leads, or waits to lead, until cancelled."""
        try:
            while True:
                try:
                    await self._lead(time.monotonic())
                except StoreUnavailable:
                    _log.debug("The store does not answer; the priors stay as they are.")
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            with suppress(StoreUnavailable):
                await self._facts.release(self._owner)

    async def look(self, now_s: float) -> int:
        """Fits every tenant that is due, whoever leads; how many priors were published.

        Raises:
            StoreUnavailable: the tenants cannot be listed.
        """
        return sum([await self._attend(each, now_s) for each in await self._waiting(now_s)])

    async def _lead(self, now_s: float) -> None:
        """`look` under the lease, which is renewed before each tenant."""
        if not await self._leads():
            return
        for each in await self._waiting(now_s):
            if not await self._leads():
                return
            await self._attend(each, now_s)

    async def _leads(self) -> bool:
        return await self._facts.lease(self._owner, LEASE_MS)

    async def _waiting(self, now_s: float) -> list[Tenant]:
        """The tenants whose outcomes it is time to count."""
        await self._policies.refresh()
        await self._priors.refresh()
        tenants = {tenant(record.tenant, record.env) for record in await self._keyring.all()}
        for each in tenants - self._watched.keys():
            self._watched[each] = _Watch(now_s, now_s)
        waiting = (each for each in tenants if now_s >= self._watched[each].next_s)
        return sorted(waiting, key=lambda each: each.tag)

    async def _attend(self, each: Tenant, now_s: float) -> bool:
        """Counts and perhaps fits one tenant; whether a prior was published."""
        watch = self._watched[each]
        watch.next_s = now_s + LOOK_AT_LEAST_EVERY_S
        try:
            published = await self._catch_up(each, watch, now_s)
        except Exception:  # noqa: BLE001  whatever is wrong with one tenant, the others still learn
            _log.exception("The fit of %s failed; its prior stays.", each.tag)
            return False
        quiet_s = (now_s - watch.since_s) * QUIET_SHARE
        if self._measure:
            await self._measure.attend(each, now_s)
        watch.next_s = now_s + min(max(quiet_s, LOOK_EVERY_S), LOOK_AT_LEAST_EVERY_S)
        return published

    async def _catch_up(self, each: Tenant, watch: _Watch, now_s: float) -> bool:
        if now_s >= watch.trim_s:
            await self._facts.trim_logs(each)
            watch.trim_s = now_s + TRIM_EVERY_S
        outcomes = await self._facts.outcomes(each)
        weights = self._policies.of(each).policy.weights
        if not _due(watch, outcomes, now_s) and watch.weights in {None, weights}:
            return False
        published = await self._fit(each)
        watch.outcomes, watch.since_s, watch.weights = outcomes, now_s, weights
        return published

    async def _fit(self, each: Tenant) -> bool:
        known = await self._facts.known_users(each)
        share = min(1.0, USERS_MAX / max(sum(known), 1))
        sampled = await self._facts.sample(each, [int(np.ceil(count * share)) for count in known])
        current, ruled = self._priors.of(each), self._policies.of(each)
        fitted = fit(
            _histories(each, [record for _, record in sorted(sampled)], ruled.approaches),
            current,
            *ruled,
            np.random.default_rng(current.version),
        )
        published = fitted.better and await self._facts.publish(
            each, fitted.prior.version, prior.encode(fitted.prior)
        )
        _log.info(
            "Prior %d of %s: score %.4f against %.4f of the current one; %s.",
            fitted.prior.version,
            each.tag,
            fitted.score,
            fitted.current_score,
            "published" if published else "not published",
        )
        return published


def _histories(each: Tenant, records: Sequence[Record], approaches: Approaches) -> list[History]:
    """The histories that can be read; of the others it is said how many they are."""
    found = readable([record.rows for record in records], approaches)
    if damaged := len(records) - len(found):
        _log.error(
            "%d of %d records of %s cannot be read; no prior learns from them.",
            damaged,
            len(records),
            each.tag,
        )
    return found


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
    functions = Functions(store, [learning_store.LIBRARY, insight_store.LIBRARY])
    kept = {"window_ms": settings.outcome_window_ms, "retention_ms": settings.log_retention_ms}
    facts, secret = LearningStore(store, functions, **kept), settings.secret or ""
    ruling = Policies(policies.first(settings), PolicyStore(store, functions))
    measure = Measure(facts, InsightStore(store, functions, **kept), policies=ruling, key=group_key(secret))
    keyring = Keyring(store, pepper(secret))
    running = asyncio.ensure_future(Refit(facts, keyring, policies=ruling, measure=measure).run())
    # Ends as if cancelled, so that the lease is given up and whoever starts next need not wait for its end.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
