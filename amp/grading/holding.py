"""A session in our hands: the lease, the session as it was last known, and writes that are thought on it."""

import asyncio
import secrets
from collections.abc import Callable

from amp.errors import StoreUnavailable
from amp.grading.ids import ClockUs, new_id
from amp.grading.store import Fenced, SessionStore, Stale, Written
from amp.grading.types import Change, Pen, Session
from amp.tenancy import Tenant

LOST = -1
"""The fence of one whose lease is another's."""
_AGAIN_S = 0.25

Think = Callable[[Session, Pen], Change | None]


class Hold:
    """What a loop knows of a session that it has leased."""

    def __init__(self, sessions: SessionStore, tenant: Tenant, name: str, clock: ClockUs) -> None:
        self.tenant, self.name = tenant, name
        self.fence: int | None = None
        self.changed, self.news = asyncio.Event(), asyncio.Event()
        """Set when somebody else wrote or the lease is lost: for who attends; for who waits for a worker."""
        self._sessions = sessions
        self._session: Session | None = None
        self._writing = asyncio.Lock()
        self._clock = clock

    async def leased(self, owner: str, ttl_ms: int) -> bool:
        """Whether we have the session now.

        Raises:
            Gone: there is none.
            StoreUnavailable: nobody knows.
        """
        lease = await self._sessions.lease(self.tenant, self.name, owner, ttl_ms)
        if lease is None:
            return False
        self.fence, self._session = lease
        return True

    async def released(self) -> Session:
        """Gives the session back; how it stands afterwards: who came before that found it held."""
        assert self.fence is not None, "leased"
        await self._sessions.release(self.tenant, self.name, self.fence)
        return await self._sessions.load(self.tenant, self.name)

    @property
    def session(self) -> Session:
        assert self._session, "leased"
        return self._session

    def seen(self, session: Session | None) -> None:
        """Somebody has read the session; None: it is gone."""
        if session is None:
            self.lost()
        elif self._session and session.version > self._session.version:
            self._session = session
            self._tell()

    def lost(self) -> None:
        """The lease is another's, or the session is gone."""
        self.fence = LOST
        self._tell()

    def _tell(self) -> None:
        self.changed.set()
        self.news.set()

    async def write(self, think: Think) -> bool:
        """Writes what `think` makes of the session as it stands; False when the step came too late.

        Raises:
            Fenced: another loop has the session.
            Gone: it was deleted.
        """
        async with self._writing:
            while True:
                session = self.session
                change = think(session, Pen(session.seq, session.state.at_us, self._clock(), new_id))
                if change is None:
                    return False
                try:
                    written = await self._committed(session.version, change)
                except Stale:
                    self._session = await self._sessions.load(self.tenant, self.name)
                    self._tell()  # what we have just read, nobody else will tell us
                    continue
                if self.session.version < written.version:
                    head = change.head or session.head
                    self._session = Session(written.version, written.seq, head, change.state)
                return True

    async def _committed(self, version: int, change: Change) -> Written:
        """Sends one write until it is known what came of it."""
        token = secrets.token_hex(8)
        while True:
            if self.fence == LOST:
                raise Fenced
            try:
                return await self._sessions.commit(
                    self.tenant, self.name, version, change, token, fence=self.fence
                )
            except StoreUnavailable:
                await asyncio.sleep(_AGAIN_S)
