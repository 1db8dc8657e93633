"""The sessions of graded outcomes: a list, and one with its criteria over iterations as they are judged."""

from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from markupsafe import Markup

from amp.app import House
from amp.dashboard.matrix import Mark, matrix
from amp.dashboard.pages import HEADERS, Page, Tab, page, see_other
from amp.dashboard.transcript import TYPES, shown, turns
from amp.errors import InvalidParameter, NotFound
from amp.grading.graded_wire import EvaluationReply, GradedOutcomeReply, SessionsReply
from amp.grading.listing import Span
from amp.grading.lists import RESULTS, STATUSES
from amp.grading.service import Sending
from amp.http.requests import ApiRequest
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheHouse = NamedDependency[House]
SEE, DO = ("read", "sessions"), "sessions"
LISTED, TOLD = 25, 50
CRITERIA_MAX, RUBRIC_MAX = 100, 50_000
STATUS_WORDS = {
    "running": "Running",
    "rescheduling": "Trying again",
    "idle": "At rest",
    "terminated": "Ended",
}
RESULT_WORDS = {
    "pending": "Waiting",
    "running": "Being worked on",
    "evaluating": "Being graded",
    "needs_revision": "Needs revision",
    "satisfied": "Satisfied",
    "max_iterations_reached": "Out of iterations",
    "failed": "Failed",
    "interrupted": "Interrupted",
}
KINDS = {"satisfied": "good", "failed": "bad", "max_iterations_reached": "bad"}
_SIGNS = {"satisfied": "✓", "failed": "✗", "max_iterations_reached": "✗", "interrupted": "■"}
MET, GAP, NOT_YET = Mark("good", "✓", "passed"), Mark("bad", "✗", "gap"), Mark("quiet", "…", "not yet")
_BUSY = ("running", "rescheduling")
_FILE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class GradedPage(Page):
    """Who works towards what, and how it was judged."""

    path = "/graded"
    tab = Tab("Graded", "/graded")

    @get("/")
    async def listing(self, request: ApiRequest, access: Caller, house: TheHouse) -> Response[bytes]:
        access.require(*SEE)
        asked = request.query_params
        status, result = _one_of(asked, "status", STATUSES), _one_of(asked, "result", RESULTS)
        found = await house.desk.graded.listing(
            access.tenant, status=status, result=result, limit=LISTED, page=asked.get("page")
        )
        return page(
            request,
            "graded.html",
            found=found,
            filters=_filters(found, status, result),
            chosen=RESULT_WORDS.get(result or "") or STATUS_WORDS.get(status or ""),
            newer=_address(status=status, result=result, page=found.previous_page),
            older=_address(status=status, result=result, page=found.next_page),
            **_WORDS,
        )

    @get("/{session_id:str}")
    async def one(
        self, request: ApiRequest, session_id: FromPath[str], access: Caller, house: TheHouse
    ) -> Response[bytes]:
        access.require(*SEE)
        graded = await house.desk.graded.one(access, session_id)
        told = await house.desk.listing.events(
            access,
            session_id,
            order="desc",
            limit=TOLD,
            page=request.query_params.get("page"),
            types=TYPES,
            processed=Span(),
        )
        return page(
            request,
            "graded_session.html",
            graded=graded,
            session=graded.session,
            outcomes=[_drawn(each) for each in reversed(graded.outcomes)],
            turns=turns(reversed(told["data"])),
            earlier=told["next_page"] and f"{_of(session_id)}?{urlencode({'page': told['next_page']})}",
            later="page" in request.query_params,
            may=access.has(DO),
            busy=graded.session.status in _BUSY,
            **_WORDS,
        )

    @get("/{session_id:str}/files/{file_id:str}")
    async def file(
        self, session_id: FromPath[str], file_id: FromPath[str], access: Caller, house: TheHouse
    ) -> Response[bytes]:
        """A deliverable, always to be saved and never to be shown: an agent wrote it."""
        access.require(*SEE)
        document, content = await house.desk.files.content(access.tenant, file_id)
        if document["scope"] != {"type": "session", "id": session_id}:
            raise NotFound("This session has no such file.")
        name = quote(document["filename"].rpartition("/")[2] or "file", safe="")
        headers = HEADERS | _FILE_HEADERS | {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @post("/{session_id:str}/interrupt", status_code=303)
    async def interrupt(self, session_id: FromPath[str], access: Caller, house: TheHouse) -> Response[bytes]:
        access.require(DO)
        event = {"type": "user.interrupt"}
        await house.desk.sessions.send(access, session_id, [event], Sending(msgspec.json.encode(event)))
        return see_other(_of(session_id))

    @post("/{session_id:str}/archive", status_code=303)
    async def archive(self, session_id: FromPath[str], access: Caller, house: TheHouse) -> Response[bytes]:
        access.require(DO)
        await house.desk.sessions.archive(access, session_id)
        return see_other(_of(session_id))


def _one_of(asked: Any, name: str, known: tuple[Any, ...]) -> Any:
    said = asked.get(name) or None
    if said is not None and said not in known:
        raise InvalidParameter(name, f"must be one of {', '.join(known)}")
    return said


def _address(**asked: str | None) -> str:
    given = {name: value for name, value in asked.items() if value}
    return f"/graded?{urlencode(given)}" if given else "/graded"


def _of(session: str) -> str:
    return f"/graded/{quote(session, safe='')}"


def _filters(found: SessionsReply, status: str | None, result: str | None) -> list[dict[str, Any]]:
    """The links above the list, those that lead to something, and the one that is chosen."""
    counts = found.counts
    told = [("All", counts.all, _address(), status is None and result is None)]
    told += [
        (STATUS_WORDS[each], counts.statuses[each], _address(status=each), each == status)
        for each in STATUSES
    ]
    told += [
        (RESULT_WORDS[each], counts.results[each], _address(result=each), each == result)
        for each in RESULTS
        if each != "running"  # of an outcome it says what the session's own status does
    ]
    return [
        {"name": name, "count": count, "path": path, "chosen": chosen}
        for name, count, path, chosen in told
        if count or chosen or path == "/graded"
    ]


def _drawn(outcome: GradedOutcomeReply) -> dict[str, Any]:
    """One outcome with its matrix; the newest grading's gaps in words."""
    rows, columns = _rows(outcome)
    rubric, cut = shown(outcome.rubric, RUBRIC_MAX)
    told = [each for each in outcome.evaluations if each.marks]
    return {
        "is": outcome,
        "chart": _chart(outcome, columns, rows) if columns and rows else None,
        "columns": columns,
        "rows": rows,
        "left_out": max(0, len(outcome.criteria) - CRITERIA_MAX),
        "explanation": _alone(outcome.explanation, told[-1:]),
        "told": [(each, _alone(each.explanation, [each])) for each in outcome.evaluations],
        "gaps": [each for each in (told[-1].marks if told else []) if not each.passed][:CRITERIA_MAX],
        "rubric": rubric,
        "rubric_cut": cut,
    }


def _chart(outcome: GradedOutcomeReply, columns: list[str], rows: list[tuple[str, list[Mark]]]) -> Markup:
    name = f"chart-{outcome.outcome_id}"
    return matrix(name, "Criteria over iterations", columns, rows)


def _rows(outcome: GradedOutcomeReply) -> tuple[list[tuple[str, list[Mark]]], list[str]]:
    """Criteria over the iterations that were graded, and the one that is under way."""
    graded = {each.iteration: each for each in outcome.evaluations}
    last = max(graded, default=-1)
    if outcome.completed_at is None:
        last = max(last, outcome.iteration)
    iterations = range(last + 1)
    columns = [str(number + 1) for number in iterations]
    rows = [
        (f"{each.id}. {each.name}", [_mark(graded.get(number), each.id) for number in iterations])
        for each in outcome.criteria[:CRITERIA_MAX]
    ]
    return rows, columns


def _alone(explanation: str | None, graded: list[EvaluationReply]) -> str:
    """What a grader says besides the gaps, which are shown by themselves."""
    gaps = {f"{mark.id}. {mark.name}: {mark.gap}" for each in graded for mark in each.marks}
    return "\n".join(line for line in (explanation or "").splitlines() if line not in gaps)


def _mark(graded: EvaluationReply | None, criterion: int) -> Mark:
    for mark in graded.marks if graded else ():
        if mark.id == criterion:
            return MET if mark.passed else GAP
    return NOT_YET


_WORDS: dict[str, Any] = {
    "status_words": STATUS_WORDS,
    "result_words": RESULT_WORDS,
    "kinds": KINDS,
    "signs": _SIGNS,
}
