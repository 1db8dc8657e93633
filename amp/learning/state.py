"""What decides now, on how many workers, and what has changed in it: GET /v1/insights/state."""

from typing import Any, Literal

from msgspec import Struct

from amp.learning.admin_wire import FitReply
from amp.learning.fit_store import FitStore
from amp.learning.policies import Policies
from amp.learning.policy_book import PolicyBook
from amp.learning.policy_wire import Change, VersionReply
from amp.learning.priors import Priors
from amp.tenancy import Tenant

CHANGES_MAX = 50
VERSIONS_READ = 20


class ChangeReply(Struct, rename="camel"):
    """One change in how decisions are made."""

    at: str | None
    kind: Literal["prior", "policy"]
    version: int
    """Of the prior or the policy that came of it."""
    says: str


class StateReply(Struct, rename="camel"):
    """GET /v1/insights/state."""

    learner: str
    mode: str
    policy_version: int
    prior_version: int
    users: int
    """That the prior was fitted to."""
    outcomes: int
    workers: int
    workers_behind: int
    """Those that decide with an older prior still; more than a second or two of it is trouble."""
    fitted_at: str | None
    """When this prior was fitted or rolled back to; null for the shipped one."""
    held: bool
    """After a rollback no fit replaces the prior until somebody asks for one."""
    changes: list[ChangeReply]
    """Priors that were published and versions of the policy, the newest first, at most 50."""


class State:
    """Looks at what decides."""

    def __init__(self, fits: FitStore, priors: Priors, book: PolicyBook, *, policies: Policies) -> None:
        self._fits = fits
        self._priors = priors
        self._book = book
        self._policies = policies

    async def of(self, tenant: Tenant) -> StateReply:
        """What decides for this tenant now.

        Raises:
            StoreUnavailable: there is no answer.
        """
        policy = self._policies.of(tenant).policy
        prior = self._priors.of(tenant, policy)
        fits = [fit for fit in await self._fits.records(tenant) if fit.published]
        versions = await self._book.history(tenant, VERSIONS_READ)
        workers = await self._fits.workers()
        return StateReply(
            learner=policy.learner,
            mode=policy.mode,
            policy_version=policy.version,
            prior_version=prior.version,
            users=prior.users,
            outcomes=prior.rows,
            workers=len(workers),
            workers_behind=sum(held.get(tenant.tag, 0) < prior.version for held in workers),
            fitted_at=next((fit.at for fit in fits if fit.prior_version == prior.version), None),
            held=await self._fits.held(tenant),
            changes=_newest_first(fits, versions),
        )

    async def versions(self, tenant: Tenant) -> str:
        """Another text whenever another policy or prior decides here; asks the store nothing."""
        policy = self._policies.of(tenant).policy
        return f"{policy.version}.{self._priors.of(tenant, policy).version}"


def _newest_first(fits: list[FitReply], versions: list[VersionReply]) -> list[ChangeReply]:
    told = [ChangeReply(fit.at, "prior", fit.prior_version, _of_fit(fit)) for fit in fits]
    told += [
        ChangeReply(each.since, "policy", each.version, "; ".join(map(_of_field, each.changes)))
        for each in versions
        if each.since is not None
    ]
    return sorted(told, key=lambda each: each.at or "", reverse=True)[:CHANGES_MAX]


def _of_fit(fit: FitReply) -> str:
    return fit.reason or f"Fitted to {fit.outcomes:,} outcomes of {fit.users:,} users."


def _of_field(change: Change) -> str:
    return f"{change.field}: {_short(change.before)} → {_short(change.after)}"


def _short(value: Any) -> str:
    """A whole dimension is too much to say in a line."""
    match value:
        case None:
            return "nothing"
        case str() | bool() | int() | float():
            return str(value)
        case _:
            return "…"
