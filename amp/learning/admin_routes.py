"""HTTP in, HTTP out for who operates the learner."""

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from amp.learning.admin import Admin
from amp.learning.admin_wire import RefitReply, Rollback, RollbackReply
from amp.tenancy import Access


class AdminRoutes(Controller):
    """Operating the learner."""

    path = "/v1/admin"
    opt = {"scopes": ("admin",)}  # noqa: RUF012  Litestar's way

    @post("/refit", status_code=200, summary="Fit the population's prior now")
    async def refit(
        self, access: NamedDependency[Access], admin: NamedDependency[Admin]
    ) -> Response[RefitReply]:
        """200 once every worker decides with what came of it; 202 when that takes longer: ask again."""
        reply = await admin.refit(access.tenant)
        return Response(reply, status_code=200 if reply.done else 202)

    @post("/rollback", status_code=200, summary="Go back to an earlier prior")
    async def rollback(
        self,
        data: JSONBody[Rollback],
        access: NamedDependency[Access],
        admin: NamedDependency[Admin],
    ) -> Response[RollbackReply]:
        """It stands as a new version, and is not fitted again until a refit is asked for."""
        reply = await admin.rollback(access.tenant, data.version)
        return Response(reply, status_code=200 if reply.done else 202)
