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
from dataclasses import dataclass, replace

import numpy as np

from amp import settings as configuration
from amp.clock import iso
from amp.errors import StoreUnavailable
from amp.learning import fit_store, insight_store, policies, prior_wire, selfplay, tasks
from amp.learning import store as learning_store
from amp.learning.admin_wire import FitReply
from amp.learning.approaches import Approaches
from amp.learning.crowd import readable
from amp.learning.fit import Fit, fit
from amp.learning.fit_store import FitStore
from amp.learning.insight_store import InsightStore
from amp.learning.measure import Measure, group_key
from amp.learning.policies import InForce, Policies
from amp.learning.policy_store import PolicyStore
from amp.learning.prior import Prior
from amp.learning.priors import Priors
from amp.learning.record import Record
from amp.learning.store import LearningStore
from amp.learning.types import History, Weights
from amp.store.connection import Store, store_of
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
SELFPLAY_EVERY_MS = 86_400_000
SELFPLAY_GROWTH = 2.0
"""Self-play is due daily, and when the outcomes have grown by this factor."""

TOO_FEW = "Too few users: it takes 10 who reported."
WORSE = "Worse on users held out."
OVERTAKEN = "Another prior came first."
FROZEN = "Learning is frozen."
FAILED = "It failed: see the service's log."

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
    played_ms: int = 0
    """The last self-play, by the store's clock."""
    played_rows: int = 0
    """Outcomes that its prior rested on."""
    next_s: float = 0.0
    """When to count again: soon after a fit, ever rarer with quiet, so that many tenants cost little."""


class Refit:
    """Looks at every tenant and fits those that have learned enough since their last fit."""

    def __init__(
        self,
        facts: LearningStore,
        keyring: Keyring,
        *,
        fits: FitStore,
        policies: Policies,
        measure: Measure | None = None,
    ) -> None:
        self._facts = facts
        self._fits = fits
        self._asks: dict[str, int] = {}
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
        self._asks = await self._fits.asks()
        waiting = (each for each in tenants if now_s >= self._watched[each].next_s or each.tag in self._asks)
        return sorted(waiting, key=lambda each: (each.tag not in self._asks, each.tag))

    async def _attend(self, each: Tenant, now_s: float) -> bool:
        """Counts and perhaps fits one tenant; whether a prior was published."""
        watch = self._watched[each]
        watch.next_s = now_s + LOOK_AT_LEAST_EVERY_S
        ask = self._asks.pop(each.tag, 0)
        try:
            published = await self._catch_up(each, watch, now_s, ask)
        except Exception:  # noqa: BLE001  whatever is wrong with one tenant, the others still learn
            _log.exception("The fit of %s failed; its prior stays.", each.tag)
            with suppress(StoreUnavailable):
                await self._refuse(each, ask, FAILED)
            return False
        quiet_s = (now_s - watch.since_s) * QUIET_SHARE
        if self._measure:
            await self._measure.attend(each, now_s)
        watch.next_s = now_s + min(max(quiet_s, LOOK_EVERY_S), LOOK_AT_LEAST_EVERY_S)
        return published

    async def _catch_up(self, each: Tenant, watch: _Watch, now_s: float, ask: int) -> bool:
        if now_s >= watch.trim_s:
            await self._facts.trim_logs(each)
            watch.trim_s = now_s + TRIM_EVERY_S
        if self._policies.of(each).policy.mode == "frozen":
            if ask:
                await self._refuse(each, ask, FROZEN)
            return False
        outcomes = await self._facts.outcomes(each)
        weights = self._policies.of(each).policy.weights
        due = _due(watch, outcomes, now_s) or watch.weights not in {None, weights}
        if not ask and (not due or await self._fits.held(each)):
            return False
        record = await self._fit(each, ask)
        await self._fits.remember(each, record)
        watch.outcomes, watch.since_s, watch.weights = outcomes, now_s, weights
        return record.published

    async def _refuse(self, each: Tenant, ask: int, reason: str) -> None:
        """Remembers that there was no fit, and tells those who asked for one."""
        now, _ = await self._facts.read([])
        standing = self._priors.standing(each).version
        await self._fits.remember(each, FitReply(iso(now), standing, published=False, reason=reason, ask=ask))

    async def _fit(self, each: Tenant, ask: int) -> FitReply:
        """Fits, publishes what is better, and tells what came of it."""
        began_s = time.perf_counter()
        now, _ = await self._facts.read([])
        known = await self._facts.known_users(each)
        share = min(1.0, USERS_MAX / max(sum(known), 1))
        sampled = sorted(await self._facts.sample(each, [int(np.ceil(count * share)) for count in known]))
        current, ruled = self._priors.standing(each), self._policies.of(each)
        users = _readable(each, sampled, ruled.approaches)
        fitted = fit(
            [history for _, history in users], current, *ruled, np.random.default_rng(current.version)
        )
        published = fitted.better and await self._publish(each, fitted.prior, ruled, now)
        await self._name_tasks(each, users)
        record = _record(fitted, current, published=published)
        record.at, record.ask, record.seconds = iso(now), ask, round(time.perf_counter() - began_s, 3)
        _log.info("Fit of %s: %s", each.tag, record)
        return record

    async def _publish(self, each: Tenant, fitted: Prior, ruled: InForce, now_ms: int) -> bool:
        """Publishes a prior, with the temperature that self-play on it finds where that is due."""
        watch = self._watched[each]
        grown = fitted.rows >= SELFPLAY_GROWTH * watch.played_rows
        if grown or now_ms >= watch.played_ms + SELFPLAY_EVERY_MS:
            watch.played_ms, watch.played_rows = now_ms, fitted.rows
            rng = np.random.default_rng(fitted.version)
            fitted = replace(fitted, temperature=selfplay.temperature(fitted, *ruled, rng))
        return await self._facts.publish(each, fitted.version, prior_wire.encode(fitted))

    async def _name_tasks(self, each: Tenant, users: Sequence[tuple[str, History]]) -> None:
        """Keeps the names of the commonest task types, as users told them: rows have their hash alone."""
        asked = tasks.told_by(users)
        known = await self._fits.task_names(each)
        unknown = [(told, user) for told, by in asked.items() if told not in known for user in by]
        found = await self._fits.names_by_users(each, unknown) if unknown else {}
        names = {told: name for told in asked if (name := known.get(told) or found.get(told))}
        if names != known:
            await self._fits.name_tasks(each, names)


