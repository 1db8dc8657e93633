"""Who waits for a session's next event hears of it: one listener a process, however many wait.

The news only says that there is something; what it is, each reader takes from the log, at its own pace. So
a reader that is slow or gone holds nobody up, and one that comes back goes on where it was.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager

from amp.errors import StoreUnavailable
from amp.grading.store import Gone, Logged, News, SessionStore
from amp.tenancy import Tenant

AGAIN_S = 0.5
PAGE = 50
"""Events that a reader takes at a time."""

_Place = tuple[str, str]  # tenant tag, session


class Reader:
    """One who waits for the news of a session."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def tell(self) -> None:
        self._told.set()

    async def news(self, within_s: float) -> bool:
        """Waits until there may be something new, at most so long; whether there may be."""
        try:
            async with asyncio.timeout(within_s):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True


class Follower:
    """Hears the news of all sessions and tells those who wait for them."""

    def __init__(self, sessions: SessionStore) -> None:
        self._sessions = sessions
        self._readers: dict[_Place, set[Reader]] = {}
        self._heard: Counter[str] = Counter()
        self._since = secrets.token_hex(4)

    async def follow(self) -> None:
        """Listens until cancelled; news that were missed meanwhile are made up for."""
        while True:
            try:
                async for news in self._sessions.news():
                    if news is None:
                        self._tell_all()
                    else:
                        self._tell(news)
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)

    @contextmanager
    def reading(self, tenant: Tenant, session: str) -> Generator[Reader]:
        """A reader of this session's news, from now on."""
        place, reader = (tenant.tag, session), Reader()
        self._readers.setdefault(place, set()).add(reader)
        try:
            yield reader
        finally:
            beside = self._readers[place]
            beside.discard(reader)
            if not beside:
                del self._readers[place]

    async def version(self, tenant: Tenant) -> str:
        """Another text whenever a session of the tenant has moved; asks the store nothing."""
        return f"{self._since}.{self._heard[tenant.tag]}"

    async def events(
        self, tenant: Tenant, session: str, after: int, *, quiet_s: float
    ) -> AsyncGenerator[Logged | None]:
        """The events that come after this seq, as they come; None whenever nothing came for so long.

        It ends with the session. While the store is away it waits.
        """
        at = after
        with self.reading(tenant, session) as reader:
            while True:
                page = await self._page(tenant, session, at)
                for one in page:
                    at = one.seq
                    yield one
                if page and page[-1].raw.startswith(_DELETED):
                    return
                if len(page) < PAGE and not await reader.news(quiet_s):
                    if not await self._there(tenant, session):
                        return
                    yield None

    async def _page(self, tenant: Tenant, session: str, at: int) -> list[Logged]:
        while True:
            try:
                return await self._sessions.events(tenant, session, after=at, count=PAGE)
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)

    async def _there(self, tenant: Tenant, session: str) -> bool:
        try:
            await self._sessions.load(tenant, session)
        except Gone:
            return False
        except StoreUnavailable:
            return True
        return True

    def _tell(self, news: News) -> None:
        self._heard[news.tag] += 1
        for reader in self._readers.get((news.tag, news.session), ()):
            reader.tell()

    def _tell_all(self) -> None:
        self._since = secrets.token_hex(4)  # some news may have been missed, whosever they were
        for readers in self._readers.values():
            for reader in readers:
                reader.tell()


_DELETED = b'{"type":"session.deleted"'
