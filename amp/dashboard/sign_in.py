"""Signing in by key or by a one-time link, signing out, and light or dark."""

import hashlib
from contextlib import suppress
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from amp.dashboard.pages import THEMES, page, see_other
from amp.dashboard.session import LASTS_MS
from amp.dashboard.visitors import (
    OPEN,
    PAGES,
    SESSION_COOKIE,
    THEME_COOKIE,
    VISITOR,
    Door,
    is_https,
    safe_path,
)
from amp.errors import Forbidden, RateLimitExceeded, Unauthorized
from amp.http.limits import RateLimit
from amp.http.requests import ApiRequest
from amp.store.links import Links

FAILURES_A_MINUTE = 10
"""From one address; then a minute of rest."""
TheDoor = NamedDependency[Door]
TheFailures = NamedDependency[RateLimit]
_YEAR_S = 365 * 86_400


class SignIn(Controller):
    """The door; open to everybody."""

    include_in_schema = False
    opt = {OPEN: True}  # noqa: RUF012  Litestar's way

    @get("/sign-in")
    async def ask(self, request: ApiRequest) -> Response[bytes]:
        back = safe_path(request.query_params.get("next"))
        if VISITOR in request.scope["state"]:
            return see_other(back)
        return _form(request, back)

    @post("/sign-in", status_code=303)
    async def by_key(self, request: ApiRequest, door: TheDoor, failures: TheFailures) -> Response[bytes]:
        sent = await _fields(request)
        back, key = safe_path(sent.get("next")), sent.get("key", "").strip()
        try:
            await failures.refuse_spent(_address(request))
            return await _enter(request, door, door.keys.digest(key.encode()), back)
        except RateLimitExceeded as error:
            return _form(request, back, error, "Too many failed attempts from your address. Wait a minute.")
        except Forbidden as error:
            said = f"This key lacks the permission '{PAGES[0]}', which pages need."
            return _form(request, back, error, said)
        except Unauthorized as error:
            with suppress(RateLimitExceeded):
                await failures.count(_address(request), without_store=False)
            return _form(request, back, error, error.message)

    @get("/sign-in/link/{token:str}")
    async def by_link(
        self, request: ApiRequest, token: FromPath[str], door: TheDoor, links: NamedDependency[Links]
    ) -> Response[bytes]:
        """Who opened the link themselves is in; who comes from elsewhere has to say so first."""
        headers = request.headers
        if headers.get("sec-fetch-site") == "none" and "sec-purpose" not in headers:
            return await _use(request, token, door, links)
        return page(request, "link.html", token=token)

    @post("/sign-in/link/{token:str}", status_code=303)
    async def by_button(
        self, request: ApiRequest, token: FromPath[str], door: TheDoor, links: NamedDependency[Links]
    ) -> Response[bytes]:
        return await _use(request, token, door, links)

    @post("/sign-out", status_code=303)
    async def leave(self, request: ApiRequest, door: TheDoor) -> Response[bytes]:
        visitor = request.scope["state"].get(VISITOR)
        if visitor is not None:
            await door.leave(visitor.session)
        answer = see_other("/sign-in")
        answer.delete_cookie(SESSION_COOKIE, path="/")
        return answer

    @post("/theme", status_code=303)
    async def theme(self, request: ApiRequest) -> Response[bytes]:
        sent = await _fields(request)
        answer = see_other(safe_path(sent.get("back")))
        chosen = sent.get("theme", THEMES[0])
        if chosen in THEMES:
            _set(request, answer, THEME_COOKIE, chosen, _YEAR_S)
        return answer


def _form(request: ApiRequest, back: str, error: Any = None, said: str | None = None) -> Response[bytes]:
    answer = page(
        request, "sign_in.html", status=error.status if error else 200, next=back, said=said, error=error
    )
    if error is not None and error.retry_after_s is not None:
        answer.headers["retry-after"] = str(error.retry_after_s)
    return answer


async def _use(request: ApiRequest, token: str, door: Door, links: Links) -> Response[bytes]:
    """Once only, whatever comes of it."""
    digest = await links.take(token)
    try:
        if digest is not None:
            return await _enter(request, door, digest, "/")
    except (Unauthorized, Forbidden):  # the link's key has ended meanwhile
        pass
    said = "This link was used before, or is older than ten minutes. Make another with `amp dashboard link`."
    return _form(request, "/", Unauthorized(said), said)


async def _enter(request: ApiRequest, door: Door, digest: bytes, back: str) -> Response[bytes]:
    """Begins a session of this key.

    Raises:
        Unauthorized, Forbidden, StoreUnavailable: see `Door.admit`.
    """
    session = door.seals.fresh(digest)
    await door.admit(session)
    answer = see_other(back)
    _set(request, answer, SESSION_COOKIE, door.seals.seal(session), LASTS_MS // 1000)
    return answer


def _set(request: ApiRequest, answer: Response[Any], name: str, value: str, age_s: int) -> None:
    answer.set_cookie(
        key=name,
        value=value,
        max_age=age_s,
        path="/",
        httponly=True,
        samesite="strict",
        secure=is_https(request),
    )


async def _fields(request: ApiRequest) -> dict[str, str]:
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _address(request: ApiRequest) -> str:
    """Whom failures are counted for: the address that connects to us, which nobody can forge."""
    client = request.client
    return "sign-in-" + hashlib.sha256((client.host if client else "").encode()).hexdigest()[:16]
