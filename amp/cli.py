"""The command `amp`: a command reads its options, calls the service and shows the answer."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

import sys
from functools import partial
from typing import Annotated

import typer

from amp import __version__
from amp.errors import AmpError, StoreUnavailable
from amp.exits import EXIT_CODES, CommandFailed, StoreMissing
from amp.terminal import talk
from amp.terminal.backups import backup, restore
from amp.terminal.bridge import bridge
from amp.terminal.config import config
from amp.terminal.dashboard import dashboard
from amp.terminal.demos import demo
from amp.terminal.doctor import doctor
from amp.terminal.init import init
from amp.terminal.keys import keys
from amp.terminal.ledger import ledger
from amp.terminal.log import log
from amp.terminal.options import TEST, Data, Env, Json, RedisUrl, Whose, settings_of
from amp.terminal.policy import policy
from amp.terminal.pricing import pricing, rates, tools
from amp.terminal.rubric import rubric
from amp.terminal.sessions import sessions
from amp.terminal.simulate import SimulateCommand, simulate

_EPILOG = "Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

cli = typer.Typer(
    name="amp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
cli.add_typer(demo, name="demo")
cli.add_typer(keys, name="keys")
cli.add_typer(config, name="config")
cli.add_typer(dashboard, name="dashboard")
cli.add_typer(policy, name="policy")
cli.add_typer(bridge, name="bridge")
cli.add_typer(log, name="log")
cli.add_typer(ledger, name="ledger")
cli.add_typer(pricing, name="pricing")
cli.add_typer(sessions, name="sessions")
cli.add_typer(rubric, name="rubric")
cli.add_typer(tools, name="tools")
cli.add_typer(rates, name="rates")
cli.command(cls=SimulateCommand)(simulate)
cli.command()(doctor)
cli.command()(init)
cli.command()(backup)
cli.command()(restore)


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        cli()
    except CommandFailed as failure:
        _fail(str(failure), failure.exit_code)
    except StoreUnavailable as failure:
        _fail(f"The store does not answer: {failure.__cause__ or failure}", StoreMissing.exit_code)
    except AmpError as refusal:
        _fail(refusal.message, CommandFailed.exit_code)


def _fail(message: str, exit_code: int) -> None:
    talk.say(f"amp: {message}")
    sys.exit(exit_code)


def _show_version(asked: bool) -> None:
    if asked:
        talk.write(f"amp {__version__}")
        raise typer.Exit


@cli.callback()
def root(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Learns, for every user, which way of helping works."""


@cli.command()
def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[str | None, typer.Option(help="Port to listen on (8000); 0 takes a free one.")] = None,
    data: Data = None,
    redis: RedisUrl = None,
    workers: Annotated[str | None, typer.Option(metavar="N", help="Worker processes (1).")] = None,
    durability: Annotated[
        str | None,
        typer.Option(metavar="always|everysec", help="When the embedded store writes to disk (always)."),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="hierarchical|beta", help="What decides (hierarchical).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the service until Ctrl-C."""
    settings = settings_of(
        host=host,
        port=port,
        data=data,
        redis=redis,
        workers=workers,
        durability=durability,
        policy=policy,
    )
    from amp import serve as service
    from amp.terminal import welcome

    announce = welcome.as_json if as_json else partial(welcome.as_panel, settings)
    service.serve(settings, announce=announce, say=talk.say)


@cli.command()
def profile(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    *,
    tenant: Whose = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Draw what is believed of a user, whether or not the service runs."""
    from amp.terminal import profile as terminal

    seen = terminal.read(settings_of(data=data, redis=redis), tenant, env, user)
    (terminal.as_json if as_json else terminal.as_drawing)(seen)


@cli.command()
def population(
    *,
    tenant: Whose = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Show what is believed of everybody, and how each fit of it did."""
    from amp.terminal import operating
    from amp.terminal import population as terminal

    seen = operating.population(settings_of(data=data, redis=redis), tenant, env)
    (operating.as_json if as_json else terminal.draw)(seen)


@cli.command()
def refit(
    *,
    tenant: Whose = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Have the running service fit the population's prior now."""
    from amp.terminal import operating

    reply = operating.refit(settings_of(data=data, redis=redis), tenant, env)
    (operating.as_json if as_json else operating.refitted)(reply)


@cli.command()
def rollback(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The prior; 0 is the shipped one.")],
    *,
    tenant: Whose = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Go back to an earlier prior, and stay there until `amp refit`."""
    from amp.terminal import operating

    reply = operating.rollback(settings_of(data=data, redis=redis), tenant, env, version)
    (operating.as_json if as_json else operating.rolled_back)(reply)


@cli.command()
def tail(
    *,
    user: Annotated[str | None, typer.Option(metavar="USER", help="This user's events alone.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="7d|DATE", help="Outcomes since then, too; without it, from now on.")
    ] = None,
    tenant: Whose = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Show outcomes, jobs and verdicts as they come, until Ctrl-C.

    Users are named by a random alias, never by their id.
    """
    from amp.terminal import tail as terminal

    settings = settings_of(data=data, redis=redis)
    terminal.run(settings, tenant, env, user=user, since=since, as_json=as_json)


@cli.command()
def lift(
    *,
    tenant: Annotated[str, typer.Option(help="Whose users.")] = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Tell whether it works: learned users against the control group, where it pays, who reports."""
    from amp.terminal import lift as terminal

    seen = terminal.read(settings_of(data=data, redis=redis), tenant, env)
    (terminal.as_json if as_json else terminal.as_drawing)(seen)


@cli.command()
def evaluate(
    *,
    policy: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="The policy, described in JSON or TOML; what may be in it: README."
        ),
    ],
    log: Annotated[
        str | None, typer.Option(metavar="FILE", help="One of `amp log export`, instead of the store's.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="7d|DATE", help="Decisions since then; not with --log.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose log it is.")] = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Estimate what another policy would have earned, from what was logged.

    Inverse propensity (IPS), self-normalised (SNIPS) and doubly robust estimates of its mean reward in the
    same contexts after the same histories, beside what was earned.
    """
    from amp.terminal import evaluate as terminal

    settings = settings_of(data=data, redis=redis)
    terminal.run(settings, policy, log, tenant, env, since, as_json=as_json)
