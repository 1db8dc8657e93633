"""HTTP in, HTTP out for what is measured."""

from litestar import Controller, get
from litestar.di import NamedDependency

from amp.learning.admin_wire import PopulationReply
from amp.learning.overview import Overview
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheOverview = NamedDependency[Overview]


class InsightRoutes(Controller):
    """What is believed of everybody."""

    path = "/v1/insights"
    opt = {"scopes": ("read", "admin")}  # noqa: RUF012  Litestar's way

    @get("/population", summary="The defaults by context, and how the prior came to be")
    async def population(self, access: Caller, overview: TheOverview) -> PopulationReply:
        return await overview.population(access.tenant)
