"""One-time sign-in links: each opens what one API key opens, once and for a few minutes.

The store keeps only the token's digest, so that nobody who reads it can sign in with what is there.
"""

import hashlib
import secrets
from importlib.resources import files

import msgspec

from amp.clock import Clock, now_ms
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.keys import sign_in_link

LIBRARY = files("amp.store").joinpath("links.lua").read_text()
LASTS_MS = 10 * 60 * 1000


class _Kept(msgspec.Struct):
    """What a link opens, and until when: a clock that jumps may lengthen its key's life, not this."""

    key: bytes
    expires_ms: int


class Links:
    """Makes and takes one-time links."""

    def __init__(self, store: Store, *, clock: Clock = now_ms) -> None:
        self._functions = Functions(store, [LIBRARY])
        self._clock = clock

    async def make(self, digest: bytes, *, lasts_ms: int = LASTS_MS) -> str:
        """A token that opens, once, what the API key of this digest opens.

        Raises:
            StoreUnavailable: no link was made that anyone knows of.
        """
        token = secrets.token_urlsafe(32)
        kept = msgspec.json.encode(_Kept(digest, self._clock() + lasts_ms))
        await self._functions.call(Call("amp_links_put_v1", (_name(token),), (kept, lasts_ms)))
        return token

    async def take(self, token: str) -> bytes | None:
        """The digest of the key that it opens; None when it was used, is too old, or never was.

        Raises:
            StoreUnavailable: nobody knows whether it is used up.
        """
        raw: bytes | None = await self._functions.call(Call("amp_links_take_v1", (_name(token),), ()))
        if raw is None:
            return None
        kept = msgspec.json.decode(raw, type=_Kept)
        return kept.key if self._clock() < kept.expires_ms else None


def _name(token: str) -> bytes:
    return sign_in_link(hashlib.sha256(token.encode()).hexdigest())
