"""The commands of `amp sessions`."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

from pathlib import Path
from typing import Annotated

import typer

from amp.terminal.options import TEST, Data, Env, Json, RedisUrl, Whose, settings_of

sessions = typer.Typer(no_args_is_help=True, help="Work that a separate grader accepts, or sends back.")

Name = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id.")]


@sessions.command("list")
def list_(
    *,
    tenant: Whose = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """List the newest sessions."""
    from amp.terminal import session_run as terminal

    terminal.show_all(terminal.Whose(settings_of(data=data, redis=redis), tenant, env), as_json=as_json)


@sessions.command()
def show(
    session: Name,
    *,
    tenant: Whose = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Show a session: outcomes, criteria with their marks, gaps, deliverables."""
    from amp.terminal import session_run as terminal

    whose = terminal.Whose(settings_of(data=data, redis=redis), tenant, env)
    terminal.show(whose, session, as_json=as_json)


@sessions.command()
def tail(
    session: Name,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on when the session is at rest.")
    ] = False,
    tenant: Whose = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Follow a session as it goes, until it is at rest."""
    from amp.terminal import session_run as terminal

    whose = terminal.Whose(settings_of(data=data, redis=redis), tenant, env)
    terminal.tail(whose, session, as_json=as_json, follow=follow)


@sessions.command()
def run(
    *,
    rubric: Annotated[
        Path,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="What done looks like, in Markdown."),
    ],
    task: Annotated[str, typer.Option(metavar="TEXT", help="What the agent is to do.")],
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Who works: openai:NAME, anthropic:NAME, worker, script.")
    ],
    grader: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Who grades (AMP_GRADER_MODEL, or the same model).")
    ] = None,
    iterations: Annotated[int, typer.Option(metavar="N", min=1, max=20, help="Gradings at most.")] = 3,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to put the deliverables.")] = None,
    tenant: Whose = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Run one outcome and watch it: iteration, criteria with their marks, gaps."""
    from amp.terminal import session_run as terminal

    whose = terminal.Whose(settings_of(data=data, redis=redis), tenant, env)
    order = terminal.Order(task, rubric.read_text(encoding="utf-8"), model, grader, iterations, out)
    terminal.run(whose, order, as_json=as_json)
