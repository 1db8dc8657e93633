"""Who calls: from the key in the headers to the tenant and what the key opens."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from amp.errors import Forbidden, StoreUnavailable, Unauthorized
from amp.http import problems
from amp.http.limits import RateLimit
from amp.http.requests import ACCESS, CALLER, LIMIT_TOLD, STILL, WITHOUT_STORE
from amp.store.keyring import KeyTable
from amp.store.uses import Uses
from amp.tenancy import Access

_BEARER = b"bearer "
_API_KEY = b"x-api-key"
_AUTHORIZATION = b"authorization"


class Gate:
    """Lets a request in, or says why not. The key alone says which tenant's data it may touch."""

    def __init__(self, keys: KeyTable, limit: RateLimit, uses: Uses | None = None) -> None:
        self._keys = keys
        self._uses = uses
        self.limit = limit

    async def admit(self, key: bytes | None, scopes: tuple[str, ...]) -> Access:
        """What the caller's key opens, once it is known to open one of `scopes`; nothing is counted yet.

        Raises:
            Unauthorized: no key, or one that is not good.
            Forbidden: the key lacks the permission.
            StoreUnavailable: nobody can judge the key now.
        """
        if key is None:
            raise Unauthorized("Send your API key as `Authorization: Bearer amp_sk_...`.")
        access = await self._keys.admit(key)
        try:
            access.require(*scopes)
        except Forbidden as error:
            self.turned(access, error.status)
            raise
        return access

    async def still(self, key: bytes) -> bool:
        """Whether a key that was let in is good; while nobody can judge it, it is."""
        try:
            await self._keys.standing(self._keys.digest(key))
        except Unauthorized:
            return False
        except StoreUnavailable:
            return True
        return True

    def turned(self, access: Access | None, status: int) -> None:
        """Remembers that a caller who was let in got this status instead of what was asked for."""
        if self._uses and access is not None:
            self._uses.turned(access.tenant, status)


def key_in(headers: Iterable[tuple[bytes, bytes]], path: str) -> bytes | None:
    """The key that was sent: as a bearer; to ledger and sessions also as `x-api-key`, which then counts."""
    key = None
    for name, value in headers:
        if name == _AUTHORIZATION and value[:7].lower() == _BEARER:
            key = value[7:].strip()
        elif name == _API_KEY and (problems.of_ledger(path) or problems.of_sessions(path)):
            return value.strip()
    return key


def guard(gate: Gate) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]:
    """Litestar's guard for every route whose `opt` names scopes; the others are open."""

    async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        scopes = handler.opt.get("scopes")
        if scopes:
            key, state = (
                key_in(connection.scope["headers"], connection.scope["path"]),
                connection.scope["state"],
            )
            access = state[CALLER] = await gate.admit(key, scopes)
            if key is not None:
                state[STILL] = partial(gate.still, key)
            told: problems.Headers | None = None
            if problems.of_ledger(connection.scope["path"]):
                told = state.setdefault(LIMIT_TOLD, [])
            without_store = handler.opt.get(WITHOUT_STORE, False)
            await gate.limit.count(access.key_id, without_store=without_store, told=told)
            state[ACCESS] = access

    return admit
