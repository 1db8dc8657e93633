"""The room's verbs: check, price, append once."""

from amp.clock import Clock, now_ms
from amp.errors import (
    IdempotencyKeyMismatch,
    InvalidParameter,
    JobExists,
    OutcomeAlreadyReported,
    OutcomeNotReported,
    StoreUnavailable,
    VersionConflict,
)
from amp.ledger import rules
from amp.ledger.answers import JobResource
from amp.ledger.appending import Appender
from amp.ledger.entries import Amendment, Before, Created, Entry, Metrics, Outcome, pack
from amp.ledger.job import Job
from amp.ledger.jobs import Jobs, unknown
from amp.ledger.once import Once, checked, fingerprint, remembered_key
from amp.ledger.store import Said, Verb, Write, Written
from amp.ledger.types import Decided, Decisions
from amp.ledger.wire import JobRequest, OutcomeRequest
from amp.store.ledger_keys import bucket_of, job_keys
from amp.tenancy import Access, Tenant

ATTEMPTS = 5
"""Of an amendment that others overtake."""

_PATCH = "Use PATCH /profitstream/v2/api/jobs/{agenticJobId}/outcome to amend it."


class Ledger:
    """Makes jobs and says what came of them."""

    def __init__(
        self, appender: Appender, jobs: Jobs, *, decisions: Decisions, clock: Clock = now_ms
    ) -> None:
        self._appender = appender
        self._jobs = jobs
        self._decisions = decisions
        self._clock = clock

    async def create(self, access: Access, request: JobRequest) -> JobResource:
        """Makes a job.

        Raises:
            InvalidParameter: the field is named.
            JobExists: there is one; what was not yet said of it is said now.
            StoreUnavailable: nobody knows; send it again.
        """
        job = rules.job_id(request.agentic_job_id)
        decided = self._decided(access.tenant, request.amp_request_id)
        entry = Created(
            job,
            self._clock(),
            access.key_id,
            name=rules.text("name", request.name),
            type=rules.job_type("type", request.type),
            version=rules.text("version", request.version),
            environment=rules.text("environment", request.environment),
            approach=decided.approach if decided else None,
            group=decided.group if decided else None,
            request=decided.request_id if decided else None,
        )
        said = Said(
            name=entry.name,
            type=entry.type,
            version=entry.version,
            environment=entry.environment,
            approach=entry.approach,
            group=entry.group,
            request=entry.request,
        )
        written = await self._append("create", access.tenant, entry, said)
        if written.verdict == "exists":
            raise JobExists(f"Job {job!r} exists already.", details={"agenticJobId": job})
        return await self._jobs.show(access.tenant, job)

    async def report(self, access: Access, job: str, request: OutcomeRequest) -> JobResource:
        """Says what came of a job; only the first report does.

        Raises:
            InvalidParameter: the field is named; the job's one report is not used up.
            NotFound: there is no such job yet.
            OutcomeAlreadyReported: what stands is in the details.
            StoreUnavailable: nobody knows; send it again.
        """
        told, by = rules.outcome(request), _by(access, request)
        decided = self._decided(access.tenant, rules.request_id(request))
        entry = Outcome(
            job,
            self._clock(),
            access.key_id,
            *told[:-1],
            reported_by=by,
            approach=decided.approach if decided else None,
            group=decided.group if decided else None,
            metrics=rules.metrics("metrics", request.metrics),
            request=decided.request_id if decided else None,
            value_sent=told.value_sent,
        )
        said = Said(approach=entry.approach, group=entry.group, request=entry.request)
        written = await self._append("outcome", access.tenant, entry, said, _in_force(told))
        if written.verdict == "unknown":
            raise unknown(job)
        stands = await self._jobs.show(access.tenant, job)
        if written.verdict == "already":
            raise _already(stands)
        return stands

    async def amend(self, access: Access, job: str, request: OutcomeRequest) -> JobResource:
        """Puts another outcome in force, with a reason; what was said before stays readable.

        Raises:
            InvalidParameter: the field is named.
            NotFound: there is no such job.
            OutcomeNotReported: there is nothing to amend.
            VersionConflict: another version stands than the one expected, and not by this very request.
            StoreUnavailable: nobody knows; look what stands before sending it again.
        """
        expected = rules.expected_version(request)
        for _ in range(ATTEMPTS):
            found = await self._jobs.find(access.tenant, job)
            if not found.outcomes:
                raise OutcomeNotReported(f"Job {job!r} has no outcome to amend; report it first.")
            if expected not in {None, len(found.outcomes)}:
                if await self._stands(access, found, request, expected):
                    return await self._jobs.show(access.tenant, job)
                raise _overtaken(expected, len(found.outcomes))
            if await self._amended(access, found, request):
                return await self._jobs.show(access.tenant, job)
        raise StoreUnavailable

    async def add_metrics(self, access: Access, job: str, once: Once) -> None:
        """Keeps further figures of a job.

        Raises:
            InvalidParameter: the field is named.
            NotFound: there is no such job.
            IdempotencyKeyMismatch: the key came with another body before.
            StoreUnavailable: nobody knows; send it again with the same key.
        """
        once, told = checked(once), rules.metrics("body", once.body)
        if told is None:
            raise InvalidParameter("body", "must have at least one figure")
        entry = Metrics(job, self._clock(), access.key_id, told)
        own = (remembered_key(once), fingerprint("m", once))
        written = await self._append("note", access.tenant, entry, Said(), own)
        if written.verdict == "unknown":
            raise unknown(job)
        if written.verdict == "mismatch":
            raise IdempotencyKeyMismatch("This Idempotency-Key came with another body before.")

    async def _stands(
        self, access: Access, found: Job, request: OutcomeRequest, expected: int | None
    ) -> bool:
        """Whether this is an amendment sent again that is in force: same key, reason and outcome."""
        old = await self._jobs.in_force(access.tenant, found)
        if not isinstance(old, Amendment) or expected != len(found.outcomes) - 1:
            return False
        same = old.by == access.key_id and request.reason is not None and old.why == request.reason
        stands = same and rules.amended(request, rules.standing(old)) == rules.standing(old)
        if stands:
            await self._jobs.prove(access.tenant, found.id)
        return stands

    async def _amended(self, access: Access, found: Job, request: OutcomeRequest) -> bool:
        """Whether what the request asks for stands now; False when another amendment came first."""
        old = await self._jobs.in_force(access.tenant, found)
        assert old is not None, "asked only of a job with an outcome"
        before = rules.standing(old)
        told = rules.amended(request, before)
        metrics = rules.metrics("metrics", request.metrics)
        why = rules.text("reason", request.reason, rules.REASON_LENGTH_MAX)
        said_again = isinstance(old, Amendment) and request.reason in {None, old.why}
        if told == before and metrics in {None, old.metrics} and said_again:
            await self._jobs.prove(access.tenant, found.id)
            return True  # a retry must not add to the history
        entry = Amendment(
            found.id,
            self._clock(),
            access.key_id,
            *told[:-1],
            reported_by=_by(access, request),
            why=why or f"Amended by API key {access.key_id}.",
            before=Before(*before[:4]),
            metrics=metrics,
            value_sent=told.value_sent,
        )
        own = (" ".join(map(str, found.outcomes)), *_in_force(told))
        return (await self._append("amend", access.tenant, entry, Said(), own)).verdict == "recorded"

    async def _append(
        self, verb: Verb, tenant: Tenant, entry: Entry, said: Said, own: tuple[bytes | str, ...] = ()
    ) -> Written:
        job = entry.job
        keys = job_keys(tenant, job)
        write = Write(verb, bucket_of(job), keys, job, entry.at_ms, pack(entry), said, own)
        return await self._appender.append(tenant, write)

    def _decided(self, tenant: Tenant, request_id: str | None) -> Decided | None:
        return self._decisions(tenant, request_id) if request_id else None


def _in_force(told: rules.Said) -> tuple[str, str, str, str]:
    value = "" if told.value_nanos is None else str(told.value_nanos)
    return told.status, told.outcome or "", value, told.currency or ""


def _by(access: Access, request: OutcomeRequest) -> str:
    return rules.text("reportedBy", request.reported_by) or f"key:{access.key_id}"


def _already(stands: JobResource) -> OutcomeAlreadyReported:
    return OutcomeAlreadyReported(
        f"Outcome already reported for job {stands.agentic_job_id!r}.",
        details={
            "guidance": _PATCH,
            "reportedAt": stands.outcome_reported_at,
            "updateCount": str(stands.outcome_update_count),
            "outcome": stands,
        },
    )


def _overtaken(expected: int | None, current: int) -> VersionConflict:
    return VersionConflict(
        f"Outcome has changed since entity version {expected}; current version is {current}. "
        "Refetch and retry.",
        details={"currentEntityVersion": current},
    )
