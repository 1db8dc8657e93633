"""The application's clock, for what the store's clock cannot time: expiry checks and degraded answers."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

Clock = Callable[[], int]
"""Milliseconds since 1970."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@lru_cache(maxsize=64)
def iso(at_ms: int) -> str:
    """ISO-8601 in UTC with milliseconds and Z, as the wire has it; the calls of one ms make it once."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
