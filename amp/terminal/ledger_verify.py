"""`amp ledger verify`: is the ledger what was written? Each chain, each head on file, each job."""

import asyncio
import time
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from amp.clock import iso, now_ms
from amp.exits import CommandFailed
from amp.ledger.audit import UNSEEN, Finding, Walked
from amp.ledger.audit_store import AuditStore
from amp.ledger.head_files import FOLDER, evidence
from amp.ledger.heads import Evidence, key_of
from amp.ledger.standing import Verifications
from amp.ledger.verified import verified
from amp.ledger.verify import Verifier, of_files
from amp.settings import Settings
from amp.store.connection import store_of
from amp.store.keeper import opened
from amp.tenancy import ENVS, Tenant
from amp.tenancy import tenant as checked
from amp.terminal import talk

SHOWN = 20
NOT_COMPARED = "the sums that reports come from, and what is remembered against doubles"


class Seen(NamedTuple):
    """What was found, and in which files heads were looked for."""

    folder: str
    evidence: Evidence
    walked: dict[Tenant, Walked]
    took_s: float

    @property
    def findings(self) -> list[Finding]:
        """All of them: files first, then chains."""
        return of_files(self.evidence) + [
            finding for each in self.walked.values() for finding in each.findings
        ]

    @property
    def unseen(self) -> list[str]:
        """What could not be found, in words."""
        without = sorted(each.tag for each in self.walked if each.tag not in self.evidence.newest_ms)
        told = [f"No head of {', '.join(without)} is on file: a cut tail of theirs is not found."]
        return [*(told if without else []), *UNSEEN]


def read(settings: Settings, name: str | None, env: str | None) -> Seen:
    """Walks the chains of these tenants.

    Raises:
        CommandFailed: a file of heads cannot be read.
        StoreUnavailable: there is no answer.
        InvalidInput: no such tenant can be.
    """
    checked(name or "any", env or "test")
    with opened(settings) as complete:
        return asyncio.run(_read(complete, name, env))


async def _read(settings: Settings, name: str | None, env: str | None) -> Seen:
    began, folder = time.perf_counter(), settings.data / FOLDER
    try:
        # before the store: what is on file now is in the store by the time that it is read
        found = evidence(folder, key_of((settings.secret or "").encode()))
    except OSError as error:
        raise CommandFailed(f"Heads cannot be read: {error}.") from error
    store = store_of(settings)
    try:
        reads = AuditStore(store)
        owners = await _owners(reads, found, name, env)
        total = sum([size.entries for owner in owners for size in await reads.sizes(owner)])
        walked: dict[Tenant, Walked] = {}
        with _progress() as bar:
            task = bar.add_task("Walking the chains", total=total)
            for owner in owners:
                at, since = iso(now_ms()), time.perf_counter()
                walk = Verifier(reads, owner, found, lambda count: bar.advance(task, count))
                walked[owner] = await walk.walk()
                told = verified(walked[owner], of_files(found), at=at, took_s=time.perf_counter() - since)
                await Verifications(store).keep(owner, told)
    finally:
        await store.close()
    return Seen(str(folder), found, walked, time.perf_counter() - began)


async def _owners(store: AuditStore, found: Evidence, name: str | None, env: str | None) -> list[Tenant]:
    """Those asked for; all that are in the store or on file when nobody is named."""
    if name and env:
        return [checked(name, env)]
    if name:
        return [checked(name, each) for each in ENVS]
    on_file = {checked(*tag.split(":")) for tag in found.tenants()}
    known = await store.tenants() | on_file
    return sorted((each for each in known if env in {None, each.env}), key=lambda each: each.tag)


