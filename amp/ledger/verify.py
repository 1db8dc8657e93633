"""Walks a tenant's chains from their beginnings and compares them with every head on file."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from amp.ledger.audit import Audit, Finding, Walked
from amp.ledger.audit_store import AuditStore
from amp.ledger.chain import EMPTY
from amp.ledger.heads import Evidence
from amp.ledger.types import NO_JOB
from amp.tenancy import Tenant

PAGE = 250
AT_ONCE = 16
"""Buckets in one round trip."""
JOBS_AT_ONCE = 1000
TURNS = 20
"""Of asking again for jobs that are written to meanwhile."""

Advance = Callable[[int], None]


def of_files(found: Evidence) -> list[Finding]:
    """What is wrong with the files of heads themselves."""
    forged = "this line does not hold: it was altered or forged, or lines before it were taken out"
    return [
        Finding("", None, None, None, f"{file}, line {number}: {forged}") for file, number in found.unheld
    ]


class _Done(NamedTuple):
    audit: Audit
    jobs: int
    busy: int


class Verifier:
    """One tenant's chains."""

    def __init__(self, store: AuditStore, owner: Tenant, evidence: Evidence, advance: Advance) -> None:
        self._store = store
        self._owner = owner
        self._evidence = evidence
        self._advance = advance

    async def walk(self) -> Walked:
        """All of them; what is written meanwhile is looked at or not.

        Raises:
            StoreUnavailable: there is no answer.
        """
        sizes = await self._store.sizes(self._owner)
        audits = {
            number: Audit(self._owner.tag, number, head, recorded)
            for number, (head, entries) in enumerate(sizes)
            if (recorded := self._evidence.of(self._owner.tag, number)) or entries or head != EMPTY
        }
        done: list[_Done] = []
        for some in _groups(audits, AT_ONCE):
            await self._chains({number: audits[number] for number in some})
            done += [await self._settled(number, audits[number]) for number in some]
            for number in some:
                audits[number].jobs.clear()
        return Walked(
            sum(each.audit.length for each in done),
            len(done),
            sum(each.jobs for each in done),
            sum(each.busy for each in done),
            sum(each.audit.on_file for each in done),
            [each.audit.finding for each in done if each.audit.finding],
        )

    async def _chains(self, audits: dict[int, Audit]) -> None:
        """Takes each to its end, or to what is wrong."""
        while audits:
            after = {number: audit.length for number, audit in audits.items()}
            pages = await self._store.pages(self._owner, after, PAGE)
            for (number, audit), page in zip(list(audits.items()), pages, strict=True):
                audit.take(page)
                self._advance(len(page))
                await asyncio.sleep(0)  # a page takes 15 ms, and others may be waiting for this process
                if len(page) < PAGE or audit.finding:
                    del audits[number]

    async def _settled(self, number: int, audit: Audit) -> _Done:
        """Compares the chain's end and the jobs' hashes with what the entries say."""
        waiting, turns = list(audit.jobs), 0
        while True:
            some = waiting[:JOBS_AT_ONCE]
            moment = await self._store.moment(self._owner, number, some)
            if audit.finding or turns == TURNS:
                break
            if moment.head.length > audit.length:  # more was written, or is said to be
                turns += 1
                known = len(audit.jobs)
                await self._chains({number: audit})
                waiting += islice(audit.jobs, known, None)
                continue
            _compare(audit, some, moment.hashes)
            waiting = waiting[JOBS_AT_ONCE:]
            if not waiting:
                _count(audit, moment.jobs)
                break
        audit.close(moment.head)
        return _Done(audit, _made(audit), 0 if audit.finding else len(waiting))


def _compare(audit: Audit, jobs: Sequence[str], hashes: Sequence[dict[str, str]]) -> None:
    for job, stored in zip(jobs, hashes, strict=True):
        difference = audit.jobs[job].difference(stored)
        if difference:
            name = "records without a job" if job == NO_JOB else "the job"
            audit.wrong(job or None, f"{name}: {difference}")


def _count(audit: Audit, listed: int) -> None:
    if listed != _made(audit):
        audit.wrong(None, f"the list of jobs has {listed:,}, entries make {_made(audit):,}")


def _made(audit: Audit) -> int:
    return len(audit.jobs) - (NO_JOB in audit.jobs)


def _groups(of: dict[int, Audit], size: int) -> Iterator[list[int]]:
    numbers = iter(of)
    while some := list(islice(numbers, size)):
        yield some
