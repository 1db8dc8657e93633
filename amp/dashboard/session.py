"""A session: which API key signed in, and until when, sealed in a cookie.

The cookie names the key by its digest, from which nobody gets the key back; tenant, environment and scopes
are looked up in the key table at each request, so that a session never outlives what its key may do.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from amp.clock import Clock, now_ms

LASTS_MS = 12 * 3600 * 1000
NONCE_BYTES = 12


class Session(NamedTuple):
    """Somebody who signed in."""

    key: bytes
    """The digest of the API key."""
    expires_ms: int
    number: str
    """Chance: no two sessions have the same, even of one key."""


class Seals:
    """Seals and opens cookies, with keys derived from the service's secret."""

    def __init__(self, secret: bytes, *, clock: Clock = now_ms) -> None:
        self._sealer = AESGCM(_derived(secret, b"amp dashboard session"))
        self._csrf = _derived(secret, b"amp dashboard csrf")
        self._clock = clock

    def fresh(self, key: bytes) -> Session:
        """A session that begins now."""
        return Session(key, self._clock() + LASTS_MS, secrets.token_urlsafe(16))

    def seal(self, session: Session) -> str:
        """The session as a cookie."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._sealer.encrypt(nonce, msgspec.json.encode(session), None)
        return urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None when it is over, or is not ours."""
        if not cookie:
            return None
        try:
            raw = urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
            body = self._sealer.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None)
            session = msgspec.json.decode(body, type=Session)
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            return None
        return self.still(session)

    def still(self, session: Session) -> Session | None:
        """The session, unless it is over."""
        return session if self._clock() < session.expires_ms else None

    def left_ms(self, session: Session) -> int:
        """How long the session would last."""
        return session.expires_ms - self._clock()

    def csrf(self, session: Session) -> str:
        """What every form of this session carries."""
        digest = hmac.digest(self._csrf, session.number.encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")

    def is_csrf(self, session: Session, said: str) -> bool:
        """Whether a form carries what it should; compared in constant time."""
        return hmac.compare_digest(self.csrf(session).encode(), said.encode())


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, purpose).derive(secret)
