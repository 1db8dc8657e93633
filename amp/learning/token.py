"""The requestId: a sealed token that carries the decision, so that deciding writes nothing.

AES-GCM under a key derived by HKDF for one tenant, environment and day: forged or foreign ids do not open,
and nobody can read the user in it. Source: architecture.md, "`requestId` is a sealed token".
"""

import struct
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from amp.errors import InvalidRequestId
from amp.learning.rows import (
    CONTROL,
    DEGRADED,
    EXPLORED,
    FLOORED,
    LEVEL_MASK,
    SHADOW,
    Decision,
    task_hash,
)
from amp.tenancy import Tenant

PREFIX = "req_"
IV_BYTES = 12
DAY_MS = 86_400_000

_DAY = struct.Struct("<H")
_BODY = struct.Struct("<BIHHHIBBH")
_PLAIN, _MORE = 1, 2
"""Versions of the body; in the second `_beside` stands before the names."""
_SHADOW = struct.Struct("<H")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Sealer:
    """Seals and opens requestIds with keys derived from the service's secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = lru_cache(maxsize=1024)(self._derive)

    def seal(self, tenant: Tenant, decision: Decision, user: str, task_type: str, iv: bytes) -> str:
        """The requestId; `iv` is `IV_BYTES` fresh random bytes whose first eight are the nonce."""
        task, beside = task_type.encode(), _beside(decision)
        body = (
            _BODY.pack(
                _MORE if beside else _PLAIN,
                decision.decided_ms & 0xFFFFFFFF,
                decision.decided_ms >> 32,
                decision.combination,
                decision.policy_version,
                decision.prior_version,
                decision.circumstance,
                decision.hour,
                len(task),
            )
            + beside
            + task
            + user.encode()
        )
        day = decision.decided_ms // DAY_MS
        sealed = self._cipher(tenant, day).encrypt(iv, body, None)
        return _encode(_DAY.pack(day) + iv + sealed)

    def open(self, tenant: Tenant, request_id: str) -> tuple[Decision, str, str]:
        """The decision, its user and its task type.

        Raises:
            InvalidRequestId: unknown, forged, or another tenant's.
        """
        try:
            raw = urlsafe_b64decode(request_id.removeprefix(PREFIX) + "==")
            (day,) = _DAY.unpack_from(raw)
            iv = raw[_DAY.size : _DAY.size + IV_BYTES]
            body = self._cipher(tenant, day).decrypt(iv, raw[_DAY.size + IV_BYTES :], None)
        except (ValueError, struct.error, InvalidTag) as error:
            raise unknown() from error
        # base64 has more than one spelling
        if body[0] not in {_PLAIN, _MORE} or _encode(raw) != request_id:
            raise unknown()
        return _decision(iv, body)

    def _derive(self, tenant: Tenant, day: int) -> AESGCM:
        info = f"amp requestId {tenant.tag} {day}".encode()
        return AESGCM(HKDF(SHA256(), 32, None, info).derive(self._secret))


def unknown() -> InvalidRequestId:
    """One refusal for every id that does not open, so that it tells nothing."""
    return InvalidRequestId("requestId is not one that this service gave to this key.")


def _encode(raw: bytes) -> str:
    return PREFIX + b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=").decode()


def _beside(decision: Decision) -> bytes:
    """What the row has no place for: the mask of exclusions after its length, then what a shadow hides."""
    if not decision.excluded and decision.shadow is None:
        return b""
    mask = decision.excluded.to_bytes((decision.excluded.bit_length() + 7) // 8, "little")
    return bytes([len(mask)]) + mask + (b"" if decision.shadow is None else _SHADOW.pack(decision.shadow))


def _decision(iv: bytes, body: bytes) -> tuple[Decision, str, str]:
    version, low, high, combination, policy, prior, bits, hour, task_bytes = _BODY.unpack_from(body)
    names, excluded, shadow = body[_BODY.size :], 0, None
    if version == _MORE:
        end = 1 + names[0]
        excluded = int.from_bytes(names[1:end], "little")
        if bits & SHADOW:
            (shadow,) = _SHADOW.unpack_from(names, end)
            end += _SHADOW.size
        names = names[end:]
    task_type = names[:task_bytes].decode()
    decision = Decision(
        nonce=int.from_bytes(iv[:8], "little"),
        decided_ms=(high << 32) | low,
        combination=combination,
        task_hash=task_hash(task_type),
        level=bits & LEVEL_MASK,
        hour=hour,
        policy_version=policy,
        prior_version=prior,
        control=bool(bits & CONTROL),
        floored=bool(bits & FLOORED),
        explored=bool(bits & EXPLORED),
        degraded=bool(bits & DEGRADED),
        excluded=excluded,
        shadow=shadow,
    )
    return decision, names[task_bytes:].decode(), task_type
