"""Every setting as it holds, and what says so; nothing of it is secret."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from amp import parse
from amp.settings import CONFIG, FILE, SECRETS, Settings, name_of, parsed, sources, table

DEFAULT = "default"


class InForce(NamedTuple):
    """One setting as it holds."""

    name: str
    value: str | None
    """As an operator writes it, secrets masked; None: not set."""
    origin: str
    """`default`, the flag, the variable, or the name in the file."""
    default: str
    doc: str


def in_force(
    environ: Mapping[str, str], *, flags: Mapping[str, str | None] | None = None, folder: Path | None = None
) -> list[InForce]:
    """Every setting as it is written, with what says so.

    Raises:
        SettingsRefused: an unknown name or a bad value, as `settings.load` has it.
    """
    raw, rows = (
        sources(environ, flags or {}, (folder or Path()).absolute()),
        {row.name: row for row in table()},
    )
    found: list[InForce] = []
    for item in fields(Settings):
        name = name_of(item)
        if name in raw:
            source, value = raw[name]
            parsed(item, source, value)
            shown = "***" if item.name in SECRETS else parse.without_password(value.strip())
        else:
            source, shown = DEFAULT, str(item.metadata["default"]) or None
        found.append(InForce(name, shown, source, rows[name].default, rows[name].doc))
    return found


def file_of(environ: Mapping[str, str], folder: Path | None = None) -> Path | None:
    """The file of settings that is read; None when there is none."""
    file = (folder or Path()) / (environ.get(CONFIG) or FILE)
    return file.absolute() if file.is_file() else None
