"""The log of a session's events in the store: read from any place, either way."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from amp.grading.types import Event
from amp.store.connection import Store
from amp.store.grading_keys import GRADING_NEWS, session_keys
from amp.tenancy import Tenant

_PAGE = 500
_TOOL_USES = (b'{"type":"agent.tool_use"', b'{"type":"agent.custom_tool_use"')
_event = msgspec.json.Decoder(Event)


class Logged(NamedTuple):
    """One event of the log."""

    seq: int
    raw: bytes
    """The event as JSON."""
    waits: bool
    """It is an input as it came; the log has it again once it was processed."""

    @property
    def event(self) -> Event:
        return _event.decode(self.raw)


class News(NamedTuple):
    """That a session was written."""

    tag: str
    """The tenant's."""
    session: str
    seq: int
    version: int


class EventLog:
    """The events of sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def events(
        self, tenant: Tenant, session: str, *, after: int = 0, count: int = 1000
    ) -> list[Logged]:
        """At most `count` events of the log that come after this seq, oldest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        key = session_keys(tenant, session).events
        page = await self._store.ask("XRANGE", key, b"%d-0" % (after + 1), "+", "COUNT", count)
        return [_logged(entry_id, fields) for entry_id, fields in page]

    async def events_before(
        self, tenant: Tenant, session: str, *, before: int | None = None, count: int = 1000
    ) -> list[Logged]:
        """At most `count` events of the log that come before this seq (None: the end), newest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        if before is not None and before <= 1:
            return []
        key = session_keys(tenant, session).events
        end = "+" if before is None else b"%d-0" % (before - 1)
        page = await self._store.ask("XREVRANGE", key, end, "-", "COUNT", count)
        return [_logged(entry_id, fields) for entry_id, fields in page]

    async def used(self, tenant: Tenant, session: str, ids: Collection[str]) -> set[str]:
        """Those of these ids that are a tool use in the log, which is read from its end.

        Raises:
            StoreUnavailable: there is no answer.
        """
        found: set[str] = set()
        before: int | None = None
        while len(found) < len(ids) and (
            page := await self.events_before(tenant, session, before=before, count=_PAGE)
        ):
            before = page[-1].seq
            for one in page:
                if one.raw.startswith(_TOOL_USES) and (name := one.event["id"]) in ids:
                    found.add(name)
        return found

    async def at(self, tenant: Tenant, session: str, seqs: Sequence[int]) -> list[Logged]:
        """The events at these places.

        Raises:
            StoreUnavailable: there is no answer.
        """
        key = session_keys(tenant, session).events
        ids = [b"%d-0" % seq for seq in seqs]
        pages = await self._store.ask_all([("XRANGE", key, each, each) for each in ids]) if ids else []
        return [_logged(*page[0]) for page in pages if page]

    async def news(self) -> AsyncGenerator[News | None]:
        """What is written from now on, whosever it is; None at first, when it is listened to.

        Raises:
            StoreUnavailable: the connection is lost, and perhaps some news.
        """
        async with aclosing(self._store.listen(GRADING_NEWS)) as heard:
            async for message in heard:
                if message is None:
                    yield None
                else:
                    tag, session, seq, version = message.decode().split(" ")
                    yield News(tag, session, int(seq), int(version))


def _logged(entry_id: bytes, fields: Sequence[bytes]) -> Logged:
    return Logged(int(entry_id.split(b"-")[0]), fields[1], len(fields) > 2)
