"""HTTP in, HTTP out for what is believed of everybody, and what it is worth."""

from litestar import Controller, get
from litestar.di import NamedDependency

from amp.learning.admin_wire import PopulationReply
from amp.learning.insights import LiftReply, ReportingReply
from amp.learning.measure import Insights
from amp.learning.overview import Overview
from amp.learning.state import State, StateReply
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheInsights = NamedDependency[Insights]
TheOverview = NamedDependency[Overview]
TheState = NamedDependency[State]


class InsightRoutes(Controller):
    """What is believed of everybody; what learning is worth, and who reports, as last measured."""

    path = "/v1/insights"
    opt = {"scopes": ("read", "admin")}  # noqa: RUF012  Litestar's way

    @get("/population", summary="The defaults by context, and how the prior came to be")
    async def population(self, access: Caller, overview: TheOverview) -> PopulationReply:
        return await overview.population(access.tenant)

    @get("/lift", summary="What learning is worth: learned users against the control group")
    async def lift(self, access: Caller, insights: TheInsights) -> LiftReply:
        return await insights.lift(access.tenant)

    @get("/reporting", summary="Who reports, and what in the reports ought to make one wonder")
    async def reporting(self, access: Caller, insights: TheInsights) -> ReportingReply:
        return await insights.reporting(access.tenant)

    @get("/state", summary="What decides now, on how many workers, and what changed")
    async def state(self, access: Caller, state_now: TheState) -> StateReply:
        return await state_now.of(access.tenant)
