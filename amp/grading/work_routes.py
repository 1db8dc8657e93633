"""HTTP in, HTTP out for the work of environments."""

from typing import Annotated

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from amp.grading import work as rules
from amp.grading.session_routes import SEE, SEND, Limit, Told
from amp.grading.wire import WorkStop, WorkUpdate
from amp.grading.work_service import Work
from amp.http.body import parse
from amp.http.requests import ApiRequest
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheWork = NamedDependency[Work]

WORKER = ("worker",)
Block = Annotated[int | None, QueryParameter(ge=1, le=999)]
Reclaim = Annotated[int, QueryParameter(ge=0, le=86_400_000)]
Ttl = Annotated[int, QueryParameter(ge=1, le=86_400)]
Expected = Annotated[str | None, QueryParameter(max_length=64)]
Worker = Annotated[str | None, HeaderParameter(name="Anthropic-Worker-ID")]

_stop = msgspec.json.Decoder(WorkStop)


class WorkRoutes(Controller):
    """Turns and gradings that wait for workers of one's own; their keys are bound to the environment."""

    path = "/v1/environments/{environment_id:str}/work"

    @get("/poll", opt={"scopes": WORKER}, summary="Take the oldest work; null when there is none")
    async def poll(
        self,
        *,
        environment_id: FromPath[str],
        access: Caller,
        work: TheWork,
        block_ms: Block = None,
        reclaim_older_than_ms: Reclaim = rules.RECLAIM_MS,
        worker_id: Worker = None,
    ) -> Response[bytes]:
        found = await work.poll(
            access,
            environment_id,
            block_ms=block_ms or 0,
            reclaim_ms=reclaim_older_than_ms,
            worker=worker_id,
        )
        return Response(msgspec.json.encode(found), media_type="application/json")  # null, not an empty body

    @get("/stats", opt={"scopes": SEE}, summary="How much work waits")
    async def stats(self, environment_id: FromPath[str], access: Caller, work: TheWork) -> Told:
        return await work.stats(access, environment_id)

    @get(opt={"scopes": SEE}, summary="Work, newest first")
    async def list_work(
        self,
        environment_id: FromPath[str],
        access: Caller,
        work: TheWork,
        limit: Limit = 20,
        page: FromQuery[str | None] = None,
    ) -> Told:
        found = await work.listing(access, environment_id, limit=limit, page=page)
        return found.told()

    @get("/{work_id:str}", opt={"scopes": SEE}, summary="One item of work")
    async def show(
        self, environment_id: FromPath[str], work_id: FromPath[str], access: Caller, work: TheWork
    ) -> Told:
        return await work.show(access, environment_id, work_id)

    @post("/{work_id:str}", opt={"scopes": SEND}, status_code=200, summary="Change the metadata of work")
    async def update(
        self,
        environment_id: FromPath[str],
        work_id: FromPath[str],
        data: JSONBody[WorkUpdate],
        access: Caller,
        work: TheWork,
    ) -> Told:
        return await work.update(access, environment_id, work_id, data)

    @post(
        "/{work_id:str}/ack",
        opt={"scopes": WORKER},
        status_code=200,
        summary="Acknowledge work that was polled",
    )
    async def ack(
        self, environment_id: FromPath[str], work_id: FromPath[str], access: Caller, work: TheWork
    ) -> Told:
        return await work.ack(access, environment_id, work_id)

    @post("/{work_id:str}/heartbeat", opt={"scopes": WORKER}, status_code=200, summary="Hold work for longer")
    async def heartbeat(
        self,
        *,
        environment_id: FromPath[str],
        work_id: FromPath[str],
        access: Caller,
        work: TheWork,
        desired_ttl_seconds: Ttl = rules.TTL_S,
        expected_last_heartbeat: Expected = None,
    ) -> Told:
        return await work.heartbeat(
            access, environment_id, work_id, expected=expected_last_heartbeat, ttl_s=desired_ttl_seconds
        )

    @post("/{work_id:str}/stop", opt={"scopes": SEND}, status_code=200, summary="End work")
    async def stop(
        self,
        request: ApiRequest,
        environment_id: FromPath[str],
        work_id: FromPath[str],
        access: Caller,
        work: TheWork,
    ) -> Told:
        """The body may be left out: `{"force": true}` ends it without asking its worker."""
        body = await request.body()
        return await work.stop(
            access, environment_id, work_id, parse(body, _stop, {}) if body else WorkStop()
        )
