"""Options that several commands share, and the settings they lead to."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from amp.settings import Settings

Data = Annotated[str | None, typer.Option(metavar="DIR", help="Folder of the embedded store.")]
RedisUrl = Annotated[
    str | None,
    typer.Option("--redis", metavar="URL", help="Redis or Valkey to use instead of the embedded one."),
]
Whose = Annotated[str, typer.Option("--tenant", help="Whose data it is.")]
Env = Annotated[str, typer.Option(metavar="live|test", help="Live data or test data.")]
TEST = "test"
"""The data that every command means where none is named, as `amp keys create` makes keys of it."""
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]


def settings_of(**flags: str | None) -> "Settings":
    """The settings in force with these flags.

    Raises:
        SettingsRefused: an unknown name or a bad value.
    """
    from amp import settings

    return settings.load(os.environ, flags=flags)