def _record(fitted: Fit, current: Prior, *, published: bool) -> FitReply:
    """What came of a fit; when it was and how long it took is not known here."""
    judged = fitted.prior is not current
    reason = TOO_FEW if not judged else WORSE if not fitted.better else OVERTAKEN
    return FitReply(
        at="",
        prior_version=(fitted.prior if published else current).version,
        published=published,
        reason="" if published else reason,
        score=fitted.score if judged else None,
        current_score=fitted.current_score if judged else None,
        users=fitted.prior.users if judged else 0,
        outcomes=fitted.prior.rows if judged else 0,
        index=judged and fitted.prior.index is not None,
    )


def _readable(
    each: Tenant, sampled: Sequence[tuple[str, Record]], approaches: Approaches
) -> list[tuple[str, History]]:
    """The users whose history can be read; of the others it is said how many they are."""
    found = [(user, history) for user, record in sampled for history in readable([record.rows], approaches)]
    if damaged := len(sampled) - len(found):
        _log.error(
            "%d of %d records of %s cannot be read; no prior learns from them.",
            damaged,
            len(sampled),
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
    store = store_of(settings)
    asyncio.run(_run(settings, store))


async def _run(settings: configuration.Settings, store: Store) -> None:
    functions = Functions(store, [learning_store.LIBRARY, fit_store.LIBRARY, insight_store.LIBRARY])
    facts, secret = LearningStore.of(settings, store, functions), settings.secret or ""
    ruling = Policies(policies.first(settings), PolicyStore(store, functions))
    insights = InsightStore.of(settings, store, functions, ruling)
    refit = Refit(
        facts,
        Keyring(store, pepper(secret)),
        fits=FitStore(store, functions, retention_ms=settings.log_retention_ms),
        policies=ruling,
        measure=Measure(facts, insights, policies=ruling, key=group_key(secret)),
    )
    running = asyncio.ensure_future(refit.run())
    # Ends as if cancelled, so that the lease is given up and whoever starts next need not wait for its end.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
