"""Ids and the clock of this room."""

import secrets
import time
from collections.abc import Callable

ClockUs = Callable[[], int]
"""Microseconds since 1970."""


def now_us() -> int:
    return time.time_ns() // 1000


def new_id(kind: str) -> str:
    """A new id that nobody can guess: `sesn_...`."""
    return f"{kind}_{secrets.token_hex(12)}"
