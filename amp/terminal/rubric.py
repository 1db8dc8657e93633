"""The commands of `amp rubric`."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

from pathlib import Path
from typing import Annotated

import typer

from amp.terminal.options import Json, settings_of

rubric = typer.Typer(no_args_is_help=True, help="Write, check and try what done looks like.")

File = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The rubric.")]
Artifact = Annotated[
    Path, typer.Argument(metavar="ARTIFACT", exists=True, dir_okay=False, help="A deliverable.")
]
Model = Annotated[
    str | None, typer.Option(metavar="MODEL", help="openai:NAME or anthropic:NAME (AMP_GRADER_MODEL).")
]


@rubric.command()
def lint(file: File, *, as_json: Json = False) -> None:
    """Name what graders will stumble over: vague words, no list items, checks that do not parse."""
    from amp.terminal import rubric_work as terminal

    terminal.lint(file, as_json=as_json)


@rubric.command("try")
def try_(
    file: File,
    artifact: Artifact,
    *,
    times: Annotated[int, typer.Option(metavar="N", min=1, max=50, help="How often.")] = 5,
    task: Annotated[str, typer.Option(metavar="TEXT", help="The task as its agent would have it.")] = "",
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Grade one artifact several times, and show how far the gradings agree, criterion by criterion."""
    from amp.terminal import rubric_work as terminal

    terminal.attempt(settings_of(), terminal.Trial(file, artifact, times, task, model), as_json=as_json)


@rubric.command()
def draft(artifact: Artifact, *, model: Model = None) -> None:
    """Draft a rubric from an artifact that is known to be good."""
    from amp.terminal import rubric_work as terminal

    terminal.draft(settings_of(), artifact, model)
