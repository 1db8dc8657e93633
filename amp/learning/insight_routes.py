"""HTTP in, HTTP out for what is measured."""

from litestar import Controller, get
from litestar.di import NamedDependency

from amp.learning.insights import LiftReply, ReportingReply
from amp.learning.measure import Insights
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheInsights = NamedDependency[Insights]


class InsightRoutes(Controller):
    """What learning is worth, and who reports: as last measured in the background."""

    path = "/v1/insights"
    opt = {"scopes": ("read", "admin")}  # noqa: RUF012  Litestar's way

    @get("/lift", summary="What learning is worth: learned users against the control group")
    async def lift(self, access: Caller, insights: TheInsights) -> LiftReply:
        return await insights.lift(access.tenant)

    @get("/reporting", summary="Who reports, and what in the reports ought to make one wonder")
    async def reporting(self, access: Caller, insights: TheInsights) -> ReportingReply:
        return await insights.reporting(access.tenant)
