"""HTTP in, HTTP out for what can be trusted."""

from litestar import Controller, get
from litestar.di import NamedDependency

from amp.tenancy import Access
from amp.trust import KeysReply, Trust, TrustReply

Caller = NamedDependency[Access]
TheTrust = NamedDependency[Trust]


class TrustRoutes(Controller):
    """What can be lost, what was verified, what waits, what was turned away; and who has keys."""

    path = "/v1/insights"
    opt = {"scopes": ("read", "admin")}  # noqa: RUF012  Litestar's way

    @get("/trust", summary="What can be lost, what was verified and until when, what waits")
    async def trust(self, access: Caller, trust: TheTrust) -> TrustReply:
        return await trust.of(access.tenant)

    @get("/keys", summary="The tenant's keys, their scopes and last use; never the keys themselves")
    async def keys(self, access: Caller, trust: TheTrust) -> KeysReply:
        return await trust.keys(access.tenant)
