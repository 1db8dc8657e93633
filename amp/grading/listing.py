"""Lists of sessions, and of the events of one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from amp.errors import InvalidParameter
from amp.grading.pages import LAST_US, Cursor, Key, Order, Page, Window, paged, read, written
from amp.grading.service import Document, Sessions
from amp.grading.store import Logged, SessionStore
from amp.grading.times import microseconds
from amp.grading.types import Event, Session
from amp.tenancy import Access, Tenant

CHUNK = 1000


class Span(NamedTuple):
    """A time between two ends, both with it."""

    low_us: int = 0
    high_us: int = LAST_US

    @property
    def whole(self) -> bool:
        return self == _WHOLE


_WHOLE = Span()


def span(gt: str | None, gte: str | None, lt: str | None, lte: str | None) -> Span:
    """The time that `created_at[..]` asks for.

    Raises:
        InvalidParameter: one is no time.
    """
    given = (("gt", gt, 1), ("gte", gte, 0), ("lt", lt, -1), ("lte", lte, 0))
    ends = {name: _us(name, text) + more for name, text, more in given if text is not None}
    low_us = max(0, *(ends.get(name, 0) for name in ("gt", "gte")))
    return Span(low_us, min(LAST_US, *(ends.get(name, LAST_US) for name in ("lt", "lte"))))


def _us(name: str, text: str) -> int:
    try:
        return microseconds(text)
    except ValueError as error:
        raise InvalidParameter(f"created_at[{name}]", "must be an RFC 3339 time") from error


class Wanted(NamedTuple):
    """Which sessions are asked for."""

    agent_id: str | None = None
    agent_version: int | None = None
    elsewhere: bool = False
    """Those of a deployment or a memory store: there are none."""
    statuses: Sequence[str] = ()
    archived: bool = False

    def holds(self, found: Session) -> bool:
        agent = found.head.agent
        return (
            not self.elsewhere
            and (self.agent_id is None or agent["id"] == self.agent_id)
            and (self.agent_id is None or self.agent_version in {None, agent["version"]})
            and (not self.statuses or found.state.status in self.statuses)
            and (self.archived or found.head.archived_us is None)
        )


class Place(msgspec.Struct, array_like=True):
    """A place in the list of a session's events: the last that was seen."""

    order: Order
    seq: int
    waits: bool
    """It lies among those that still wait, which have no time yet: they come last."""


class Listing:
    """Reads lists."""

    def __init__(self, store: SessionStore, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    async def sessions(
        self, tenant: Tenant, wanted: Wanted, *, order: Order, limit: int, page: str | None, made: Span
    ) -> Page[Document]:
        """A page of sessions.

        Raises:
            InvalidParameter: the cursor is none of ours, or of the other order.
            StoreUnavailable: there is no answer.
        """

        async def fetch(low_us: int, high_us: int, newest_first: bool, count: int) -> list[Key]:
            return await self._store.made(
                tenant, low_us=low_us, high_us=high_us, newest_first=newest_first, count=count
            )

        async def load(keys: Sequence[Key]) -> list[Session | None]:
            found = await self._store.load_all(tenant, [name for _, name in keys]) if keys else []
            return [each if each and wanted.holds(each) else None for each in found]

        window = Window(order, limit, read(page, Cursor, order), *made)
        found = await paged(window, fetch, load)
        return Page(await self._sessions.rendered(tenant, found.values), found.next, found.prev)

    async def events(
        self,
        access: Access,
        name: str,
        *,
        order: Order,
        limit: int,
        page: str | None,
        types: Sequence[str],
        processed: Span,
    ) -> dict[str, Any]:
        """A page of a session's events, each once, by the time it was processed; what still waits comes last.

        Raises:
            InvalidParameter: the cursor is none of ours, or of the other order.
            NotFound: there is no such session.
            StoreUnavailable: there is no answer.
        """
        session = await self._sessions.find(access, name)
        place = read(page, Place, order)
        found: list[tuple[Place, Event]] = []
        for waits in (False, True) if order == "asc" else (True, False):
            if len(found) > limit or (place is not None and place.waits != waits and _passed(place, order)):
                continue
            after = place.seq if place is not None and place.waits == waits else None
            if waits:
                events = await self._waiting(access.tenant, session, order, after) if processed.whole else []
            else:
                asked = _Asked(limit + 1 - len(found), types, processed)
                events = await self._processed(access.tenant, session.head.id, order, after, asked)
            found += [(Place(order, one.seq, waits), one.event) for one in events if _of(types, one.event)]
        more = len(found) > limit
        told = found[:limit]
        return {"data": [event for _, event in told], "next_page": written(told[-1][0]) if more else None}

    async def _processed(
        self, tenant: Tenant, name: str, order: Order, after: int | None, asked: "_Asked"
    ) -> list[Logged]:
        """The next so many that were processed and are asked for."""
        found: list[Logged] = []
        while len(found) < asked.most:
            if order == "asc":
                chunk = await self._store.events(tenant, name, after=after or 0, count=CHUNK)
            else:
                chunk = await self._store.events_before(tenant, name, before=after, count=CHUNK)
            found += [one for one in chunk if not one.waits and asked.holds(one.event)]
            if len(chunk) < CHUNK:
                break
            after = chunk[-1].seq
        return found[: asked.most]

    async def _waiting(
        self, tenant: Tenant, session: Session, order: Order, after: int | None
    ) -> list[Logged]:
        seqs = sorted((each.seq for each in session.state.waiting), reverse=order == "desc")
        if after is not None:
            seqs = [seq for seq in seqs if (seq > after if order == "asc" else seq < after)]
        return await self._store.at(tenant, session.head.id, seqs)


def _passed(place: Place, order: Order) -> bool:
    """Whether the part of the list that `place` does not lie in comes before it."""
    return place.waits == (order == "asc")


def _of(types: Sequence[str], event: Event) -> bool:
    return not types or event["type"] in types


class _Asked(NamedTuple):
    """Which events, and how many."""

    most: int
    types: Sequence[str]
    processed: Span

    def holds(self, event: Event) -> bool:
        low_us, high_us = self.processed
        return _of(self.types, event) and (
            self.processed.whole or low_us <= microseconds(event["processed_at"]) <= high_us
        )
