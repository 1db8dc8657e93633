"""HTTP in, HTTP out for who wants to know what the learner has found."""

from litestar import Controller, get
from litestar.di import NamedDependency

from amp.learning.admin_wire import PopulationReply
from amp.learning.insights import Insights
from amp.tenancy import Access


class InsightRoutes(Controller):
    """What was learned of everybody."""

    path = "/v1/insights"
    opt = {"scopes": ("read", "admin")}  # noqa: RUF012  Litestar's way

    @get("/population", summary="The defaults by context, and how the prior came to be")
    async def population(
        self, access: NamedDependency[Access], insights: NamedDependency[Insights]
    ) -> PopulationReply:
        return await insights.population(access.tenant)
