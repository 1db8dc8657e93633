"""`amp simulate`: its options, and which of its two halves is meant."""
# ruff: noqa: PLC0415  loaded when the command runs: `amp --help` stays quick

import os
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from amp.exits import CommandFailed
from amp.terminal.options import TEST, Data, Json, RedisUrl, settings_of

_IN_A_WORLD, _OF_A_LOG, _OVER_HTTP = "In a world", "Of your own log", "Over HTTP"

World = Annotated[
    str, typer.Option(metavar="a..f|all", help="Which world, or all.", rich_help_panel=_IN_A_WORLD)
]
Users = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, max=100_000, help="How many users (1000; from a log as many, up to 1000)."
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="The same seed makes the same users and luck.")]
Seeds = Annotated[
    int | None,
    typer.Option(
        metavar="K", min=1, max=100, help="Seeds from there on (1; from a log 5); 2 and more give errors."
    ),
]
Names = Annotated[
    str | None,
    typer.Option(
        "--policies", metavar="A,B,...", help="Who plays (all); see below.", rich_help_panel=_IN_A_WORLD
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Plot by interaction: .svg, or .png with the extra `plot`.",
        rich_help_panel=_IN_A_WORLD,
    ),
]
Http = Annotated[bool, typer.Option("--http", help="Play a served instance too.", rich_help_panel=_OVER_HTTP)]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="One that runs, instead of a throw-away one; it keeps these users.",
        rich_help_panel=_OVER_HTTP,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        envvar="AMP_API_KEY",
        help="For --url, of a tenant made for it.",
        rich_help_panel=_OVER_HTTP,
    ),
]
FromLog = Annotated[
    bool,
    typer.Option(
        "--from-log",
        help="Fit a world to a tenant's outcomes; tell what others would have earned.",
        rich_help_panel=_OF_A_LOG,
    ),
]
Log = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="One of `amp log export`, instead of the store's.",
        rich_help_panel=_OF_A_LOG,
    ),
]
Owner = Annotated[str, typer.Option("--tenant", help="Whose log.", rich_help_panel=_OF_A_LOG)]
Env = Annotated[str, typer.Option(metavar="live|test", help="Live or test data.", rich_help_panel=_OF_A_LOG)]
Changed = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="NAME=N,...",
        help="Weights to try (completed=0.8,flow=0); may be repeated.",
        rich_help_panel=_OF_A_LOG,
    ),
]


class SimulateCommand(TyperCommand):
    """Its help ends with the worlds and the policies, which are asked only then."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from amp.simulate import lineup, worlds

        told = [f"World {name}: {worlds.describe(name)}" for name in worlds.WORLDS]
        told += [f"Policy {name}: {lineup.introduce(name)}" for name in lineup.LINEUP]
        self.epilog = "\n\n".join(told)
        super().format_help(ctx, formatter)


def simulate(
    *,
    world: World = "c",
    policies: Names = None,
    out: Out = None,
    http: Http = False,
    url: Url = None,
    key: Key = None,
    from_log: FromLog = False,
    log: Log = None,
    tenant: Owner = "default",
    env: Env = TEST,
    weights: Changed = None,
    users: Users = None,
    seed: Seed = 1,
    seeds: Seeds = None,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Play policies in worlds whose truth is known; it ranks designs, and does not predict users' gains."""
    _one_thread()
    settings, several = settings_of(data=data, redis=redis), world == "all" or (seeds or 1) > 1
    if log and not from_log:
        raise CommandFailed("--log is for --from-log.")
    _check(from_log=from_log, other=bool(http or out or policies), misleading=bool(url and several))
    from amp.terminal import scores, whatif

    if from_log:
        spans = range(seed, seed + (seeds or 5))
        whatif.run(settings, whatif.Asked(tenant, env, users, spans, weights or (), log), as_json=as_json)
        return
    asked = scores.Asked(world, users or 1000, range(seed, seed + (seeds or 1)), out)
    with scores.players(policies, settings, http=http, url=url, key=key) as playing:
        scores.run(asked, playing, as_json=as_json)


def _check(*, from_log: bool, other: bool, misleading: bool) -> None:
    """Raises `CommandFailed` for options that do not go together."""
    if from_log and other:
        raise CommandFailed("--from-log goes with none of --http, --out and --policies.")
    if misleading:
        raise CommandFailed(
            "--url plays one world and one seed: what one crowd taught would mislead the next."
        )


def _one_thread() -> None:
    """Small algebra on many threads is several times slower; to be set before numpy is loaded."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
