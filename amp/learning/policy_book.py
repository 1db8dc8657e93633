"""The verbs of a tenant's policy: see it, see an earlier one, change it, ask what a change would do."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from msgspec import UnsetType, structs

from amp.clock import iso
from amp.errors import NotFound, StoreUnavailable, VersionConflict
from amp.learning import document as documents
from amp.learning.amend import PolicyChange, amended, baseline_named
from amp.learning.crowd import readable
from amp.learning.document import Document, offered_count
from amp.learning.impact import Impact, impact
from amp.learning.policies import Policies
from amp.learning.policy_store import PolicyStore
from amp.learning.policy_wire import (
    DryRunReply,
    PolicyReply,
    VersionReply,
    WeightsReply,
    changes,
    no_longer_shown,
)
from amp.learning.priors import Priors
from amp.learning.store import LearningStore
from amp.tenancy import Tenant

ATTEMPTS = 5
"""How often a change that names no version is laid over one that came first."""
SAMPLE_USERS = 1000
"""Of a dry run."""


class PolicyBook:
    """Every version of a tenant's policy, the newest in force."""

    def __init__(
        self, store: PolicyStore, facts: LearningStore, *, policies: Policies, priors: Priors
    ) -> None:
        self._store = store
        self._facts = facts
        self._policies = policies
        self._priors = priors

    async def show(self, tenant: Tenant) -> PolicyReply:
        """What is in force.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return reply((await self._standing(tenant))[1])

    async def version(self, tenant: Tenant, number: int) -> PolicyReply:
        """One version, in force or not.

        Raises:
            NotFound: there is none of this number.
            StoreUnavailable: there is no answer.
        """
        return reply(await self._read(tenant, number))

    async def history(self, tenant: Tenant, last: int) -> list[VersionReply]:
        """The newest versions, newest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        newest = (await self._standing(tenant))[1].version
        oldest = max(1, newest - last + 1)
        numbers = range(max(1, oldest - 1), newest + 1)
        told = [reply(await self._read(tenant, number)) for number in numbers]
        versions = [
            VersionReply(after.version, after.since, changes(before, after))
            for before, after in pairwise(told)
        ]
        if oldest == 1:
            versions.insert(0, VersionReply(1, None, []))
        return versions[::-1]

    async def change(self, tenant: Tenant, change: PolicyChange, expected: int | None) -> PolicyReply:
        """The policy with what was sent, as the next version; in force here at once, everywhere in a second.

        Raises:
            InvalidParameter: the field is named.
            VersionConflict: another version stands than the expected one.
            StoreUnavailable: nobody knows whether it was done; it may be sent again.
        """
        for _ in range(ATTEMPTS):
            now_ms, current = await self._standing(tenant)
            after = amended(current, change, now_ms)
            if after is current:
                if current.since_ms:  # sent again because its announcement was lost
                    await self._store.announce(tenant, current.version)
                return reply(current)
            _check(current, change, expected)
            after = self._pinned(tenant, current, after)
            if await self._store.publish(tenant, after.version, documents.encode(after)):
                await self._policies.refresh()
                return reply(after)
        raise StoreUnavailable

    async def dry_run(self, tenant: Tenant, change: PolicyChange, expected: int | None) -> DryRunReply:
        """What the change would do, which is not done.

        Raises:
            InvalidParameter: the field is named.
            VersionConflict: another version stands than the expected one.
            StoreUnavailable: there is no answer.
        """
        now_ms, current = await self._standing(tenant)
        after = amended(current, change, now_ms)
        if after is not current:
            _check(current, change, expected)
        stands, would = reply(current), reply(after)
        return DryRunReply(
            policy=would,
            changes=changes(stands, would),
            no_longer_shown=no_longer_shown(stands, would),
            combinations_before=stands.combinations,
            combinations_after=would.combinations,
            rewards=await self._impact(tenant, current, after),
        )

    async def _impact(self, tenant: Tenant, before: Document, after: Document) -> Impact | None:
        """What other weights would say of the outcomes that are stored."""
        if before.policy.weights == after.policy.weights:
            return None
        known = await self._facts.known_users(tenant)
        share = min(1.0, SAMPLE_USERS / max(sum(known), 1))
        sampled = await self._facts.sample(tenant, [round(count * share + 0.5) for count in known])
        ruled = self._policies.of(tenant)
        histories = readable([record.rows for _, record in sorted(sampled)], ruled.approaches)
        weighed = replace(ruled.policy, weights=after.policy.weights)
        stands = replace(ruled.policy, weights=before.policy.weights)
        return await asyncio.to_thread(
            impact, histories, self._priors.of(tenant), stands, weighed, ruled.approaches
        )

    def _pinned(self, tenant: Tenant, before: Document, after: Document) -> Document:
        """With the prior that stands when learning is frozen, which then stays in force."""
        if after.policy.mode == "frozen" and before.policy.mode == "frozen":
            return after
        frozen = self._priors.held().get(tenant.tag, 0) if after.policy.mode == "frozen" else None
        return structs.replace(after, policy=replace(after.policy, frozen_prior=frozen))

    async def _standing(self, tenant: Tenant) -> tuple[int, Document]:
        """The store's clock, and the version that stands."""
        now_ms, version = await self._store.standing(tenant.tag)
        return now_ms, await self._read(tenant, version) if version else self._policies.first

    async def _read(self, tenant: Tenant, number: int) -> Document:
        if number == 1:
            return self._policies.first
        data = await self._store.document(tenant.tag, number) if number > 1 else None
        if data is None:
            raise NotFound("There is no such version of the policy.")
        return documents.decode(data)


def reply(document: Document) -> PolicyReply:
    """The document as everybody may read it."""
    policy, weights = document.policy, document.policy.weights
    return PolicyReply(
        version=document.version,
        since=iso(document.since_ms) if document.since_ms else None,
        dimensions=document.dimensions,
        combinations=offered_count(document.dimensions),
        weights=WeightsReply(
            weights.never_started,
            weights.started,
            weights.completed,
            weights.flow,
            weights.speed,
            weights.speed_half_life_s,
            weights.satisfaction,
        ),
        outcome_window=policy.outcome_window_ms / 1000,
        control_share=policy.control_share,
        explore_floor=policy.explore_floor,
        decay=policy.decay,
        temperature=document.temperature,
        population_temperature=policy.population_temperature,
        learner=policy.learner,
        mode=policy.mode,
        frozen_at=iso(policy.frozen_ms) if policy.frozen_ms else None,
        baseline=baseline_named(document),
    )


def _check(current: Document, change: PolicyChange, expected: int | None) -> None:
    said = None if isinstance(change.version, UnsetType) else change.version
    for version in (expected, said):
        if version is not None and version != current.version:
            raise VersionConflict(
                f"Version {current.version} of the policy stands, not {version}: read it and change that.",
                details={"version": current.version},
            )
