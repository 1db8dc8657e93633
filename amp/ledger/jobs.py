"""The room's reads: jobs one by one, what came of them and what they used."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import cast

from msgspec import DecodeError

from amp.errors import NotFound, StoreUnavailable
from amp.ledger import answers, linked
from amp.ledger.answers import HistoryRow, JobResource, Transactions
from amp.ledger.entries import Amendment, Completion, Metered, Metrics, Outcome, Reported, unpack
from amp.ledger.job import Job, read_job
from amp.ledger.linked import JobChain
from amp.ledger.store import LedgerStore
from amp.store.ledger_keys import bucket_of
from amp.tenancy import Tenant

PAGE = 1000
"""Entries that are read in one round trip, and transactions that are shown at once."""


class Jobs:
    """What is known of single jobs."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store

    async def prove(self, tenant: Tenant, job: str) -> None:
        """As `Store.prove`, of a job that stands as it was asked to: nothing is written."""
        await self._store.prove(tenant, job)

    async def find(self, tenant: Tenant, job: str) -> Job:
        """The job.

        Raises:
            NotFound: there is none.
            StoreUnavailable: there is no answer.
        """
        (found,) = await self.find_all(tenant, [job])
        if found is None:
            raise unknown(job)
        return found

    async def find_all(self, tenant: Tenant, jobs: Sequence[str]) -> list[Job | None]:
        """The jobs, in one round trip; None where there is none.

        Raises:
            StoreUnavailable: there is no answer.
        """
        hashes = await self._store.jobs(tenant, jobs)
        return [read_job(job, found) for job, found in zip(jobs, hashes, strict=True)]

    def read(self, found: Iterable[tuple[str, Mapping[str, str]]]) -> list[Job]:
        """The jobs in these hashes."""
        jobs = (read_job(job, of) for job, of in found)
        return [job for job in jobs if job is not None]

    async def metered_of(self, tenant: Tenant, jobs: Sequence[str]) -> list[list[Metered]]:
        """All that was metered for each of the jobs, in the order in which it came.

        Raises:
            StoreUnavailable: there is no answer.
        """
        positions = await self._store.metered_of(tenant, jobs)
        places = [(job, position) for job, some in zip(jobs, positions, strict=True) for position in some]
        entries: list[Metered] = []
        for start in range(0, len(places), PAGE):
            raw = await self._store.entries_at(tenant, places[start : start + PAGE])
            entries += (cast("Metered", unpack(each)) for each in raw)
        ends = [0, *accumulate(map(len, positions))]
        return [entries[start:end] for start, end in pairwise(ends)]

    async def show(self, tenant: Tenant, job: str) -> JobResource:
        """The job with its outcome in force and every figure that was added to it.

        Raises:
            NotFound: there is none.
            StoreUnavailable: there is no answer.
        """
        return await self.told(tenant, await self.find(tenant, job))

    async def told(self, tenant: Tenant, job: Job) -> JobResource:
        """The same of a job that was just read.

        Raises:
            StoreUnavailable: there is no answer.
        """
        found = [unpack(raw) for raw in await self._read(tenant, job.id, sorted(job.outcomes + job.metrics))]
        reports = [each for each in found if isinstance(each, Outcome | Amendment)]
        metrics = [each.metrics for each in found if isinstance(each, Outcome | Amendment | Metrics)]
        return answers.job_resource(tenant, job, reports, [each for each in metrics if each])

    async def in_force(self, tenant: Tenant, job: Job) -> Reported | None:
        """The job's outcome as it stands.

        Raises:
            StoreUnavailable: there is no answer.
        """
        if not job.outcomes:
            return None
        (raw,) = await self._store.entries(tenant, job.id, job.outcomes[-1:])
        return cast("Reported", unpack(raw))

    async def history(self, tenant: Tenant, job: str) -> list[HistoryRow]:
        """Every outcome that the job ever had, the first first.

        Raises:
            NotFound: there is no such job.
            StoreUnavailable: there is no answer.
        """
        found = await self.find(tenant, job)
        entries = await self._read(tenant, job, found.outcomes)
        return answers.history([cast("Reported", unpack(raw)) for raw in entries])

    async def transactions(self, tenant: Tenant, job: str, page: int, size: int) -> Transactions:
        """The AI calls of the job, in the order in which they came.

        Raises:
            NotFound: there is no such job.
            StoreUnavailable: there is no answer.
        """
        await self.find(tenant, job)
        completions, _ = await self._store.metered(tenant, job)
        shown = await self._read(tenant, job, completions[page * size : (page + 1) * size])
        rows = [answers.transaction(cast("Completion", unpack(raw))) for raw in shown]
        return Transactions(rows, len(completions))

    async def timeline(self, tenant: Tenant, job: str, page: int, size: int) -> tuple[list[Metered], int]:
        """One page of what was metered for the job, by the time when it was used; and how much there is.

        Raises:
            NotFound: there is no such job.
            StoreUnavailable: there is no answer.
        """
        await self.find(tenant, job)
        completions, tools = await self._store.metered(tenant, job)
        positions = sorted(completions + tools)
        times: list[tuple[int, int]] = []
        for start in range(0, len(positions), PAGE):
            part = positions[start : start + PAGE]
            raw = await self._store.entries(tenant, job, part)
            times += zip((cast("Metered", unpack(each)).began_ms for each in raw), part, strict=True)
        times.sort()
        shown = [position for _, position in times[page * size : (page + 1) * size]]
        return [cast("Metered", unpack(each)) for each in await self._read(tenant, job, shown)], len(times)

    async def chain(self, tenant: Tenant, job: str, page: int, size: int) -> JobChain:
        """One page of the job's entries as they stand in the chain of their bucket, oldest first.

        A call that made the job or told more of it, and metered nothing, is in no index: it is not listed.

        Raises:
            NotFound: there is no such job.
            StoreUnavailable: there is no answer, or an entry is missing or unreadable, which is damage.
        """
        found, bucket = await self.find(tenant, job), bucket_of(job)
        completions, tools = await self._store.metered(tenant, job)
        positions = sorted([*completions, *tools, *found.outcomes, *found.metrics])
        shown = positions[page * size : (page + 1) * size]
        asked = sorted({place for each in shown for place in (each - 1, each) if place > 0})
        stored = await self._store.stored_at(tenant, bucket, asked)
        try:
            pairs = linked.paired(shown, stored)
            head = await self._store.head(tenant, bucket)
            return linked.job_chain(bucket, head, pairs, len(positions))
        except (KeyError, DecodeError) as error:
            raise StoreUnavailable("The ledger is damaged: an entry of this job cannot be read.") from error

    async def all_in_force(self, tenant: Tenant, jobs: Sequence[Job]) -> list[Reported | None]:
        """The jobs' outcomes as they stand, in one round trip.

        Raises:
            StoreUnavailable: there is no answer.
        """
        places = [(job.id, job.outcomes[-1]) for job in jobs if job.outcomes]
        found = iter(await self._store.entries_at(tenant, places))
        return [cast("Reported", unpack(next(found))) if job.outcomes else None for job in jobs]

    async def types(self, tenant: Tenant) -> list[str]:
        """The types of the tenant's jobs.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return sorted(await self._store.types(tenant))

    async def _read(self, tenant: Tenant, job: str, positions: Sequence[int]) -> list[bytes]:
        return [
            raw
            for start in range(0, len(positions), PAGE)
            for raw in await self._store.entries(tenant, job, positions[start : start + PAGE])
        ]


def unknown(job: str) -> NotFound:
    """One refusal for a job that is not there and for another tenant's."""
    return NotFound(f"There is no job {job!r}.")
