"""HTTP in, HTTP out for the ledger's lists and reports. Contract: ledger.md, sections 2 and 5."""

from typing import Annotated, Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter

from amp.errors import InvalidParameter
from amp.http.requests import ApiRequest
from amp.ledger import filters, report_wire
from amp.ledger.grouping import Question, read_by
from amp.ledger.jobs import PAGE
from amp.ledger.leaf_wire import Turn
from amp.ledger.linked import JobChain
from amp.ledger.looking import LOOKED_MAX, Budget
from amp.ledger.metrics import METRICS, Metric
from amp.ledger.reports import SIZE_MAX, Page, Reports
from amp.ledger.routes import READ, JobRoutes, TheJobs, in_path
from amp.ledger.timeline import Timeline, timeline_row
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheReports = NamedDependency[Reports]

_NUMBER_MAX = 10**6
LINKS_MAX = 500
_SORTS = {"": False, "created": True, "created,asc": True, "created,desc": False}
"""Whether the oldest comes first."""


class JobLists(JobRoutes):
    """Jobs and what came of them; many of them, and their figures.

    It takes the place of its parent: Litestar has one controller a path.
    """

    @get(opt={"scopes": READ}, summary="Jobs, the newest first")
    async def page(self, request: ApiRequest, access: Caller, reports: TheReports) -> Response[bytes]:
        """Filters: type, executionStatus, outcomeType, environment, agent, startDate, endDate, search, ..."""
        asked = _query(request)
        page = Page(
            filters.whole(asked, "page", 0, 0, _NUMBER_MAX),
            filters.whole(asked, "size", 20, 1, SIZE_MAX),
            _oldest_first(asked.get("sort", "")),
        )
        jobs, info = await reports.page(access.tenant, filters.read(asked), page)
        embedded = {"_embedded": {"jobResourceList": jobs}} if jobs else {}
        return _json(embedded | {"page": info})

    @get("/conversion-funnel", opt={"scopes": READ}, summary="How many jobs came how far")
    async def funnel(self, request: ApiRequest, access: Caller, reports: TheReports) -> Response[bytes]:
        return _json(await reports.funnel(access.tenant, filters.read(_query(request))))

    @get("/{job_id:str}/roi", opt={"scopes": READ}, summary="What one job was worth and what it cost")
    async def roi(self, job_id: FromPath[str], access: Caller, reports: TheReports) -> Response[bytes]:
        return _json(await reports.roi(access.tenant, in_path(job_id)))


class Analytics(Controller):
    """Reports in the contract's shape."""

    path = "/api/v2/analytics/jobs"
    opt = {"scopes": READ}  # noqa: RUF012  Litestar's way

    @get("/roi-summary", summary="Every job type: jobs, cost, value, ROI")
    async def roi_summary(self, request: ApiRequest, access: Caller, reports: TheReports) -> Response[bytes]:
        """`metricType` is of the amounts: total, token, tool and human cost and value of single jobs."""
        asked = _query(request)
        metric = _metric(asked.get("metricType") or "sum")
        return _json(await reports.roi_summary(access.tenant, filters.read(asked), metric))


class ReportRoutes(Controller):
    """Our own report: by any of its dimensions, with everything that is known of each group."""

    path = "/v1/ledger"
    opt = {"scopes": READ}  # noqa: RUF012  as above

    @get(
        "/report",
        summary="What jobs were worth, by type, environment, day, agent, squad, approach, group or trace",
    )
    async def report(self, request: ApiRequest, access: Caller, reports: TheReports) -> Response[bytes]:
        """`by=type,day`; filters as for jobs, and `currency` to convert to.

        By one dimension, and by it and day, the answer comes from sums that are kept. Other questions, and
        those by trace or trace_type, look at jobs one by one, the newest first, at most `budget` of them and
        for two seconds; `cut` says when there were more.
        """
        asked = _query(request)
        question = Question(
            read_by(asked.get("by", "")), filters.read(asked), filters.currency(asked, "currency")
        )
        budget = filters.whole(asked, "budget", LOOKED_MAX, 1, LOOKED_MAX)
        return _json(await reports.report(access.tenant, question, Budget(budget)))

    @get("/jobs", summary="Jobs with what each was worth and cost, the newest first, leaf by leaf")
    async def leaf(
        self,
        request: ApiRequest,
        access: Caller,
        reports: TheReports,
        *,
        before: Annotated[int | None, Parameter(ge=0, le=filters.MS_MAX)] = None,
        after: Annotated[int | None, Parameter(ge=0, le=filters.MS_MAX)] = None,
        size: Annotated[int, Parameter(ge=1, le=SIZE_MAX)] = 25,
        budget: Annotated[int, Parameter(ge=1, le=LOOKED_MAX)] = LOOKED_MAX,
    ) -> Response[bytes]:
        """Filters as for jobs. `before` is the `older` of the leaf before, `after` the `newer`: times in ms.

        A leaf is found by its time, so the last one comes as quickly as the first. Where few jobs pass the
        filters it ends after `budget` jobs or two seconds (`cut`), and the next one goes on from there. Jobs
        of one millisecond are never parted: a leaf may be a little longer than `size`.
        """
        if before is not None and after is not None:
            raise InvalidParameter("after", "goes without before")
        filters_ = filters.read(_query(request))
        turn = Turn(size, before, after)
        return _json(await reports.leaf(access.tenant, filters_, turn, Budget(budget)))

    @get("/jobs/{job_id:str}/chain", summary="A job's entries in their chain: number, hash, previous link")
    async def chain(
        self,
        job_id: FromPath[str],
        access: Caller,
        jobs: TheJobs,
        page: Annotated[int, Parameter(ge=0)] = 0,
        size: Annotated[int, Parameter(ge=1, le=LINKS_MAX)] = LINKS_MAX,
    ) -> JobChain:
        """Whoever has these can compute each link again: SHA-1(previous link . SHA-256(entry) . side data).

        A call that made the job, or told more of it, and metered nothing is not listed; `amp ledger verify`
        walks it too, with all entries of all jobs, and compares with the heads outside the store.
        """
        return await jobs.chain(access.tenant, in_path(job_id), page, size)

    @get("/jobs/{job_id:str}/timeline", summary="All that was metered for a job, by time")
    async def timeline(
        self,
        job_id: FromPath[str],
        access: Caller,
        jobs: TheJobs,
        page: Annotated[int, Parameter(ge=0)] = 0,
        size: Annotated[int, Parameter(ge=1, le=PAGE)] = PAGE,
    ) -> Timeline:
        shown, count = await jobs.timeline(access.tenant, in_path(job_id), page, size)
        return Timeline([timeline_row(each) for each in shown], count)


def _query(request: ApiRequest) -> dict[str, str]:
    return {str(name): str(value) for name, value in request.query_params.items()}


def _oldest_first(sort: str) -> bool:
    if sort.lower() not in _SORTS:
        raise InvalidParameter("sort", "must be created,asc or created,desc")
    return _SORTS[sort.lower()]


def _metric(said: str) -> Metric:
    for metric in METRICS:
        if metric == said.lower():
            return metric
    raise InvalidParameter("metricType", f"must be one of {', '.join(METRICS)}")


def _json(value: Any) -> Response[bytes]:
    return Response(report_wire.encoded(value), media_type="application/json")
