"""HTTP in, HTTP out for agents and environments."""

from typing import Annotated, Any

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from amp.grading.listing import span
from amp.grading.session_routes import READ, SEE, WRITE, Flag, From, Limit, Told, Until
from amp.grading.shelves import Agents, Environments
from amp.grading.wire import AgentRequest, AgentUpdate, EnvironmentRequest, EnvironmentUpdate
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheAgents = NamedDependency[Agents]
TheEnvironments = NamedDependency[Environments]
Version = Annotated[int | None, QueryParameter(ge=1)]

BYTES_MAX = 1024 * 1024


class AgentRoutes(Controller):
    """Agents: the model that plays one says who does the work."""

    path = "/v1/agents"
    request_max_body_size = BYTES_MAX

    @post(opt={"scopes": WRITE}, status_code=200, summary="Make an agent")
    async def create(self, data: JSONBody[AgentRequest], access: Caller, agents: TheAgents) -> Told:
        return await agents.create(access.tenant, data)

    @get(opt={"scopes": READ}, summary="Agents, newest first")
    async def list_agents(
        self,
        *,
        access: Caller,
        agents: TheAgents,
        limit: Limit = 20,
        page: FromQuery[str | None] = None,
        include_archived: FromQuery[Flag] = "false",
        since: From = None,
        until: Until = None,
    ) -> Told:
        made = span(None, since, None, until)
        found = await agents.listing(
            access.tenant,
            limit=limit,
            page=page,
            low_us=made.low_us,
            high_us=made.high_us,
            archived=include_archived == "true",
        )
        return found.told()

    @get("/{agent_id:str}", opt={"scopes": SEE}, summary="An agent, or one of its versions")
    async def show(
        self, agent_id: FromPath[str], access: Caller, agents: TheAgents, version: Version = None
    ) -> Told:
        return await agents.show(access.tenant, agent_id, version)

    @post(
        "/{agent_id:str}", opt={"scopes": WRITE}, status_code=200, summary="Make the next version of an agent"
    )
    async def update(
        self, agent_id: FromPath[str], data: JSONBody[AgentUpdate], access: Caller, agents: TheAgents
    ) -> Told:
        return await agents.update(access.tenant, agent_id, data)

    @post("/{agent_id:str}/archive", opt={"scopes": WRITE}, status_code=200, summary="Archive an agent")
    async def archive(self, agent_id: FromPath[str], access: Caller, agents: TheAgents) -> Told:
        return await agents.archive(access.tenant, agent_id)

    @get("/{agent_id:str}/versions", opt={"scopes": READ}, summary="Every version of an agent, newest first")
    async def versions(
        self,
        agent_id: FromPath[str],
        access: Caller,
        agents: TheAgents,
        limit: Limit = 20,
        page: FromQuery[str | None] = None,
    ) -> Told:
        found = await agents.version_page(access.tenant, agent_id, limit=limit, page=page)
        return found.told()


class EnvironmentRoutes(Controller):
    """Environments: where sessions work; those of workers of one's own are `self_hosted`."""

    path = "/v1/environments"
    request_max_body_size = BYTES_MAX

    @post(opt={"scopes": WRITE}, status_code=200, summary="Make an environment")
    async def create(
        self, data: JSONBody[EnvironmentRequest], access: Caller, environments: TheEnvironments
    ) -> Told:
        return await environments.create(access.tenant, data)

    @get(opt={"scopes": READ}, summary="Environments, newest first")
    async def list_environments(
        self,
        *,
        access: Caller,
        environments: TheEnvironments,
        limit: Limit = 20,
        page: FromQuery[str | None] = None,
        include_archived: FromQuery[Flag] = "false",
    ) -> Told:
        made = span(None, None, None, None)
        found = await environments.listing(
            access.tenant,
            limit=limit,
            page=page,
            low_us=made.low_us,
            high_us=made.high_us,
            archived=include_archived == "true",
        )
        return found.told()

    @get("/{environment_id:str}", opt={"scopes": SEE}, summary="An environment")
    async def show(
        self, environment_id: FromPath[str], access: Caller, environments: TheEnvironments
    ) -> dict[str, Any]:
        return (await environments.find(access.tenant, environment_id)).document

    @post("/{environment_id:str}", opt={"scopes": WRITE}, status_code=200, summary="Change an environment")
    async def update(
        self,
        environment_id: FromPath[str],
        data: JSONBody[EnvironmentUpdate],
        access: Caller,
        environments: TheEnvironments,
    ) -> Told:
        return await environments.update(access.tenant, environment_id, data)

    @post(
        "/{environment_id:str}/archive",
        opt={"scopes": WRITE},
        status_code=200,
        summary="Archive an environment",
    )
    async def archive(
        self, environment_id: FromPath[str], access: Caller, environments: TheEnvironments
    ) -> Told:
        return await environments.archive(access.tenant, environment_id)

    @delete("/{environment_id:str}", opt={"scopes": WRITE}, status_code=200, summary="Forget an environment")
    async def forget(
        self, environment_id: FromPath[str], access: Caller, environments: TheEnvironments
    ) -> Told:
        await environments.delete(access.tenant, environment_id)
        return {"id": environment_id, "type": "environment_deleted"}
