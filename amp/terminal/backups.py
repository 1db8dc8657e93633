"""The commands `amp backup` and `amp restore`."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

from typing import Annotated

import typer

from amp.terminal.options import Data, Json, RedisUrl, settings_of


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="To write; a folder: named by the time in it.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only read FILE: is every part what its manifest says?")
    ] = False,
    without_secret: Annotated[
        bool, typer.Option("--without-secret", help="Leave the secret out: it is needed to restore.")
    ] = False,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Put everything there is to lose into one file, whether or not the service runs."""
    from amp.terminal import backup_take as terminal

    if check:
        terminal.check(file, as_json=as_json)
        return
    settings = settings_of(data=data, redis=redis)
    terminal.run(settings, file, with_secret=not without_secret, as_json=as_json)


def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A backup.")],
    *,
    drill: Annotated[
        bool,
        typer.Option("--drill", help="Restore into a temporary folder, read what is there, and remove it."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Move aside what the data folder holds; and take a backup of another secret."
        ),
    ] = False,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Make a data folder of a backup, or fill an empty store with it; all of it or nothing."""
    from amp.terminal import backup_restore as terminal

    settings = settings_of(data=data, redis=redis)
    if drill:
        terminal.drill(settings, file, as_json=as_json)
    else:
        terminal.run(settings, file, force=force, as_json=as_json)
