"""A session in our hands: the lease, the session as it was last known, and writes that are thought on it."""

import asyncio
import secrets
import time
from collections.abc import Callable

from amp.errors import StoreUnavailable
from amp.grading.ids import ClockUs, new_id
from amp.grading.store import Fenced, SessionStore, Stale, Written
from amp.grading.types import Change, Event, Pen, Session
from amp.tenancy import Tenant

LOST = -1
"""The fence of one whose lease is another's."""
_AGAIN_S = 0.25
_PAGE = 1000

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
        self.held_s = 0.0
        """When the lease was last taken or lengthened, by the monotonic clock: every write does it too."""
        self._hold_ms = 0
        self._heard = 0
        """The newest version of the session that we were told of."""
        self._log: list[Event] = []
        self._read = 0
        """So far the log was read, or written by us."""
        self._writing = asyncio.Lock()
        self._clock = clock

    async def leased(self, owner: str, ttl_ms: int) -> bool:
        """Whether we have the session now.

        Raises:
            Gone: there is none.
            StoreUnavailable: nobody knows.
        """
        held_s, self._hold_ms = time.monotonic(), ttl_ms
        lease = await self._sessions.lease(self.tenant, self.name, owner, ttl_ms)
        if lease is None:
            self.fence = None
            return False
        self.fence, self._session = lease
        self.held_s = held_s
        if self._behind():  # it was written while we read it
            await self.catch_up()
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

    def told(self, version: int) -> bool:
        """Somebody wrote this version of the session; whether we must `catch_up`."""
        self._heard = max(self._heard, version)
        return self._behind()

    async def catch_up(self) -> None:
        """Reads what others wrote, unless a write of ours finds it out before.

        Raises:
            StoreUnavailable: there is no answer.
        """
        async with self._writing:
            if self._behind():
                found = await self._sessions.load_all(self.tenant, [self.name])
                self.seen(found[0])

    def _behind(self) -> bool:
        return self._session is not None and self._heard > self._session.version

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
                    self._took(session, change, written)
                return True

    def _took(self, session: Session, change: Change, written: Written) -> None:
        """The session is what we have just made of it."""
        head = change.head or session.head
        self._session = Session(written.version, written.seq, head, change.state, written.bytes)
        if self._read == session.seq:  # nobody needs to read what we wrote
            self._log += change.events
            self._read = written.seq

    async def events(self) -> list[Event]:
        """The log so far.

        Raises:
            StoreUnavailable: there is no answer.
        """
        while self._read < self.session.seq:
            page = await self._sessions.events(self.tenant, self.name, after=self._read, count=_PAGE)
            if not page:
                break
            self._log += [each.event for each in page]
            self._read = page[-1].seq
        return self._log

    async def _committed(self, version: int, change: Change) -> Written:
        """Sends one write until it is known what came of it."""
        token = secrets.token_hex(8)
        while True:
            if self.fence == LOST:
                raise Fenced
            held_s, fence = time.monotonic(), self.fence
            try:
                written = await self._sessions.commit(
                    self.tenant, self.name, version, change, token, fence=fence, hold_ms=self._hold_ms
                )
            except StoreUnavailable:
                await asyncio.sleep(_AGAIN_S)
            else:
                self.held_s = held_s
                return written
