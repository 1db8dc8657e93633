"""HTTP in, HTTP out for what people see of graded sessions."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from amp.grading.graded import Graded
from amp.grading.graded_wire import GradedReply, SessionsReply
from amp.grading.types import Result, Status
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheGraded = NamedDependency[Graded]
PageLimit = Annotated[int, QueryParameter(ge=1, le=100)]


class GradedRoutes(Controller):
    """Sessions by what they are, and one with the gradings of its outcomes."""

    path = "/v1/insights/sessions"
    opt = {"scopes": ("read", "sessions")}  # noqa: RUF012  Litestar's way

    @get(summary="Graded sessions, newest first, by status or by the result of their newest outcome")
    async def listing(
        self,
        *,
        access: Caller,
        graded: TheGraded,
        status: FromQuery[Status | None] = None,
        result: FromQuery[Result | None] = None,
        limit: PageLimit = 25,
        page: FromQuery[str | None] = None,
    ) -> SessionsReply:
        return await graded.listing(access.tenant, status=status, result=result, limit=limit, page=page)

    @get("/{session_id:str}", summary="A session: criteria over iterations, gaps, frozen rubrics, files")
    async def one(self, session_id: FromPath[str], access: Caller, graded: TheGraded) -> GradedReply:
        return await graded.one(access, session_id)
