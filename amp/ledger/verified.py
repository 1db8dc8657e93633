"""What a walk over a tenant's chains has found, as it is kept for those who ask later."""

from collections.abc import Sequence

from msgspec import Struct

from amp.ledger.audit import Finding, Walked

FINDINGS_KEPT = 20


class FoundReply(Struct, rename="camel"):
    """Something that is not what was written."""

    bucket: int | None
    """Null: it is about a file of heads."""
    entry: int | None
    agentic_job_id: str | None
    what: str


class VerifyingReply(Struct, rename="camel"):
    """A walk that is under way; one that was asked for in a terminal tells only its end."""

    at: str
    """When it began."""
    entries: int
    """That it has looked at; a second behind."""
    entries_in_all: int
    """As there were when it began; 0 until they are counted."""


class Walk(VerifyingReply, rename="camel"):
    """The same as it is kept, which it is when it is under way no more, too."""

    ended_early: str = ""
    """Why, in words; empty while it is under way, or when nobody was left to tell."""


class VerifiedReply(Struct, rename="camel"):
    """The last walk that came to its end, in a terminal (`amp ledger verify`) or from the page Trust."""

    at: str
    """When it began: what was written later it has not seen, or not all of it."""
    entries: int
    """That hold, from the first on."""
    chains: int
    jobs: int
    jobs_not_compared: int
    """They were written to all the time."""
    heads_on_file: int
    """That lie outside the store, and agree."""
    whole: bool
    findings: list[FoundReply]
    """The first 20."""
    findings_in_all: int
    took_seconds: float


def verified(walked: Walked, of_files: Sequence[Finding], *, at: str, took_s: float) -> VerifiedReply:
    """What is kept of a walk."""
    findings = [*of_files, *walked.findings]
    told = [FoundReply(each.bucket, each.position, each.job, each.what) for each in findings[:FINDINGS_KEPT]]
    return VerifiedReply(
        at=at,
        entries=walked.entries,
        chains=walked.chains,
        jobs=walked.jobs,
        jobs_not_compared=walked.busy,
        heads_on_file=walked.heads,
        whole=not findings,
        findings=told,
        findings_in_all=len(findings),
        took_seconds=round(took_s, 3),
    )
