"""Who calls: from the Authorization header to the tenant and what the key opens."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from amp.errors import Unauthorized
from amp.http.limits import RateLimit
from amp.http.requests import ACCESS, WITHOUT_STORE
from amp.store.keyring import KeyTable
from amp.tenancy import Access

_BEARER = b"bearer "


class Gate:
    """Lets a request in, or says why not. The key alone says which tenant's data it may touch."""

    def __init__(self, keys: KeyTable, limit: RateLimit) -> None:
        self._keys = keys
        self.limit = limit

    async def admit(self, authorization: bytes | None, scopes: tuple[str, ...]) -> Access:
        """What the caller's key opens, once it is known to open one of `scopes`; nothing is counted yet.

        Raises:
            Unauthorized: no key, or one that is not good.
            Forbidden: the key lacks the permission.
            StoreUnavailable: nobody can judge the key now.
        """
        if not authorization or authorization[:7].lower() != _BEARER:
            raise Unauthorized("Send your API key as `Authorization: Bearer amp_sk_...`.")
        access = await self._keys.admit(authorization[7:].strip())
        access.require(*scopes)
        return access


def guard(gate: Gate) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]:
    """Litestar's guard for every route whose `opt` names scopes; the others are open."""

    async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        scopes = handler.opt.get("scopes")
        if scopes:
            authorization = connection.headers.get("authorization")
            sent = authorization.encode("latin-1") if authorization else None
            access = await gate.admit(sent, scopes)
            await gate.limit.count(access.key_id, without_store=handler.opt.get(WITHOUT_STORE, False))
            connection.scope["state"][ACCESS] = access

    return admit
