"""Reads a tenant's log a bucket at a time, with a progress bar on stderr."""

import time
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from amp import parse
from amp.exits import CommandFailed
from amp.learning.journal import Entry, Journal
from amp.learning.logline import LogLine, line
from amp.learning.policies import InForce
from amp.learning.prior import Prior
from amp.settings import Settings
from amp.store.keys import BUCKETS
from amp.tenancy import Tenant
from amp.terminal.learner import Learner, with_learner

Take = Callable[[LogLine, Entry], None]
Start = Callable[[InForce, Prior], Take]
"""Called once, with the policy and the prior in force; what it returns takes each decision."""


def read(settings: Settings, owner: Tenant, since_ms: int, start: Start) -> None:
    """Hands on every decision of the tenant's log that was made since then.

    Raises:
        StoreUnavailable: there is no answer.
        StoreMissing: no store can be started or reached.
    """

    async def through(learner: Learner) -> None:
        ruled = learner.policies.of(owner)
        take = start(ruled, learner.priors.of(owner))
        journal = Journal(learner.store, learner.facts, learner.policies)
        sizes = await journal.sizes(owner, range(BUCKETS))
        with _progress() as bar:
            task = bar.add_task("Reading the log", total=sum(sizes))
            for number, size in enumerate(sizes):
                if size:
                    async for entry in journal.entries(owner, number, since_ms):
                        take(_line(entry, ruled), entry)
                    bar.advance(task, size)

    with_learner(settings, through)


def since(value: str | None) -> int:
    """`7d` (ago) or a date, in milliseconds since 1970; 0 for None.

    Raises:
        CommandFailed: it is neither.
    """
    if value is None:
        return 0
    now_ms = int(time.time() * 1000)
    with suppress(ValueError):
        return max(0, now_ms - parse.duration_ms(value))
    try:
        return parse.moment_ms(value, now_ms)
    except ValueError as error:
        raise CommandFailed(f"--since: {error}, not {value!r}.") from error


def _line(entry: Entry, ruled: InForce) -> LogLine:
    return line(
        entry.alias,
        entry.made,
        entry.probabilities,
        entry.reason,
        ruled.approaches,
        then=entry.approaches,
        weights=ruled.policy.weights,
    )


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
