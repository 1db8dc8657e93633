"""A file of AMP_* variables that systemd (EnvironmentFile=) and a shell (`set -a; . FILE`) read alike."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

from amp.settings import CONFIG, Row

_PLAIN = re.compile(r"[A-Za-z0-9_./:@+,=~-]*")
_WIDTH = 100


def envfile(rows: list[Row], values: Mapping[str, str], *, temporary: Path) -> str:
    """Every setting with its sentence and default; those that have a value are set, others commented out."""
    parts = ["# Settings of amp, read by amp.service. Change one, then restart: systemctl restart amp\n"]
    for row in rows:
        if row.name == CONFIG:
            continue
        parts.append(
            "\n".join(textwrap.wrap(row.doc, _WIDTH, initial_indent="# ", subsequent_indent="# "))
            + f"\n# Default: {row.default}\n{_line(row, values.get(row.name))}\n"
        )
    parts.append(
        "# Temporary files. The embedded store's socket is one: service and commands must have the same.\n"
        f"TMPDIR={quoted(str(temporary))}\n"
    )
    return "\n".join(parts)


def _line(row: Row, value: str | None) -> str:
    if value is not None:
        return f"{row.name}={quoted(value)}"
    return f"# {row.name}={'' if row.default == 'not set' else quoted(row.default)}"


def quoted(value: str) -> str:
    """The value as both readers take it whole."""
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'
