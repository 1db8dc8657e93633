"""What `amp demo ledger` shows: a progress bar while it runs, then the report, as the HTTP API gives it."""

import shlex
from collections.abc import Sequence
from contextlib import nullcontext

from rich.console import Console

from amp.demo import scenarios
from amp.demo.calls import Place
from amp.demo.ledger import TENANT, Shown, on, on_own_server
from amp.demo.scenarios import SCENARIOS, Work
from amp.exits import CommandFailed
from amp.parse import without_password
from amp.settings import Settings
from amp.simulate.serving import throw_away
from amp.terminal import ledger_drawing, talk
from amp.terminal.posterior import glyphs
from amp.terminal.progress import progress

ALL = "all"
_KEEP = "amp demo ledger --data DIR keeps it, for amp ledger report and export"


def works(scenario: str, jobs: int, seed: int, *, as_shipped: bool) -> list[Work]:
    """The jobs of the scenarios asked for.

    Raises:
        CommandFailed: there is no such scenario.
    """
    if scenario not in {*SCENARIOS, ALL}:
        raise CommandFailed(f"--scenario must be one of {', '.join((*SCENARIOS, ALL))}, not {scenario!r}.")
    chosen = [name for name in SCENARIOS if scenario in {name, ALL}]
    return [each for name in chosen for each in scenarios.works(name, jobs, seed, as_shipped=as_shipped)]


def on_own(settings: Settings, works: Sequence[Work], *, kept: bool, as_shipped: bool) -> Shown:
    """On a service that is started for it.

    Raises:
        CommandFailed: it did not start or cannot be used, or it has seen these jobs.
        StoreMissing: no store can be started or reached.
    """
    with (
        nullcontext(settings) if kept else throw_away(settings) as place,
        progress(len(works), "Jobs") as told,
    ):
        return on_own_server(place, works, as_shipped=as_shipped, told=told, say=talk.say)


def on_server(url: str, key: str, works: Sequence[Work], *, as_shipped: bool) -> Shown:
    """On a server that runs.

    Raises:
        CommandFailed: it cannot be used, or it has seen these jobs.
    """
    with progress(len(works), "Jobs") as told:
        return on(Place(url, key), works, as_shipped=as_shipped, told=told)


def on_ours(settings: Settings, *, kept: bool) -> str:
    """What to do next."""
    if not kept:
        return _KEEP
    redis = settings.redis
    place = ["--redis", without_password(redis)] if redis else ["--data", str(settings.data)]
    return shlex.join(
        ["amp", "ledger", "report", "--by", "group", "--tenant", TENANT, "--env", "live", *place]
    )


def on_theirs(url: str) -> str:
    return f'curl -H "x-api-key: $KEY" "{url.rstrip("/")}/v1/ledger/report?by=group"'


def as_json(shown: Shown, follow_up: str) -> None:
    """For machines: the reports as they came."""
    del follow_up
    talk.write_json(
        {
            "jobs": shown.jobs,
            "records": shown.records,
            "decided": shown.decided,
            "missing": shown.missing,
            "complaints": shown.complaints,
            "durationSeconds": round(shown.duration_s, 1),
            "report": shown.raw["type"],
            "byApproach": shown.raw["approach"],
        }
    )


def as_drawing(shown: Shown, follow_up: str) -> None:
    """For the eyes, 80 columns wide."""
    console = Console(highlight=False)
    text = ledger_drawing.body(shown.by_type, glyphs(console))
    if shown.decided and (rows := ledger_drawing.table(shown.by_approach, glyphs(console))):
        text.append("\n")
        text.append_text(rows)
        text.append("Outcomes are fixed by the mix here: approaches differ by chance alone.\n", style="dim")
    text.append(
        f"\n{shown.jobs:,} jobs and {shown.records:,} records through revenium-python-sdk over HTTP in "
    )
    text.append(f"{shown.duration_s:.0f} s; {shown.decided:,} jobs followed a decision\n")
    if shown.missing:
        told = "; ".join(f"{count} x {words}" for words, count in shown.complaints.items())
        text.append(f"{shown.missing:,} of the records are not in the report. {told}\n", style="red")
    text.append(f"Next: {follow_up}", style="dim")
    console.print(text, no_wrap=True, crop=False, overflow="ignore")
