"""HTTP in, HTTP out for sessions and their events. Contract: graded-outcomes.md, sections 1 to 5."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from amp.errors import InvalidParameter
from amp.grading.following import Follower
from amp.grading.inputs import Batch
from amp.grading.listing import Listing, Wanted, span
from amp.grading.sending import Sending
from amp.grading.service import Sessions
from amp.grading.wire import SessionPatch, SessionRequest
from amp.http.requests import ApiRequest
from amp.http.sse import PING, EventStream, frame
from amp.tenancy import Access, Tenant

Caller = NamedDependency[Access]
TheSessions = NamedDependency[Sessions]
TheListing = NamedDependency[Listing]
TheFollower = NamedDependency[Follower]

WRITE, READ = ("sessions",), ("sessions", "read")
SEE = ("sessions", "read", "worker")
"""Scopes: one of them is enough; a worker sees the sessions of its environment."""
SEND = ("sessions", "worker")

EVENTS_BYTES_MAX = 8 * 1024 * 1024
PING_S = 15.0
LIMIT = 1000

Order = Literal["asc", "desc"]
Limit = Annotated[int, QueryParameter(ge=1, le=LIMIT)]
Flag = Literal["true", "false"]
After = Annotated[str | None, QueryParameter(name="created_at[gt]")]
From = Annotated[str | None, QueryParameter(name="created_at[gte]")]
Before = Annotated[str | None, QueryParameter(name="created_at[lt]")]
Until = Annotated[str | None, QueryParameter(name="created_at[lte]")]
Statuses = Annotated[
    list[Literal["rescheduling", "running", "idle", "terminated"]] | None, QueryParameter(name="statuses[]")
]
Types = Annotated[list[str] | None, QueryParameter(name="types[]")]
Deltas = Annotated[
    list[Literal["agent.message", "agent.thinking"]] | None, QueryParameter(name="event_deltas[]")
]
LastEvent = Annotated[str | None, HeaderParameter(name="Last-Event-ID")]

Told = dict[str, Any]


class SessionRoutes(Controller):
    """Sessions: an agent, an environment, and all that happens between them."""

    path = "/v1/sessions"
    request_max_body_size = EVENTS_BYTES_MAX

    @post(opt={"scopes": WRITE}, status_code=200, summary="Make a session")
    async def create(
        self, request: ApiRequest, data: JSONBody[SessionRequest], access: Caller, sessions: TheSessions
    ) -> Told:
        return await sessions.create(access, data, await _sending(request))

    @get(opt={"scopes": READ}, summary="Sessions, newest first")
    async def list_sessions(
        self,
        *,
        access: Caller,
        listing: TheListing,
        limit: Limit = 20,
        page: FromQuery[str | None] = None,
        order: FromQuery[Order] = "desc",
        agent_id: FromQuery[str | None] = None,
        agent_version: FromQuery[int | None] = None,
        deployment_id: FromQuery[str | None] = None,
        memory_store_id: FromQuery[str | None] = None,
        include_archived: FromQuery[Flag] = "false",
        statuses: Statuses = None,
        after: After = None,
        since: From = None,
        before: Before = None,
        until: Until = None,
    ) -> Told:
        elsewhere = deployment_id is not None or memory_store_id is not None
        wanted = Wanted(agent_id, agent_version, elsewhere, statuses or (), include_archived == "true")
        made = span(after, since, before, until)
        found = await listing.sessions(access.tenant, wanted, order=order, limit=limit, page=page, made=made)
        return found.told(prev_page=found.prev)

    @get("/{session_id:str}", opt={"scopes": SEE}, summary="A session, and where its outcomes are")
    async def show(self, session_id: FromPath[str], access: Caller, sessions: TheSessions) -> Told:
        return await sessions.show(access, session_id)

    @post(
        "/{session_id:str}", opt={"scopes": WRITE}, status_code=200, summary="Change title, metadata or tools"
    )
    async def update(
        self, session_id: FromPath[str], data: JSONBody[SessionPatch], access: Caller, sessions: TheSessions
    ) -> Told:
        return await sessions.update(access, session_id, data)

    @post("/{session_id:str}/archive", opt={"scopes": WRITE}, status_code=200, summary="End a session")
    async def archive(self, session_id: FromPath[str], access: Caller, sessions: TheSessions) -> Told:
        return await sessions.archive(access, session_id)

    @delete(
        "/{session_id:str}", opt={"scopes": WRITE}, status_code=200, summary="Forget a session and its files"
    )
    async def forget(self, session_id: FromPath[str], access: Caller, sessions: TheSessions) -> Told:
        await sessions.delete(access, session_id)
        return {"id": session_id, "type": "session_deleted"}

    @post(
        "/{session_id:str}/events",
        opt={"scopes": SEND},
        status_code=200,
        summary="Send events: all of a batch or nothing",
    )
    async def send(
        self,
        request: ApiRequest,
        session_id: FromPath[str],
        data: JSONBody[Batch],
        access: Caller,
        sessions: TheSessions,
    ) -> Told:
        echoes = await sessions.send(access, session_id, data.events, await _sending(request))
        return {"data": echoes}

    @get("/{session_id:str}/events", opt={"scopes": SEE}, summary="What has happened so far")
    async def events(
        self,
        *,
        session_id: FromPath[str],
        access: Caller,
        listing: TheListing,
        limit: Limit = LIMIT,
        page: FromQuery[str | None] = None,
        order: FromQuery[Order] = "asc",
        types: Types = None,
        after: After = None,
        since: From = None,
        before: Before = None,
        until: Until = None,
    ) -> Told:
        return await listing.events(
            access,
            session_id,
            order=order,
            limit=limit,
            page=page,
            types=types or (),
            processed=span(after, since, before, until),
        )

    @get(
        "/{session_id:str}/events/stream",
        opt={"scopes": SEE},
        media_type="text/event-stream",
        summary="What happens from now on, as server-sent events; Last-Event-ID goes on where a stream ended",
    )
    async def stream(
        self,
        *,
        session_id: FromPath[str],
        access: Caller,
        sessions: TheSessions,
        follower: TheFollower,
        last_event: LastEvent = None,
        event_deltas: Deltas = None,
    ) -> EventStream:
        del event_deltas  # previews are best effort: there are none
        session = await sessions.find(access, session_id)
        after = session.seq if last_event is None else _seq(last_event, session.seq)
        return EventStream(_frames(follower, access.tenant, session_id, after))


async def _frames(follower: Follower, tenant: Tenant, session: str, after: int) -> AsyncGenerator[bytes]:
    async for one in follower.events(tenant, session, after, quiet_s=PING_S):
        yield PING if one is None else frame(one.seq, one.raw)


async def _sending(request: ApiRequest) -> Sending:
    again = request.headers.get("x-stainless-retry-count", "0") not in {"0", ""}
    return Sending(await request.body(), again, request.headers.get("idempotency-key"))


def _seq(last_event: str, newest: int) -> int:
    known = last_event.isascii() and last_event.isdigit() and len(last_event) <= len(str(newest))
    if not known or int(last_event) > newest:
        raise InvalidParameter("Last-Event-ID", "must be the id of an event of this session")
    return int(last_event)
