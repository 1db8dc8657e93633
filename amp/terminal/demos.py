"""The commands of `amp demo`: without a name it shows a day of all of it, `ledger` what work was worth."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

import sys
from typing import Annotated

import typer

from amp.exits import CommandFailed
from amp.terminal.options import Data, Json, RedisUrl, settings_of

demo = typer.Typer(invoke_without_command=True)

Users = Annotated[int, typer.Option(metavar="N", min=1, max=5000, help="How many people.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="The same seed makes the same jobs.")]
Serve = Annotated[
    bool | None,
    typer.Option(
        "--serve/--no-serve",
        help="Stay up until Ctrl-C, with a link to the dashboard; as it is at a terminal without --json.",
        show_default=False,
    ),
]
Clean = Annotated[
    bool, typer.Option("--clean", help="Remove what a demo has kept (in --data, or its own folder).")
]
Jobs = Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Jobs of each scenario.")]


@demo.callback()
def day(
    context: typer.Context,
    *,
    users: Users = 800,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="The same seed makes the same people, jobs and tasks.")
    ] = 1,
    serve: Serve = None,
    clean: Clean = False,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """See it all at work: a day of synthetic people, agents' jobs and graded tasks on a service of its own.

    It takes about a minute, over real HTTP and without a model, and ends with a link to the dashboard.

    A third of the people are the control group, so that there is something to compare.

    Its data stays in a folder of its own until the next demo or --clean, or where --data or --redis says.
    With --no-serve, and in a script, it ends after the summary, and without --data or --redis nothing stays.
    """
    if context.invoked_subcommand:
        return
    from amp.terminal import demo_place

    given, settings = bool(data or redis), settings_of(data=data, redis=redis)
    if clean:
        if redis:
            raise CommandFailed("--clean removes folders; what a demo left at --redis is yours to remove.")
        demo_place.clean(settings.data if given else demo_place.own_folder())
        return
    stays = (sys.stdout.isatty() and not as_json) if serve is None else serve
    site = demo_place.Site(settings, given=given, own=stays and not given)
    from amp.terminal import demo as terminal

    terminal.run(site, users, seed, serve=stays, as_json=as_json)


@demo.command()
def ledger(
    *,
    scenario: Annotated[str, typer.Option(metavar="sales|support|coding|all", help="Which agents.")] = "all",
    jobs: Jobs = 100,
    seed: Seed = 1,
    as_shipped: Annotated[
        bool, typer.Option("--as-shipped", help="Send what the client's own examples send.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="A server that runs, instead of one of its own.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="With --url: a key of scopes context and ledger.")] = None,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """See what work was worth: three scenarios through the real revenium-python-sdk, then the report.

    On a service of its own, whose data is thrown away unless --data or --redis says where to keep it; or with
    --url and --key on yours. Outcomes are final: a second run of the same seed on the same data is refused.
    """
    if (url is None) != (key is None):
        raise CommandFailed("--url and --key go together.")
    if url and (data or redis):
        raise CommandFailed("--url says where the jobs go; --data and --redis are for a service of its own.")
    from amp.terminal import demo_ledger as terminal

    works = terminal.works(scenario, jobs, seed, as_shipped=as_shipped)
    if url and key:
        shown = terminal.on_server(url.rstrip("/"), key, works, as_shipped=as_shipped)
        follow_up = terminal.on_theirs(url)
    else:
        settings = settings_of(data=data, redis=redis)
        shown = terminal.on_own(settings, works, kept=bool(data or redis), as_shipped=as_shipped)
        follow_up = terminal.on_ours(settings, kept=bool(data or redis))
    (terminal.as_json if as_json else terminal.as_drawing)(shown, follow_up)
