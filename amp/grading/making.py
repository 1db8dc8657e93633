"""What a session is made of, and what its events refer to: looked up once, and kept as it was then."""

from typing import Any

from amp.errors import InvalidParameter, NotFound
from amp.grading import resources
from amp.grading.files import Files
from amp.grading.ids import ClockUs, new_id, now_us
from amp.grading.shelves import Agents, Environments
from amp.grading.times import rfc3339
from amp.grading.types import Event, Head
from amp.grading.wire import AgentWithOverrides, FileMount, SessionRequest
from amp.tenancy import Tenant

Document = dict[str, Any]


class Making:
    """Finds agents, environments and files for sessions."""

    def __init__(
        self, agents: Agents, environments: Environments, files: Files, *, clock: ClockUs = now_us
    ) -> None:
        self._agents = agents
        self._environments = environments
        self._files = files
        self._clock = clock

    async def resolved(self, tenant: Tenant, events: list[Event], field: str) -> list[Event]:
        """The events with every rubric as text: what a file says now is what counts."""
        for number, event in enumerate(events):
            if event["type"] == "user.define_outcome" and event["rubric"]["type"] == "file":
                where = f"{field}[{number}].rubric.file_id"
                text = await self._files.rubric(tenant, event["rubric"]["file_id"], where)
                event["rubric"] = {"type": "text", "content": text}
        return events

    async def head(self, tenant: Tenant, request: SessionRequest) -> Head:
        environment = (await self._environments.find(tenant, request.environment_id)).document
        if environment["archived_at"]:
            raise InvalidParameter("environment_id", "this environment is archived")
        told = request.agent
        name, version = (told, None) if isinstance(told, str) else (told.id, told.version)
        agent = await self._agents.show(tenant, name, version)
        if agent["archived_at"] or (await self._agents.show(tenant, name, None))["archived_at"]:
            raise InvalidParameter("agent", "this agent is archived")
        at_us = self._clock()
        return Head(
            id=new_id("sesn"),
            agent=resources.snapshot(agent, told if isinstance(told, AgentWithOverrides) else None),
            environment_id=environment["id"],
            created_us=at_us,
            updated_us=at_us,
            title=request.title,
            metadata=request.metadata,
            resources=[
                await self._mounted(tenant, number, each, at_us)
                for number, each in enumerate(request.resources)
            ],
            agent_metadata=agent["metadata"],
        )

    async def _mounted(self, tenant: Tenant, number: int, mount: FileMount, at_us: int) -> Document:
        try:
            await self._files.show(tenant, mount.file_id)
        except NotFound as error:
            raise InvalidParameter(f"resources[{number}].file_id", "there is no such file") from error
        return {
            "id": new_id("sesrsc"),
            "type": "file",
            "file_id": mount.file_id,
            "mount_path": mount.mount_path or f"/mnt/session/uploads/{mount.file_id}",
            "created_at": rfc3339(at_us),
            "updated_at": rfc3339(at_us),
        }
