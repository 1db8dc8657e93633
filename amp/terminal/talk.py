"""Talk goes to stderr, data to stdout: a pipe carries nothing but data."""
# ruff: noqa: PLC0415  rich is loaded when something is said: `amp --version` stays quick

import json
import sys
from typing import Any


def say(message: str) -> None:
    """One remark for the person at the terminal."""
    from rich.console import Console

    Console(stderr=True).print(message, markup=False, highlight=False, soft_wrap=True)


def write(line: str) -> None:
    """One line of data."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write_json(value: Any) -> None:
    write(json.dumps(value))
