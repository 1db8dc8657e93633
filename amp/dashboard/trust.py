"""Can it be trusted? What can be lost, what was verified, what waits, what was turned away, who has keys."""

import asyncio
import shlex
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency

from amp.app import House
from amp.bridge.wire import StatusReply
from amp.clock import iso, now_ms
from amp.dashboard.pages import Page, Tab, page, see_other
from amp.http.requests import ApiRequest
from amp.learning.state import ChangeReply
from amp.settings import Settings
from amp.tenancy import Access, Tenant
from amp.trust import KeyReply, TrustReply

MODES = {
    "always": "Each answer waits for the disk",
    "everysec": "To disk once a second",
    "no": "To disk when the system likes",
    "snapshots": "Snapshots only",
    "memory": "In memory only",
    "unknown": "Unknown",
}
CARRIED = {
    "taught": "decisions that a job's outcome or a grade was the first to speak of",
    "filled": "decisions that it added something to, or corrected",
    "agreed": "said what was known",
    "contradictions": "contradict what stands, or what an agent reports later; kept, and count in nothing",
    "nothing": "say nothing by the mapping",
    "replays": "were carried before",
    "unknown": "name a requestId that is none of yours",
    "expired": "came after the decision's window, or after an erasure",
    "full": "came to a decision that sixteen others speak of",
    "skipped": "cannot be read; the log says why",
}
VERIFY = ("ledger", "admin")
"""Scopes of which a key needs one to have the chains walked: a million entries are a minute of work."""
_SOON_MS = 14 * 86_400_000


class TrustPage(Page):
    """Can it be trusted?"""

    path = "/trust"
    tab = Tab("Trust", "/trust")

    @get("/")
    async def trust(
        self, request: ApiRequest, access: NamedDependency[Access], house: NamedDependency[House]
    ) -> Response[bytes]:
        tenant = access.tenant
        told, keys, state, bridge, ended_early = await asyncio.gather(
            house.trust.of(tenant),
            house.trust.keys(tenant),
            house.room.state.of(tenant),
            house.span.progress.status(tenant),
            house.books.walking.ended_early(tenant),
        )
        return page(
            request,
            "trust.html",
            trust=told,
            state=state,
            bridge=bridge,
            carried=_carried(bridge),
            verify=_verify(house.settings, tenant),
            modes=MODES,
            keys=keys,
            tell=[_standing(each) for each in keys.keys],
            priors=_of("prior", state.changes),
            policies=_of("policy", state.changes),
            turned=_turned(told),
            kept=_kept(told),
            may_verify=access.has(*VERIFY),
            ended_early=ended_early,
        )

    @post("/verify", status_code=303)
    async def verify(self, access: NamedDependency[Access], house: NamedDependency[House]) -> Response[bytes]:
        """Has the tenant's chains walked, unless somebody is at it; the page tells how far it is."""
        access.require(*VERIFY)
        await house.books.walking.begin(access.tenant)
        return see_other("/trust#chains")


def _carried(told: StatusReply) -> list[tuple[str, int, str]]:
    """What came of outcomes and grades, as far as anything did: in a word, how many, and what it means."""
    counts = msgspec.to_builtins(told)
    return [(word, counts[word], means) for word, means in CARRIED.items() if counts[word]]


def _verify(settings: Settings, tenant: Tenant) -> str:
    """The command that walks this tenant's chains, and finds the data folder as this service does."""
    command = f"amp ledger verify --tenant {tenant.name} --env {tenant.env}"
    elsewhere = settings.data != Settings().data
    return f"{command} --data {shlex.quote(str(settings.data))}" if elsewhere else command


def _of(kind: str, changes: Sequence[ChangeReply]) -> list[ChangeReply]:
    return [each for each in changes if each.kind == kind][:10]


def _turned(told: TrustReply) -> dict[str, Any]:
    days = told.turned_away
    return {
        "limited": sum(day.limited for day in days),
        "refused": sum(day.refused for day in days),
        "failed": sum(day.failed for day in days),
        "degraded": sum(day.degraded for day in days),
        "days": [day for day in days if day.statuses or day.degraded],
    }


def _kept(told: TrustReply) -> bool:
    """Whether nothing that was acknowledged can be lost."""
    return told.durability.mode == "always" and told.durability.last_write_ok


def _standing(key: KeyReply) -> tuple[str, str]:
    """Its colour, and what it is: in use, about to end, ended."""
    now = iso(now_ms())
    if key.revoked_at:
        return "", "revoked"
    if key.expires_at and key.expires_at <= now:
        return "", "expired"
    if key.expires_at and key.expires_at <= iso(now_ms() + _SOON_MS):
        return "warn", "ends soon"
    return "good", "in force"
