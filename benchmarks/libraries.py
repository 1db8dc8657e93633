"""The boundary to other people's bandit libraries, none of which is typed."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

VOWPAL_WABBIT, MABWISER, BAYESIANBANDITS = "vowpalwabbit", "mabwiser", "bayesianbandits"
LIBRARIES = (VOWPAL_WABBIT, MABWISER, BAYESIANBANDITS)
"""The extra `peers`, by the names of their packages."""


def library(name: str) -> Any:
    """The module of this name, of a package in the extra `peers`."""
    return import_module(name)


def installed() -> dict[str, str]:
    """Version of each library that is there."""
    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
