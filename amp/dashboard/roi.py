"""ROI: what the work was worth, every job of it, and what came of each: reported and corrected here too."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from amp.app import House
from amp.dashboard import roi_job, roi_jobs, roi_report
from amp.dashboard.pages import HEADERS, Page, Tab, page
from amp.dashboard.roi_forms import Form
from amp.http.requests import ApiRequest
from amp.ledger import spreadsheet
from amp.ledger.grouping import Question, read_by
from amp.ledger.routes import in_path
from amp.tenancy import Access, Tenant

TheHouse = NamedDependency[House]
Caller = NamedDependency[Access]


class RoiPage(Page):
    """What was it worth?"""

    tab = Tab("ROI", "/roi")
    path = "/roi"

    @get()
    async def report(self, request: ApiRequest, access: Caller, house: TheHouse) -> Response[bytes]:
        asked = roi_report.read(_query(request))
        shown = await roi_report.shown(house.books.reports, access.tenant, asked)
        return page(request, "roi.html", **shown)

    @get("/report.csv")
    async def report_csv(self, request: ApiRequest, access: Caller, house: TheHouse) -> Response[bytes]:
        query = _query(request)
        asked = roi_report.read(query)
        question = Question(read_by(query.get("by", "type")), asked.filters, asked.currency)
        found = await house.books.reports.report(access.tenant, question)
        return _csv(spreadsheet.report(found), access.tenant, "report" + "-cut" * found.cut)

    @get("/jobs")
    async def jobs(self, request: ApiRequest, access: Caller, house: TheHouse) -> Response[bytes]:
        shown = await roi_jobs.shown(house.books, access.tenant, _query(request))
        return page(request, "roi_jobs.html", **shown)

    @get("/jobs.csv")
    async def jobs_csv(self, request: ApiRequest, access: Caller, house: TheHouse) -> Response[bytes]:
        lines, whole = await roi_jobs.all_lines(house.books.reports, access.tenant, _query(request))
        name = "jobs" if whole else f"jobs-newest-{len(lines)}"
        return _csv(spreadsheet.jobs(lines), access.tenant, name)

    @get("/jobs/{job_id:str}")
    async def job(
        self, request: ApiRequest, job_id: FromPath[str], access: Caller, house: TheHouse
    ) -> Response[bytes]:
        part = roi_job.part(_query(request))
        shown = await roi_job.shown(house.books, access, in_path(job_id), part)
        return page(request, "roi_job.html", **shown)

    @post("/jobs/{job_id:str}/outcome", status_code=303)
    async def outcome(
        self, request: ApiRequest, job_id: FromPath[str], access: Caller, house: TheHouse
    ) -> Response[bytes]:
        return await Form(request, house.books, access, in_path(job_id)).report()

    @post("/jobs/{job_id:str}/correction", status_code=303)
    async def correction(
        self, request: ApiRequest, job_id: FromPath[str], access: Caller, house: TheHouse
    ) -> Response[bytes]:
        return await Form(request, house.books, access, in_path(job_id)).correct()


def _query(request: ApiRequest) -> dict[str, str]:
    return {str(name): str(value).strip() for name, value in request.query_params.items()}


def _csv(text: str, tenant: Tenant, name: str) -> Response[bytes]:
    file = f"amp-{name}-{tenant.name}-{tenant.env}.csv"
    headers = HEADERS | {"Content-Disposition": f'attachment; filename="{file}"'}
    return Response(text.encode(), media_type="text/csv", headers=headers)
