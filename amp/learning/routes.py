"""HTTP in, HTTP out for the room."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from litestar import Controller, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec.structs import fields

from amp.clock import now_ms
from amp.errors import AmpError, InvalidParameter, InvalidPreference
from amp.http.body import BATCH_BYTES_MAX, encoded, parse
from amp.http.lane import Answer, Hot
from amp.http.problems import Headers, envelope
from amp.http.requests import LIMIT_TOLD, REQUEST_ID, WITHOUT_STORE, ApiRequest, in_path, item_turned
from amp.http.requests import REFUSALS as OPT_REFUSALS
from amp.learning.profiles import Profiles
from amp.learning.service import Learning, Recommended
from amp.learning.validation import REFUSALS
from amp.learning.wire import (
    ContextReply,
    ContextRequest,
    ExportReply,
    Items,
    OutcomeReply,
    OutcomeReport,
    PosteriorReply,
    ProfileChange,
    ProfileReply,
)
from amp.store.quota import Quota
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheLearning = NamedDependency[Learning]
TheProfiles = NamedDependency[Profiles]
TheQuota = NamedDependency[Quota]

BATCH_MAX = 100
REPLAY_HEADER = (b"idempotent-replay", b"true")

_CONTEXT = msgspec.json.Decoder(ContextRequest)
_OUTCOME = msgspec.json.Decoder(OutcomeReport)
_NO_PREFERENCE = dict.fromkeys(("metadata", "lock"), InvalidParameter)
_REPORTED = encoded(OutcomeReply())


def hot(learning: Learning, quota: Quota) -> dict[bytes, Hot]:
    """The calls that the fast lane serves, by path."""

    async def context(access: Access, body: bytes, _: Headers) -> Answer:
        request = parse(body, _CONTEXT, REFUSALS)
        until_s = quota.until_s() if quota.on else 0.0
        answer = await learning.recommend(access.tenant, request)
        told = await _counted(quota, access, answer, until_s) if quota.on else ()
        return Answer(encoded(answer.reply), told, answered=partial(learning.given, access.tenant, answer))

    async def outcome(access: Access, body: bytes, _: Headers) -> Answer:
        replayed = await learning.report(access.tenant, parse(body, _OUTCOME, REFUSALS))
        return Answer(_REPORTED, (REPLAY_HEADER,) if replayed else ())

    calls = (
        Hot("/v1/context", ("context",), context, without_store=True),
        Hot("/v1/outcome", ("outcome",), outcome),
    )
    return {call.path.encode(): call for call in calls}


class Contexts(Controller):
    """Decisions. The single call is served by the fast lane where one stands in front."""

    path = "/v1/context"
    opt = {"scopes": ("context",), OPT_REFUSALS: REFUSALS, WITHOUT_STORE: True}  # noqa: RUF012  Litestar's way

    @post(status_code=200, summary="Which approach to take now")
    async def one(
        self, data: JSONBody[ContextRequest], access: Caller, learning: TheLearning, quota: TheQuota
    ) -> ContextReply:
        until_s = quota.until_s()
        answer = await learning.recommend(access.tenant, data)
        if quota.on:
            await _counted(quota, access, answer, until_s)
        learning.given(access.tenant, answer)
        return answer.reply

    @post("/batch", status_code=200, request_max_body_size=BATCH_BYTES_MAX, summary="Up to 100 contexts")
    async def batch(
        self,
        request: ApiRequest,
        data: JSONBody[Items],
        access: Caller,
        learning: TheLearning,
        quota: TheQuota,
    ) -> dict[str, list[Any]]:
        until_s = quota.until_s()

        async def answer(item: msgspec.Raw) -> ContextReply:
            recommended = await learning.recommend(access.tenant, parse(item, _CONTEXT, REFUSALS))
            if quota.on:
                told = await _counted(quota, access, recommended, until_s)
                request.scope["state"][LIMIT_TOLD] = [*told]
            learning.given(access.tenant, recommended)
            return recommended.reply

        return await _each(request, data, answer)


class Outcomes(Controller):
    """Reports. The single call is served by the fast lane where one stands in front."""

    path = "/v1/outcome"
    opt = {"scopes": ("outcome",), OPT_REFUSALS: REFUSALS}  # noqa: RUF012  as above

    @post(status_code=200, summary="What came of it")
    async def one(
        self, data: JSONBody[OutcomeReport], access: Caller, learning: TheLearning
    ) -> Response[OutcomeReply]:
        replayed = await learning.report(access.tenant, data)
        return Response(OutcomeReply(), headers={"Idempotent-Replay": "true"} if replayed else {})

    @post(
        "/batch",
        status_code=200,
        request_max_body_size=BATCH_BYTES_MAX,
        summary="Up to 100 outcomes, as if sent one after the other",
    )
    async def batch(
        self, request: ApiRequest, data: JSONBody[Items], access: Caller, learning: TheLearning
    ) -> dict[str, list[Any]]:
        async def answer(item: msgspec.Raw) -> OutcomeReply:
            await learning.report(access.tenant, parse(item, _OUTCOME, REFUSALS))
            return OutcomeReply()

        return await _each(request, data, answer)


class ProfileRoutes(Controller):
    """A user's profile."""

    path = "/v1/profile/{user_id:str}"
    opt = {"scopes": ("profile", "read"), OPT_REFUSALS: REFUSALS}  # noqa: RUF012  as above

    @get(summary="What is known of a user")
    async def show(self, user_id: FromPath[str], access: Caller, profiles: TheProfiles) -> ProfileReply:
        return await profiles.show(access.tenant, in_path(user_id))

    @put(opt={"scopes": ("profile",)}, summary="Set, lock or clear preferences")
    async def change(
        self,
        request: ApiRequest,
        user_id: FromPath[str],
        data: JSONBody[ProfileChange],
        access: Caller,
        profiles: TheProfiles,
    ) -> ProfileReply:
        own = profiles.change_type(access.tenant)
        if own is not ProfileChange:
            refusals = {each.encode_name: InvalidPreference for each in fields(own)} | _NO_PREFERENCE
            data = parse(await request.body(), msgspec.json.Decoder(own), refusals)
        return await profiles.change(access.tenant, in_path(user_id), data)

    @delete(opt={"scopes": ("profile",)}, status_code=204, summary="Forget a user for good")
    async def forget(self, user_id: FromPath[str], access: Caller, profiles: TheProfiles) -> None:
        await profiles.forget(access.tenant, in_path(user_id))

    @get("/export", summary="All that is kept of a user")
    async def export(self, user_id: FromPath[str], access: Caller, profiles: TheProfiles) -> ExportReply:
        return await profiles.export(access.tenant, in_path(user_id))

    @get("/posterior", summary="What is believed of each option for this user")
    async def posterior(
        self, user_id: FromPath[str], access: Caller, profiles: TheProfiles
    ) -> PosteriorReply:
        return await profiles.posterior(access.tenant, in_path(user_id))


