"""Pages of a list in the order of time, both ways. A cursor says where, which way, of which order."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

from amp.errors import InvalidParameter

Order = Literal["asc", "desc"]
Key = tuple[int, str]
"""The time something was made in us, and its id."""
Fetch = Callable[[int, int, bool, int], Awaitable[list[Key]]]
"""From low_us, high_us (both with their end), newest first and a count to the first so many keys."""
Value = TypeVar("Value")
Load = Callable[[Sequence[Key]], Awaitable[Sequence[Value | None]]]
"""The values of these keys; None for one that does not belong to the list as it was asked for."""

LAST_US = 2**52
_PREFIX = "page_"
_SPARE = 64
"""More keys than a page needs are asked for, as some may not belong to it."""


class Cursor(msgspec.Struct, array_like=True):
    """A place in a list: the last key that was seen, and which way from there."""

    order: Order
    forward: bool
    at_us: int
    id: str


class Window(NamedTuple):
    """Which part of a list is asked for."""

    order: Order
    limit: int
    cursor: Cursor | None = None
    low_us: int = 0
    high_us: int = LAST_US


class Page(NamedTuple, Generic[Value]):
    """One page, and the cursors to the ones beside it; None where there is none."""

    values: list[Value]
    next: str | None
    prev: str | None

    def told(self, **more: Any) -> dict[str, Any]:
        """As on the wire."""
        return {"data": self.values, "next_page": self.next, **more}


def written(cursor: msgspec.Struct) -> str:
    """A cursor as on the wire."""
    return _PREFIX + urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def read(page: str | None, kind: type[Value], order: Order) -> Value | None:
    """A cursor that we wrote; None or nothing is the list's beginning.

    Raises:
        InvalidParameter: it is none of ours, or belongs to the other order.
    """
    if not page:
        return None
    raw = page.removeprefix(_PREFIX)
    try:
        cursor: Any = msgspec.json.decode(urlsafe_b64decode(raw + "=" * (-len(raw) % 4)), type=kind)
    except (ValueError, NotBase64, msgspec.MsgspecError) as error:
        raise InvalidParameter("page", "must be a cursor of an earlier answer") from error
    if cursor.order != order:
        raise InvalidParameter("page", "is a cursor of the other order")
    return cursor


async def paged(window: Window, fetch: Fetch, load: Load[Value]) -> Page[Value]:
    """The page that the window asks for."""
    cursor = window.cursor
    forward = cursor is None or cursor.forward
    newest_first = (window.order == "desc") == forward
    found, more = await _gathered(window, fetch, load, newest_first=newest_first)
    if not forward:
        found.reverse()
    on = more if forward else cursor is not None
    back = (cursor is not None) if forward else more
    keys = [key for key, _ in found]
    return Page(
        [value for _, value in found],
        written(Cursor(window.order, True, *keys[-1])) if on and keys else None,
        written(Cursor(window.order, False, *keys[0])) if back and keys else None,
    )


async def _gathered(
    window: Window, fetch: Fetch, load: Load[Value], *, newest_first: bool
) -> tuple[list[tuple[Key, Value]], bool]:
    """What belongs to the page, walking away from the cursor, and whether there is more that way."""
    at: Key | None = (window.cursor.at_us, window.cursor.id) if window.cursor else None
    found: list[tuple[Key, Value]] = []
    count = window.limit + _SPARE
    while True:
        low_us = window.low_us if newest_first or at is None else max(window.low_us, at[0])
        high_us = min(window.high_us, at[0]) if newest_first and at is not None else window.high_us
        keys = await fetch(low_us, high_us, newest_first, count)
        past = [key for key in keys if at is None or (key < at if newest_first else key > at)]
        values = await load(past)
        found += [(key, value) for key, value in zip(past, values, strict=True) if value is not None]
        if len(found) > window.limit or len(keys) < count or not past:
            return found[: window.limit], len(found) > window.limit
        at = past[-1]
