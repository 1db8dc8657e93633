"""What people see of graded sessions: a list by what they are, one with its gradings, rubrics and files."""

import asyncio
from collections.abc import Sequence

from amp.errors import InvalidParameter
from amp.grading.evaluations import END, START, evaluations, outcome, row
from amp.grading.files import Files
from amp.grading.graded_wire import FileReply, GradedReply, SessionCounts, SessionRow, SessionsReply
from amp.grading.ids import ClockUs, now_us
from amp.grading.lists import OF_OUTCOME, RESULTS, STATUSES
from amp.grading.lists_store import SessionLists
from amp.grading.pages import LAST_US, Cursor, Key, Order, Window, paged, read
from amp.grading.service import Sessions
from amp.grading.store import SessionStore
from amp.grading.types import Event, Result, Status
from amp.tenancy import Access, Tenant

OUTCOMES_MAX = 20
CHUNK = 1000
_NEWEST_FIRST: Order = "desc"
_EITHER = tuple(name.encode() for name in (START, END))


class Graded:
    """Looks at sessions."""

    def __init__(
        self,
        sessions: Sessions,
        store: SessionStore,
        lists: SessionLists,
        files: Files,
        *,
        clock: ClockUs = now_us,
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._lists = lists
        self._files = files
        self._clock = clock

    async def listing(
        self,
        tenant: Tenant,
        *,
        status: Status | None = None,
        result: Result | None = None,
        limit: int = 25,
        page: str | None = None,
    ) -> SessionsReply:
        """A page of sessions: all, those of a status, or those whose newest outcome has this result.

        Raises:
            InvalidParameter: both are asked for, or the cursor is none of ours.
            StoreUnavailable: there is no answer.
        """
        if status is not None and result is not None:
            raise InvalidParameter("result", "cannot be asked for together with status")
        word = status if result is None else OF_OUTCOME + result

        async def fetch(low_us: int, high_us: int, newest_first: bool, count: int) -> list[Key]:
            return await self._lists.listed(
                tenant, word, low_us=low_us, high_us=high_us, newest_first=newest_first, count=count
            )

        async def load(keys: Sequence[Key]) -> list[SessionRow | None]:
            found = await self._store.load_all(tenant, [name for _, name in keys]) if keys else []
            at_us = self._clock()
            return [each and row(each, at_us) for each in found]

        window = Window(_NEWEST_FIRST, limit, read(page, Cursor, _NEWEST_FIRST), 0, LAST_US)
        found = await paged(window, fetch, load)
        return SessionsReply(found.values, await self.counts(tenant), found.next, found.prev)

    async def counts(self, tenant: Tenant) -> SessionCounts:
        """How many sessions there are of each kind.

        Raises:
            StoreUnavailable: there is no answer.
        """
        by_word = await self._lists.counts(tenant)
        statuses = {each: by_word[each] for each in STATUSES}
        results = {each: by_word[OF_OUTCOME + each] for each in RESULTS}
        return SessionCounts(sum(statuses.values()), statuses, results)

    async def one(self, access: Access, name: str) -> GradedReply:
        """A session with its newest outcomes, their gradings, and its files.

        Raises:
            NotFound: there is none that the caller may see.
            StoreUnavailable: there is no answer.
        """
        found = await self._sessions.find(access, name)
        newest, tenant = found.state.outcomes[-OUTCOMES_MAX:], access.tenant
        asked = [self._store.definition(tenant, name, each.outcome_id) for each in newest]
        definitions, events, files = await asyncio.gather(
            asyncio.gather(*asked), self._gradings(tenant, name), self._files.delivered(tenant, name)
        )
        graded = evaluations(events)
        return GradedReply(
            row(found, self._clock()),
            found.head.environment_id,
            [
                outcome(each, told, graded.get(each.outcome_id, []))
                for each, told in zip(newest, definitions, strict=True)
            ],
            len(found.state.outcomes) - len(newest),
            [
                FileReply(
                    *(each[part] for part in ("id", "filename", "mime_type", "size_bytes", "created_at"))
                )
                for each in files
            ],
            found.seq,
        )

    async def _gradings(self, tenant: Tenant, name: str) -> list[Event]:
        """The events of gradings; the others are passed over unread."""
        found: list[Event] = []
        after = 0
        while True:
            chunk = await self._store.events(tenant, name, after=after, count=CHUNK)
            found += [each.event for each in chunk if any(kind in each.raw for kind in _EITHER)]
            if len(chunk) < CHUNK:
                return [each for each in found if each["type"] in {START, END}]
            after = chunk[-1].seq
