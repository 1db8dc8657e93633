"""`amp log`: the log of decisions and outcomes, taken out of the store."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

from typing import Annotated

import typer

from amp.terminal.options import TEST, Data, Env, RedisUrl, settings_of

log = typer.Typer(no_args_is_help=True, help="Take the log of decisions and outcomes out of the store.")


@log.callback()
def root() -> None:
    """Without it, typer would make `amp log` itself the only command."""


@log.command()
def export(
    *,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where to write; without it, to stdout.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="jsonl|parquet", help="Parquet needs --out.")
    ] = "jsonl",
    since: Annotated[
        str | None,
        typer.Option(metavar="7d|DATE", help="Decisions since then; without it, all that are kept."),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose log it is.")] = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
) -> None:
    """Write one line for each decision with an outcome, with its propensity.

    A propensity is the probability of the approach in that decision, recomputed with 1,024 draws; where it
    cannot be, it is null with the reason. Users are named by a random alias, never by their id.
    """
    from amp.terminal import export as terminal

    terminal.run(settings_of(data=data, redis=redis), tenant, env, out=out, form=form, since=since)
