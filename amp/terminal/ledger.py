"""The commands of `amp ledger`."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

from typing import Annotated

import typer

from amp.terminal.options import Data, Env, Json, RedisUrl, Whose, settings_of

ledger = typer.Typer(no_args_is_help=True, help="What agents' work was worth, against what it cost.")

Since = Annotated[str | None, typer.Option(metavar="DATE", help="Jobs made from then on.")]
Until = Annotated[str | None, typer.Option(metavar="DATE", help="Jobs made until then, that day included.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="NAME=VALUE",
        help="Only such jobs: type, environment, agent, squad, approach, group, executionStatus, "
        "outcomeType, traceId, traceType.",
    ),
]


@ledger.command()
def report(
    *,
    by: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Up to three of type, environment, agent, squad, approach, group, day, trace, trace_type.",
        ),
    ] = "type",
    since: Since = None,
    until: Until = None,
    where: Where = None,
    currency: Annotated[
        str | None, typer.Option(help="Convert to it, by the rates of each job's day.")
    ] = None,
    budget: Annotated[
        int, typer.Option(min=1, help="Jobs to look at one by one, when sums cannot answer.")
    ] = 1_000_000,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A row a line, for spreadsheets.")] = False,
) -> None:
    """Show Value Ratio, ROI, funnels and costs, whether or not the service runs."""
    from amp.terminal import ledger_report as terminal

    asked = terminal.asked(by, since, until, where or [], currency)
    seen = terminal.read(settings_of(data=data, redis=redis), tenant, env, asked, budget)
    if as_csv:
        terminal.as_csv(seen)
    elif as_json:
        terminal.as_json(seen)
    else:
        terminal.as_drawing(seen)


@ledger.command()
def export(
    *,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where to; without it, JSONL goes to stdout.")
    ] = None,
    form: Annotated[str, typer.Option("--format", metavar="jsonl|parquet", help="As what.")] = "jsonl",
    what: Annotated[
        str, typer.Option("--what", metavar="jobs|entries", help="A line a job, or a line an entry.")
    ] = "jobs",
    since: Since = None,
    until: Until = None,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
) -> None:
    """Write the ledger out: each job with its sums and outcome, or every entry as it was made."""
    from amp.terminal import ledger_export as terminal

    settings = settings_of(data=data, redis=redis)
    terminal.run(settings, tenant, env, out=out, form=form, what=what, since=since, until=until)


@ledger.command()
def verify(
    *,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant; without it, all.")] = None,
    env: Annotated[
        str | None, typer.Option(metavar="live|test", help="Only this data; without it, both.")
    ] = None,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Walk every chain and name the first entry that is not what was written; the service may run.

    Exits with 1 when there is one.
    """
    from amp.terminal import ledger_verify as terminal

    seen = terminal.read(settings_of(data=data, redis=redis), tenant, env)
    (terminal.as_json if as_json else terminal.as_table)(seen)
    terminal.judge(seen)
