"""HTTP in, HTTP out for what is believed of everybody, and what it is worth."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from amp.http.requests import in_path
from amp.learning.admin_wire import PopulationReply
from amp.learning.crowd_wire import ApproachesOverTimeReply, ApproachesReply
from amp.learning.insights import LiftReply, ReportingReply
from amp.learning.measure import Insights
from amp.learning.overview import Overview
from amp.learning.preferred import Preferred
from amp.learning.state import State, StateReply
from amp.learning.user_wire import HistoryReply, UserReply, UsersReply
from amp.learning.users import LIMIT_MAX, Users
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheInsights = NamedDependency[Insights]
TheOverview = NamedDependency[Overview]
TheState = NamedDependency[State]
ThePreferred = NamedDependency[Preferred]
TheUsers = NamedDependency[Users]
TaskType = Annotated[str | None, QueryParameter(name="taskType")]
Limit = Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX)]


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

    @get("/approaches", summary="What the crowd prefers in a context, how strongly, and what is served")
    async def approaches(
        self,
        access: Caller,
        preferred: ThePreferred,
        task_type: TaskType = None,
        complexity: FromQuery[str | None] = None,
    ) -> ApproachesReply:
        return await preferred.now(access.tenant, task_type, complexity)

    @get("/approaches/history", summary="The same by each prior that is still kept")
    async def approaches_over_time(
        self,
        access: Caller,
        preferred: ThePreferred,
        task_type: TaskType = None,
        complexity: FromQuery[str | None] = None,
    ) -> ApproachesOverTimeReply:
        return await preferred.over_time(access.tenant, task_type, complexity)


class UserRoutes(Controller):
    """A tenant's users: who they are, and what was decided for one of them."""

    path = "/v1/insights/users"
    opt = {"scopes": ("read", "admin")}  # noqa: RUF012  as above

    @get(summary="The users heard of last, or those whose ids begin with `search`")
    async def find(
        self,
        access: Caller,
        users: TheUsers,
        search: FromQuery[str] = "",
        limit: Limit = 20,
        after: FromQuery[str | None] = None,
    ) -> UsersReply:
        """A search is bounded: it says how many ids it has read, and goes on with `after`."""
        if not search.strip():
            return await users.recent(access.tenant, limit)
        return await users.find(access.tenant, search, limit, after)

    @get("/{user_id:str}", opt={"scopes": ("profile", "read")}, summary="One user, in a line")
    async def one(self, user_id: FromPath[str], access: Caller, users: TheUsers) -> UserReply:
        return await users.one(access.tenant, in_path(user_id))

    @get(
        "/{user_id:str}/history",
        opt={"scopes": ("profile", "read")},
        summary="What was decided for a user, why, and what came of it",
    )
    async def history(
        self,
        user_id: FromPath[str],
        access: Caller,
        users: TheUsers,
        offset: Annotated[int, QueryParameter(ge=0)] = 0,
        limit: Limit = 20,
    ) -> HistoryReply:
        return await users.history(access.tenant, in_path(user_id), offset, limit)
