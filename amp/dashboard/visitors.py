"""Who looks at the dashboard: from the cookie to the tenant, at every request, and no form from elsewhere."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from amp.dashboard.pulse import Pulse
from amp.dashboard.session import Seals, Session
from amp.errors import Forbidden, StoreUnavailable, Unauthorized
from amp.http.requests import ACCESS, ApiRequest
from amp.store.keyring import KeyTable
from amp.store.signed_out import SignedOut
from amp.tenancy import Access

SESSION_COOKIE = "amp_session"
THEME_COOKIE = "amp_theme"
VISITOR = "visitor"
"""In a request's state."""
OPEN = "open"
"""In a route's `opt`: it is for everybody, signed in or not."""
PAGES = ("read", "admin")
"""A key needs one of these scopes to look at pages."""
CSRF_FIELD = "csrf"
_SAFE = frozenset({"GET", "HEAD"})


class Visitor(NamedTuple):
    """Somebody who is signed in."""

    session: Session
    access: Access
    csrf: str
    """For every form."""
    versions: dict[str, str]
    """What the data of the page is at least as new as; see `pulse`."""


Connection = ASGIConnection[Any, Any, Any, Any]


class Door:
    """Lets visitors in."""

    def __init__(self, seals: Seals, keys: KeyTable, pulse: Pulse, signed_out: SignedOut) -> None:
        self.seals = seals
        self.keys = keys
        self._pulse = pulse
        self._signed_out = signed_out

    async def admit(self, session: Session | None) -> Access:
        """What the session's key opens now.

        Raises:
            Unauthorized: nobody is signed in, or was and has left, or the key has ended.
            Forbidden: the key does not open pages.
            StoreUnavailable: nobody can judge the session now.
        """
        if session is None or await self._signed_out.has(session.number):
            raise Unauthorized("Sign in first.")
        access = await self.keys.standing(session.key)
        access.require(*PAGES)
        return access

    async def leave(self, session: Session) -> None:
        """Ends a session, wherever its cookie is.

        Raises:
            StoreUnavailable: perhaps it goes on.
        """
        await self._signed_out.add(session.number, self.seals.left_ms(session))

    async def visitor(self, connection: Connection) -> Visitor:
        """Whose request this is.

        Raises:
            Unauthorized, Forbidden, StoreUnavailable: as `admit`.
        """
        session = self.seals.open(connection.cookies.get(SESSION_COOKIE))
        access = await self.admit(session)
        assert session is not None
        self.keys.used(access)
        versions = await self._pulse.now(access.tenant)
        return Visitor(session, access, self.seals.csrf(session), versions)

    def guard(self) -> Callable[[Connection, BaseRouteHandler], Awaitable[None]]:
        """Litestar's guard for the dashboard's routes."""

        async def admit(connection: Connection, handler: BaseRouteHandler) -> None:
            for_everybody = handler.opt.get(OPEN, False)
            state: dict[str, Any] = connection.scope["state"]
            try:
                visitor = await self.visitor(connection)
            except (Unauthorized, Forbidden, StoreUnavailable):
                if not for_everybody:
                    raise
                visitor = None
            else:
                state[VISITOR], state[ACCESS] = visitor, visitor.access
            if isinstance(connection, ApiRequest) and connection.method not in _SAFE:
                await self._refuse_foreign(connection, visitor)

        return admit

    async def _refuse_foreign(self, connection: ApiRequest, visitor: Visitor | None) -> None:
        """Forms come from our own pages and carry the session's token; without a session there is none."""
        if not is_from_here(connection):
            raise Forbidden("This form was not sent from a page of this dashboard.")
        if visitor is None:
            return
        said = (await connection.form()).get(CSRF_FIELD)
        if not isinstance(said, str) or not self.seals.is_csrf(visitor.session, said):
            raise Forbidden("This form is of another session. Go back, reload the page and send it again.")


def is_from_here(connection: Connection) -> bool:
    """Whether the browser says that one of our own pages sent this."""
    headers = connection.headers
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is None:
        return site == "same-origin"
    hosts = {headers.get("host"), headers.get("x-forwarded-host")}  # no page can make a browser send either
    return urlsplit(origin).netloc in hosts - {None}


def visitor_of(request: ApiRequest) -> Visitor:
    """Who is signed in; the guard has put it there."""
    return request.scope["state"][VISITOR]


def is_https(connection: Connection) -> bool:
    """Whether the browser reached us by https, here or at a proxy in front."""
    forwarded = connection.headers.get("x-forwarded-proto", "")
    return connection.scope["scheme"] == "https" or forwarded.split(",")[0].strip() == "https"


def safe_path(said: str | None) -> str:
    """Where to go next: a path of this site, else the first page."""
    if not said or not said.startswith("/") or said.startswith(("//", "/\\")) or not said.isprintable():
        return "/"
    parts = urlsplit(said)
    return said if not parts.scheme and not parts.netloc and "\\" not in said else "/"
