"""What a look at one thing has found: well, worth knowing, wrong, or not known."""

from typing import Literal, NamedTuple

Status = Literal["ok", "warn", "fail", "unknown"]


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    status: Status
    found: str
    fix: str | None = None
    """What mends it, in one line; None where nothing needs mending, or nothing is known."""


def ok(name: str, found: str) -> Finding:
    return Finding(name, "ok", found)


def warn(name: str, found: str, fix: str) -> Finding:
    """It works, and somebody should know."""
    return Finding(name, "warn", found, fix)


def fail(name: str, found: str, fix: str) -> Finding:
    """It does not work, or it can lose what was acknowledged."""
    return Finding(name, "fail", found, fix)


def unknown(name: str, why: str) -> Finding:
    """It cannot be seen from here, which is never the same as well."""
    return Finding(name, "unknown", f"not known: {why}")


def ago(age_s: float) -> str:
    """How long ago, in the largest unit that makes two or more of it."""
    for unit, seconds in (("days", 86_400), ("h", 3600), ("min", 60)):
        if age_s >= 2 * seconds:
            return f"{age_s / seconds:.0f} {unit} ago"
    return f"{max(0.0, age_s):.0f} s ago"


def size(count: float) -> str:
    """Bytes as people read them, in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
