"""HTTP in, HTTP out for what a tenant has used of its quota."""

from litestar import Controller, get
from litestar.di import NamedDependency
from msgspec import Struct

from amp.clock import iso
from amp.store.quota import Quota
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheQuota = NamedDependency[Quota]


class UsageReply(Struct, rename="camel"):
    """What the tenant has used of its month, in the environment of the key."""

    month: str
    """`2026-11`, in UTC."""
    resets_at: str
    """When the next month begins."""
    limit: int | None
    """Decisions a month; null: there is no quota, and none is counted."""
    used: int | None
    """Decisions given this month; null: not counted."""
    remaining: int | None
    """Null: as many as are asked."""
    earlier: dict[str, int]
    """Decisions of earlier months that were counted, at most 12, the newest first."""


class UsageRoutes(Controller):
    """The month's quota."""

    path = "/v1/usage"
    opt = {"scopes": ("read", "admin", "context")}  # noqa: RUF012  Litestar's way

    @get(summary="Decisions used of the month's quota, and what is left")
    async def usage(self, access: Caller, quota: TheQuota) -> UsageReply:
        month, earlier = await quota.months(access.tenant)
        return UsageReply(
            month.name,
            iso(month.ends_s * 1000),
            limit=quota.monthly if quota.on else None,
            used=month.used if quota.on else None,
            remaining=month.left if quota.on else None,
            earlier=earlier,
        )
