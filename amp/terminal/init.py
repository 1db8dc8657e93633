"""`amp init`: the command; what it writes is in setup.py."""
# ruff: noqa: PLC0415  loaded when the command runs: `amp --help` stays quick

from pathlib import Path
from typing import Annotated

import typer

from amp.terminal.options import Json, RedisUrl


def init(
    *,
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder to write to.")] = ".",
    user: Annotated[str, typer.Option(help="Who runs the service.")] = "amp",
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[str | None, typer.Option(help="Port to listen on.")] = None,
    data: Annotated[str | None, typer.Option(metavar="DIR", help="Data folder (/var/lib/amp).")] = None,
    redis: RedisUrl = None,
    workers: Annotated[str | None, typer.Option(metavar="N", help="Worker processes.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over files that are there; the secret stays.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a systemd unit and its file of settings, for a machine that serves.

    Nothing is installed: the commands that do are printed.
    """
    from amp.terminal import setup

    flags = {"host": host, "port": port, "data": data, "redis": redis, "workers": workers}
    setup.show(setup.write(Path(out), user, flags, force=force), as_json=as_json)
