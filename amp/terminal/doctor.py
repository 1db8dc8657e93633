"""`amp doctor`: the command; what it looks at is in doctor/, how it is shown in checks.py."""
# ruff: noqa: PLC0415  loaded when the command runs: `amp --help` stays quick

from typing import Annotated

import typer

from amp.terminal.options import Data, Json, RedisUrl, settings_of


def doctor(
    *,
    host: Annotated[str | None, typer.Option(help="Where the service listens.")] = None,
    port: Annotated[str | None, typer.Option(help="Its port.")] = None,
    data: Data = None,
    redis: RedisUrl = None,
    durability: Annotated[
        str | None, typer.Option(metavar="always|everysec", help="What the store is to keep (always).")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete function libraries that no release of this code needs.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --prune deletes.")] = False,
    as_json: Json = False,
) -> None:
    """Check store, folder, keys, ledger, learner, machine and service; each trouble has its one-line fix.

    Changes nothing without --prune, whether or not the service runs. Ends with 1 when something fails.
    """
    from amp.terminal import checks

    settings = settings_of(host=host, port=port, data=data, redis=redis, durability=durability)
    if prune:
        checks.prune(settings, yes=yes, as_json=as_json)
    else:
        checks.run(settings, as_json=as_json)