def as_table(seen: Seen) -> None:
    """For the eyes."""
    console = Console(highlight=False)
    table = Table("tenant", box=None, pad_edge=False, header_style="dim")
    for title in ("entries", "chains", "jobs", "heads"):
        table.add_column(title, justify="right")
    table.add_column("last head (UTC)", no_wrap=True)
    table.add_column("", no_wrap=True)
    for owner, walked in seen.walked.items():
        newest = seen.evidence.newest_ms.get(owner.tag)
        counts = (walked.entries, walked.chains, walked.jobs, walked.heads)
        when = iso(newest)[:19].replace("T", " ") if newest else "-"
        table.add_row(owner.tag, *(f"{each:,}" for each in counts), when, _verdict(walked))
    console.print(table if seen.walked else "No entries.")
    _findings(console, seen.findings)
    busy = sum(each.busy for each in seen.walked.values())
    if busy:
        console.print(
            f"\n{busy:,} jobs were written to all the time and are not compared with their entries."
        )
    console.print(
        Text(f"\nHeads: {seen.evidence.lines:,} lines in {seen.folder}. Cannot be found:", style="dim")
    )
    for each in seen.unseen:
        console.print(Text(f"- {each}", style="dim"))
    console.print(Text(f"Not compared: {NOT_COMPARED}.", style="dim"))


def _verdict(walked: Walked) -> Text:
    if walked.findings:
        return Text(f"{len(walked.findings)} not whole", style="bold red")
    return Text("whole", style="green") if walked.entries else Text("no entries", style="dim")


def _findings(console: Console, findings: list[Finding]) -> None:
    if findings:
        console.print("\nFirst of each chain that is not what was written", style="bold red")
    for each in findings[:SHOWN]:
        console.print(f"- {_place(each)}{each.what}", markup=False, soft_wrap=True)
    if len(findings) > SHOWN:
        console.print(f"and {len(findings) - SHOWN:,} more: --json has all")


def as_json(seen: Seen) -> None:
    """For machines."""
    talk.write_json(
        {
            "whole": not seen.findings,
            "tenants": [_told(seen, owner, walked) for owner, walked in seen.walked.items()],
            "findings": [_finding(each) for each in seen.findings],
            "heads": {"folder": seen.folder, "files": seen.evidence.files, "lines": seen.evidence.lines},
            "cannotBeFound": seen.unseen,
            "notCompared": NOT_COMPARED,
            "tookS": round(seen.took_s, 3),
        }
    )


def judge(seen: Seen) -> None:
    """Raises `CommandFailed` when something is wrong, with the first of it."""
    findings = seen.findings
    if findings:
        more = f" {len(findings) - 1:,} more stand above." if len(findings) > 1 else ""
        first = f"{_place(findings[0])}{findings[0].what}".rstrip(".")
        raise CommandFailed(
            f"The ledger is not what was written. {first}.{more} "
            "Keep the data folder as it is, and compare it with a backup."
        )
    entries = sum(each.entries for each in seen.walked.values())
    talk.say(f"{entries:,} entries are what was written ({seen.took_s:,.1f} s).")


def _told(seen: Seen, owner: Tenant, walked: Walked) -> dict[str, Any]:
    newest = seen.evidence.newest_ms.get(owner.tag)
    return {
        "tenant": owner.name,
        "env": owner.env,
        "entries": walked.entries,
        "chains": walked.chains,
        "jobs": walked.jobs,
        "jobsNotCompared": walked.busy,
        "headsOnFile": walked.heads,
        "lastHeadAt": iso(newest) if newest else None,
        "whole": not walked.findings,
    }


def _finding(each: Finding) -> dict[str, Any]:
    name, _, env = each.tenant.partition(":")
    return {
        "tenant": name or None,
        "env": env or None,
        "bucket": each.bucket,
        "entry": None if each.position is None else f"{each.position}-0",
        "agenticJobId": each.job,
        "what": each.what,
    }


def _place(each: Finding) -> str:
    if each.bucket is None:
        return ""
    entry = "" if each.position is None else f", entry {each.position}-0"
    job = "" if each.job is None else f", job {each.job!r}"
    return f"{each.tenant}, bucket {each.bucket}{entry}{job}: "


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
