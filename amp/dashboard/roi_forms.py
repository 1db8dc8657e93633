"""Report Outcome and Correct Outcome: by the ledger's own verbs, with the scope that its routes need.

Sent twice, a form does nothing the second time: an outcome is reported once, and a correction that stands is
not made again.
"""

from typing import Any, NamedTuple

from litestar import Response

from amp.dashboard import roi_job
from amp.dashboard.pages import page, see_other
from amp.dashboard.roi_jobs import job_url
from amp.errors import AmpError, InvalidParameter, OutcomeAlreadyReported, OutcomeNotReported, VersionConflict
from amp.http.requests import ApiRequest
from amp.ledger.routes import REPORT
from amp.ledger.wire import OutcomeRequest
from amp.parse import decimal
from amp.rooms import Books
from amp.tenancy import Access

WHY = "reason"
"""The name of a correction's reason in its form, and in the API."""
_ALREADY = (
    "An outcome was reported before: it is the one below, and this report changed nothing. If it is wrong, "
    "correct it."
)
_OVERTAKEN = (
    "Somebody else corrected this outcome while you looked: what stands now is below, and your correction "
    "changed nothing. Look, and send it again if it is still needed."
)
_NONE_YET = "There is no outcome to correct yet: report it."


class Form(NamedTuple):
    """A form about a job, and who sent it."""

    request: ApiRequest
    books: Books
    access: Access
    job: str

    async def report(self) -> Response[bytes]:
        """Says what came of the job.

        Raises:
            Forbidden: the key may only read.
            NotFound: there is no such job.
            StoreUnavailable: nobody knows; looking at the job tells.
        """
        self.access.require(*REPORT)
        sent = await _fields(self.request)
        try:
            await self.books.ledger.report(self.access, self.job, _outcome(sent))
        except InvalidParameter as error:
            return await self._again(sent, error)
        except OutcomeAlreadyReported as error:
            return await self._conflict(error, _ALREADY)
        return see_other(f"{job_url(self.job)}#outcome")

    async def correct(self) -> Response[bytes]:
        """Puts another outcome in force; never without a reason.

        Raises:
            Forbidden: the key may only read.
            NotFound: there is no such job.
            StoreUnavailable: nobody knows; looking at the job tells.
        """
        self.access.require(*REPORT)
        sent = await _fields(self.request)
        try:
            await self.books.ledger.amend(self.access, self.job, await self._amendment(sent))
        except InvalidParameter as error:
            return await self._again(sent, error)
        except VersionConflict as error:
            return await self._conflict(error, _OVERTAKEN)
        except OutcomeNotReported as error:
            return await self._conflict(error, _NONE_YET)
        return see_other(f"{job_url(self.job)}#outcome")

    async def _amendment(self, sent: dict[str, str]) -> OutcomeRequest:
        """Texts that were emptied are taken back; an empty type or value leaves what stands."""
        if not sent.get(WHY):
            raise InvalidParameter(WHY, "is needed: the history tells it to whoever looks later")
        stands = await self.books.jobs.show(self.access.tenant, self.job)
        request = _outcome(sent)
        request.outcome_reason = _changed(sent.get("outcomeReason", ""), stands.outcome_reason)
        request.metadata = _changed(sent.get("metadata", ""), stands.outcome_metadata)
        request.reason, request.expected_entity_version = sent[WHY], sent.get("version") or None
        return request

    async def _again(self, sent: dict[str, str], error: InvalidParameter) -> Response[bytes]:
        """The form with what was sent, and what is wrong with it."""
        told = {"sent": sent, "wrong": error.details["field"], "said": error.details["reason"]}
        return await self._shown(error.status, told)

    async def _conflict(self, error: AmpError, said: str) -> Response[bytes]:
        """The job as it stands, and why nothing was done."""
        return await self._shown(error.status, {"refusal": said})

    async def _shown(self, status: int, told: dict[str, Any]) -> Response[bytes]:
        shown = await roi_job.shown(self.books, self.access, self.job)
        return page(self.request, "roi_job.html", status=status, **(shown | told))


def _outcome(sent: dict[str, str]) -> OutcomeRequest:
    return OutcomeRequest(
        execution_status=sent.get("executionStatus") or None,
        outcome_type=sent.get("outcomeType") or None,
        outcome_value=_number(sent.get("outcomeValue")),
        outcome_currency=sent.get("outcomeCurrency") or None,
        outcome_reason=sent.get("outcomeReason") or None,
        metadata=sent.get("metadata") or None,
    )


def _changed(said: str, stands: str | None) -> str | None:
    """None where a form gives back what it was given: it cannot keep every line's end and blank."""
    return None if said == _as_sent(stands or "") else said


def _number(said: str | None) -> Any:
    try:
        return decimal(said) if said else None
    except ValueError as error:
        raise InvalidParameter("outcomeValue", str(error)) from error


async def _fields(request: ApiRequest) -> dict[str, str]:
    """As they were sent; browsers end lines in texts with CR LF."""
    form = await request.form()
    return {name: _as_sent(value) for name, value in form.items() if isinstance(value, str)}


def _as_sent(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
