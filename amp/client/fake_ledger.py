"""What the fake server keeps of the ledger's calls that this client makes: records, jobs, their outcomes."""

from typing import Any

from amp.client import fake_bodies as bodies
from amp.errors import InvalidParameter, JobExists, NotFound, OutcomeAlreadyReported

_STATUSES = ("SUCCESS", "FAILED", "CANCELLED")


class Books:
    """Records by transaction, jobs by id; refusals are raised."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}

    def meter(self, item: bytes) -> dict[str, Any]:
        """Keeps a record once."""
        record = bodies.parse(item, dict[str, Any])
        needed = ("toolId",) if "toolId" in record else ("provider", "model")
        for name in needed:
            if not record.get(name):
                raise InvalidParameter(name, "is required")
        transaction = str(record.get("transactionId") or f"t-{len(self.records) + 1}")
        self.records.setdefault(transaction, record)
        if job := record.get("agenticJobId"):
            self.jobs.setdefault(job, _job(job))
        return {"id": transaction, "resourceType": "metering", "label": transaction}

    def create(self, body: bytes) -> dict[str, Any]:
        said = bodies.parse(body, dict[str, Any])
        job = said.get("agenticJobId")
        if not isinstance(job, str) or not job:
            raise InvalidParameter("agenticJobId", "is required")
        if job in self.jobs:
            raise JobExists(f"Job {job!r} exists already.", details={"agenticJobId": job})
        self.jobs[job] = _job(job) | said
        return self.jobs[job]

    def report(self, job: str, body: bytes) -> dict[str, Any]:
        """The first outcome stands."""
        said = bodies.parse(body, dict[str, Any])
        if said.get("executionStatus") not in _STATUSES:
            raise InvalidParameter("executionStatus", f"must be one of {', '.join(_STATUSES)}")
        if job not in self.jobs:
            raise NotFound(f"There is no job {job!r}.")
        stands = self.jobs[job]
        if stands["hasOutcome"]:
            raise OutcomeAlreadyReported(
                f"Outcome already reported for job {job!r}.", details={"outcome": stands}
            )
        stands |= said | {"hasOutcome": True}
        return stands


def _job(job: str) -> dict[str, Any]:
    told = {"agenticJobId": job, "resourceType": "job", "hasOutcome": False, "outcomeUpdateCount": 0}
    return told | dict.fromkeys(("executionStatus", "outcomeType", "outcomeValue", "outcomeReason"))
