"""Times of this API: RFC 3339 in UTC with microseconds."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def rfc3339(at_us: int) -> str:
    """Microseconds since 1970 as the wire has them; texts sort as the times do."""
    at = _EPOCH + timedelta(microseconds=at_us)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def microseconds(text: str) -> int:
    """An RFC 3339 time; UTC when it names no zone.

    Raises:
        ValueError: it is none.
    """
    at = datetime.fromisoformat(text)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // _US