async def _counted(
    quota: Quota, access: Access, answer: Recommended, until_s: float
) -> tuple[tuple[bytes, bytes], ...]:
    """Counts a decision before it is given; what the answer is to say of the quota.

    One that was refused is not counted, nor one that the store knows nothing of.

    Raises:
        QuotaExceeded: the month's decisions are used up.
    """
    month = None if answer.reply.metadata.degraded else await quota.take(access.tenant, until_s)
    if month is None:
        return ()
    return (
        (b"x-quota-limit", b"%d" % month.quota),
        (b"x-quota-remaining", b"%d" % month.left),
        (b"x-quota-reset", b"%d" % month.ends_s),
    )


async def _each(
    request: ApiRequest, data: JSONBody[Items], answer: Callable[[msgspec.Raw], Awaitable[Any]]
) -> dict[str, list[Any]]:
    """Each item's answer or its error, in order; stored in that order too: they leave in one tick."""
    if len(data.items) > BATCH_MAX:
        raise InvalidParameter("items", f"may have at most {BATCH_MAX} items")
    request_id: str = request.scope["state"][REQUEST_ID]

    async def outcome(item: msgspec.Raw) -> Any:
        try:
            return await answer(item)
        except AmpError as error:
            item_turned(request, error.status)
            return envelope(error, request_id, now_ms())

    return {"items": await asyncio.gather(*(outcome(item) for item in data.items))}
