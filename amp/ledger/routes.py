"""HTTP in, HTTP out for the ledger. Contract: ledger.md, section 2."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, Parameter

from amp.errors import AmpError, InvalidParameter
from amp.http.body import BATCH_BYTES_MAX, encoded, parse
from amp.http.lane import Answer, Hot
from amp.http.problems import Headers, Refusal, refusal
from amp.http.requests import ApiRequest, item_turned
from amp.ledger import answers
from amp.ledger.answers import (
    API,
    HistoryRow,
    JobResource,
    Receipt,
    TeamsReply,
    Transactions,
    UserResource,
)
from amp.ledger.intake import Intake
from amp.ledger.jobs import PAGE, Jobs
from amp.ledger.once import Once, checked
from amp.ledger.service import Ledger
from amp.ledger.wire import CompletionRequest, JobRequest, Kinds, MeteringBatch, OutcomeRequest, ToolRequest
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheLedger = NamedDependency[Ledger]
TheIntake = NamedDependency[Intake]
TheJobs = NamedDependency[Jobs]

COMPLETIONS = "/meter/v2/ai/completions"
TOOL_EVENTS = ("/meter/v2/tool/events", "/meter/meter/v2/tool/events")
"""The second is where a client that was given `/meter` in its base URL sends them."""
BATCH_MAX = 100

METER, REPORT, READ = ("meter", "ledger"), ("ledger",), ("read", "ledger")
"""Scopes: one of them is enough."""
ANY = ("read", "meter", "ledger")

_KEY = b"idempotency-key"
_REPLAYED = (b"idempotent-replay", b"true")
_completion = msgspec.json.Decoder(CompletionRequest)
_tool_event = msgspec.json.Decoder(ToolRequest)
_kinds = msgspec.json.Decoder(Kinds)
_Read = Callable[[bytes], CompletionRequest | ToolRequest]


def _read_completion(body: bytes | msgspec.Raw) -> CompletionRequest:
    return parse(body, _completion, {})


def _read_tool_event(body: bytes | msgspec.Raw) -> ToolRequest:
    return parse(body, _tool_event, {})


def hot(intake: Intake) -> dict[bytes, Hot]:
    """The calls that the fast lane serves, by path."""

    async def meter(read: _Read, access: Access, body: bytes, headers: Headers) -> Answer:
        receipt, replayed = await intake.meter(access, read(body), Once(_key(headers), body))
        return Answer(encoded(receipt), (_REPLAYED,) if replayed else (), 201)

    calls = [
        Hot(COMPLETIONS, METER, partial(meter, _read_completion)),
        *(Hot(path, METER, partial(meter, _read_tool_event)) for path in TOOL_EVENTS),
    ]
    return {call.path.encode(): call for call in calls}


class Meters(Controller):
    """What was used. Single records are served by the fast lane where one stands in front."""

    opt = {"scopes": METER}  # noqa: RUF012  Litestar's way

    @post(COMPLETIONS, status_code=201, summary="Meter an AI call")
    async def completion(
        self, request: ApiRequest, data: JSONBody[CompletionRequest], access: Caller, intake: TheIntake
    ) -> Response[Receipt]:
        return await _metered(request, data, access, intake)

    @post(TOOL_EVENTS[0], status_code=201, summary="Meter a tool's use")
    async def tool_event(
        self, request: ApiRequest, data: JSONBody[ToolRequest], access: Caller, intake: TheIntake
    ) -> Response[Receipt]:
        return await _metered(request, data, access, intake)

    @post(TOOL_EVENTS[1], status_code=201, include_in_schema=False)
    async def tool_event_gone_astray(
        self, request: ApiRequest, data: JSONBody[ToolRequest], access: Caller, intake: TheIntake
    ) -> Response[Receipt]:
        return await _metered(request, data, access, intake)

    @post(
        "/v1/ledger/meter/batch",
        status_code=200,
        request_max_body_size=BATCH_BYTES_MAX,
        summary="Meter up to 100 records, as if sent one after the other; one with a toolId is a tool event",
    )
    async def batch(
        self, request: ApiRequest, data: JSONBody[MeteringBatch], access: Caller, intake: TheIntake
    ) -> dict[str, list[Receipt | Refusal]]:
        """With an `Idempotency-Key`, records without a transactionId are known by it and their place."""
        if len(data.items) > BATCH_MAX:
            raise InvalidParameter("items", f"may have at most {BATCH_MAX} items")
        key = checked(Once(_key(request.scope["headers"]), b"")).key

        async def answer(place: int, item: msgspec.Raw) -> Receipt | Refusal:
            try:
                read = _read_completion if parse(item, _kinds, {}).tool_id is None else _read_tool_event
                record = read(item)
                once = Once(None if record.transaction_id else key, bytes(item), place)
                return (await intake.meter(access, record, once)).receipt
            except AmpError as error:
                item_turned(request, error.status)
                return refusal(error)

        return {"items": await asyncio.gather(*(answer(*each) for each in enumerate(data.items)))}


class JobRoutes(Controller):
    """Jobs, and what came of them."""

    path = API + "/jobs"

    @post(opt={"scopes": REPORT}, status_code=201, summary="Make a job")
    async def create(self, data: JSONBody[JobRequest], access: Caller, ledger: TheLedger) -> JobResource:
        return await ledger.create(access, data)

    @get("/types", opt={"scopes": READ}, summary="The types of all jobs")
    async def types(self, access: Caller, jobs: TheJobs) -> list[str]:
        return await jobs.types(access.tenant)

    @get("/{job_id:str}", opt={"scopes": READ}, summary="A job and its outcome")
    async def show(self, job_id: FromPath[str], access: Caller, jobs: TheJobs) -> JobResource:
        return await jobs.show(access.tenant, in_path(job_id))

    @get("/{job_id:str}/transactions", opt={"scopes": READ}, summary="The AI calls of a job")
    async def transactions(
        self,
        job_id: FromPath[str],
        access: Caller,
        jobs: TheJobs,
        page: Annotated[int, Parameter(ge=0)] = 0,
        size: Annotated[int, Parameter(ge=1, le=PAGE)] = PAGE,
    ) -> Transactions:
        return await jobs.transactions(access.tenant, in_path(job_id), page, size)

    @post("/{job_id:str}/outcome", opt={"scopes": REPORT}, status_code=200, summary="What came of a job")
    async def report(
        self, job_id: FromPath[str], data: JSONBody[OutcomeRequest], access: Caller, ledger: TheLedger
    ) -> JobResource:
        return await ledger.report(access, in_path(job_id), data)

    @patch("/{job_id:str}/outcome", opt={"scopes": REPORT}, summary="Amend an outcome")
    async def amend(
        self, job_id: FromPath[str], data: JSONBody[OutcomeRequest], access: Caller, ledger: TheLedger
    ) -> JobResource:
        return await ledger.amend(access, in_path(job_id), data)

    @get("/{job_id:str}/outcome/history", opt={"scopes": READ}, summary="Every outcome that a job had")
    async def history(self, job_id: FromPath[str], access: Caller, jobs: TheJobs) -> list[HistoryRow]:
        return await jobs.history(access.tenant, in_path(job_id))

    @post(
        "/{job_id:str}/outcome/metrics",
        opt={"scopes": REPORT},
        status_code=201,
        summary="Add figures to a job: a list of objects with key and value",
    )
    async def metrics(
        self, request: ApiRequest, job_id: FromPath[str], access: Caller, ledger: TheLedger
    ) -> Response[bytes]:
        once = Once(_key(request.scope["headers"]), await request.body())
        await ledger.add_metrics(access, in_path(job_id), once)
        return Response(b"", status_code=201)


class Callers(Controller):
    """Who calls, as the client asks before it does anything."""

    path = API
    opt = {"scopes": ANY}  # noqa: RUF012  as above

    @get("/teams", summary="The one team of the key's tenant")
    async def teams(self, access: Caller) -> TeamsReply:
        return answers.teams(access.tenant)

    @get("/users/me", summary="The key that asks")
    async def user(self, access: Caller) -> UserResource:
        return answers.user(access)


async def _metered(
    request: ApiRequest, data: CompletionRequest | ToolRequest, access: Access, intake: Intake
) -> Response[Any]:
    once = Once(_key(request.scope["headers"]), await request.body())
    receipt, replayed = await intake.meter(access, data, once)
    name, value = _REPLAYED
    return Response(receipt, headers={name.decode(): value.decode()} if replayed else {})


def _key(headers: Any) -> str | None:
    for name, value in headers:
        if name == _KEY:
            return value.decode("latin-1")
    return None


def in_path(raw: str) -> str:
    """A job's id from the path as it was sent.

    Raises:
        InvalidParameter: not percent-encoded UTF-8.
    """
    try:
        return unquote(raw, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidParameter("agenticJobId", "must be percent-encoded UTF-8") from error
