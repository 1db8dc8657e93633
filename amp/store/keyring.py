"""API keys: made once, shown once, kept as HMAC-SHA256 under a pepper; every worker holds the table."""

import asyncio
import hmac
import secrets
from contextlib import suppress
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import msgspec

from amp import tenancy
from amp.clock import Clock, now_ms
from amp.errors import InvalidParameter, KeyExpired, NotFound, StoreUnavailable, Unauthorized
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.keys import KEYRING, KEYRING_VERSION
from amp.store.uses import Uses
from amp.tenancy import SCOPES, Access, Tenant

__all__ = ["LIBRARY", "SCOPES", "KeyRecord", "KeyTable", "Keyring", "pepper"]

LIBRARY = files("amp.store").joinpath("keyring.lua").read_text()
_KEYS = (KEYRING, KEYRING_VERSION)
POLL_S = 0.25
UNKNOWN_MS = 1000
UNKNOWN_MAX = 10_000
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH, _SECRET_LENGTH = 8, 43  # 43 base62 digits hold 256 bits; the first eight are the public id


KeyFormat = Literal["amp", "rev"]
"""How a key is spelled: amp_sk_<env>_..., or rev_sk_<tenant>_... as clients of the ledger take it apart."""


class KeyRecord(msgspec.Struct, frozen=True):
    """What is kept of a key: everything but the key."""

    id: str
    tenant: str
    env: str
    scopes: tuple[str, ...]
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None
    format: KeyFormat = "amp"
    environment: str | None = None
    """Of a worker's key."""


def pepper(secret: str) -> bytes:
    """The key of the HMAC under which API keys are stored."""
    return hmac.digest(secret.encode(), b"amp api keys", "sha256")


class Keyring:
    """Makes, lists and ends keys."""

    def __init__(self, store: Store, pepper: bytes, *, clock: Clock = now_ms) -> None:
        self._store = store
        self._pepper = pepper
        self._clock = clock
        self._functions = Functions(store, [LIBRARY])
        self.digest = lru_cache(maxsize=4096)(self._digest)
        """The name under which a key is kept."""

    async def create(
        self,
        *,
        tenant: str,
        env: str,
        scopes: tuple[str, ...],
        expires_ms: int | None,
        spelled: KeyFormat = "amp",
        environment: str | None = None,
    ) -> tuple[str, KeyRecord]:
        """The new key, which nobody can show again, and its record.

        Raises:
            InvalidParameter: a bad tenant, environment, scope or expiry.
            StoreUnavailable: no key was made that anyone knows of.
        """
        owner = tenancy.tenant(tenant, env)
        key, record = self._fresh(owner, tenancy.scopes(scopes), expires_ms, spelled)
        record = msgspec.structs.replace(record, environment=environment)
        pair = (self.digest(key.encode()), msgspec.json.encode(record))
        await self._functions.call(Call("amp_keyring_put_v1", _KEYS, pair))
        return key, record

    def _fresh(
        self, owner: Tenant, scopes: tuple[str, ...], expires_ms: int | None, spelled: KeyFormat
    ) -> tuple[str, KeyRecord]:
        prefix = f"amp_sk_{owner.env}" if spelled == "amp" else f"rev_{_kind(scopes)}_{owner.name}"
        digits = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
        record = KeyRecord(
            id=digits[:_ID_LENGTH],
            tenant=owner.name,
            env=owner.env,
            scopes=scopes,
            created_ms=self._clock(),
            expires_ms=expires_ms,
            format=spelled,
        )
        if expires_ms is not None and expires_ms <= record.created_ms:
            raise InvalidParameter("expires", "must lie in the future")
        return f"{prefix}_{digits}", record

    async def all(self) -> list[KeyRecord]:
        """Every key ever made, oldest first."""
        return sorted((await self.table()).values(), key=lambda record: record.created_ms)

    async def revoke(self, key_id: str) -> KeyRecord:
        """Ends a key; every worker refuses it within a second. Revoking twice changes nothing.

        Raises:
            NotFound: no key has this id.
        """
        digest, raw = await self._find(key_id)
        record = _decode(raw)
        if record.revoked_ms is not None:
            await self._store.prove(KEYRING)
            return record
        ended = msgspec.structs.replace(record, revoked_ms=self._clock())
        if await self._change((digest, raw), (digest, msgspec.json.encode(ended))):
            return ended
        return await self.revoke(key_id)  # somebody else ended it: a record changes only once

    async def rotate(self, key_id: str) -> tuple[str, KeyRecord]:
        """A new key with the same rights; the old one ends, in one step.

        Raises:
            NotFound: no key has this id.
            InvalidParameter: the key has ended already, or its time is over.
            StoreUnavailable: nobody knows. If the old key has ended, so has all hope of seeing the new one:
                it is in the list, for revoking.
        """
        digest, raw = await self._find(key_id)
        old = _decode(raw)
        if old.revoked_ms is not None:
            raise InvalidParameter("id", "this key is revoked; create a new one")
        key, fresh = self._fresh(tenancy.tenant(old.tenant, old.env), old.scopes, old.expires_ms, old.format)
        fresh = msgspec.structs.replace(fresh, environment=old.environment)
        ended = msgspec.structs.replace(old, revoked_ms=fresh.created_ms)
        pairs = (digest, msgspec.json.encode(ended), self.digest(key.encode()), msgspec.json.encode(fresh))
        if await self._change((digest, raw), pairs):
            return key, fresh
        return await self.rotate(key_id)  # somebody else ended it, which is now said

    def _digest(self, key: bytes) -> bytes:
        return hmac.digest(self._pepper, key, "sha256")

    async def digest_of(self, key_id: str) -> bytes:
        """The digest of the key of this id.

        Raises:
            NotFound: no key has this id.
        """
        return (await self._find(key_id))[0]

    async def find(self, digest: bytes) -> KeyRecord | None:
        """One record, from the store."""
        raw = await self._store.ask("HGET", KEYRING, digest)
        return _decode(raw) if raw else None

    async def version(self) -> int:
        """Moves with every change of the table."""
        return int(await self._store.ask("GET", KEYRING_VERSION) or 0)

    async def table(self) -> dict[bytes, KeyRecord]:
        """Every record by its digest."""
        flat: list[bytes] = await self._store.ask("HGETALL", KEYRING)
        return {digest: _decode(record) for digest, record in zip(flat[::2], flat[1::2], strict=True)}

    async def _find(self, key_id: str) -> tuple[bytes, bytes]:
        """A key's digest and its record as it lies in the store."""
        flat: list[bytes] = await self._store.ask("HGETALL", KEYRING)
        for digest, raw in zip(flat[::2], flat[1::2], strict=True):
            if _decode(raw).id == key_id:
                return digest, raw
        raise NotFound(f"No key has the id {key_id!r}; `amp keys list` shows them.")

    async def _change(self, read: tuple[bytes, bytes], pairs: tuple[bytes, ...]) -> bool:
        """Puts these records if the one that was read is still what the store has."""
        return bool(await self._functions.call(Call("amp_keyring_change_v1", _KEYS, (*read, *pairs))))


class KeyTable:
    """What a worker knows of the keys: the whole table, at most `POLL_S` old while the store answers.

    Without the store, keys that are known stay valid and unknown ones cannot be judged.
    """

    def __init__(self, keyring: Keyring, *, uses: Uses | None = None, clock: Clock = now_ms) -> None:
        self._keyring = keyring
        self._uses = uses
        self._clock = clock
        self._records: dict[bytes, tuple[KeyRecord, Access]] = {}
        self._unknown: dict[bytes, int] = {}
        self._version = -1

    async def admit(self, key: bytes) -> Access:
        """What this key opens.

        Raises:
            Unauthorized: nobody made this key, or it was revoked.
            KeyExpired: its time is over.
            StoreUnavailable: the key is new here and the store does not answer.
        """
        access = await self.standing(self._keyring.digest(key))
        self.used(access)
        return access

    def used(self, access: Access) -> None:
        """Somebody was let in by this key, here or at a door of their own."""
        if self._uses:
            self._uses.used(access.key_id)

    def digest(self, key: bytes) -> bytes:
        """The name under which a key is kept: who holds it may ask for `standing`, and cannot call."""
        return self._keyring.digest(key)

    async def standing(self, digest: bytes) -> Access:
        """What the key of this digest opens now.

        Raises:
            Unauthorized, KeyExpired, StoreUnavailable: as `admit`.
        """
        known = self._records.get(digest) or await self._learn(digest)
        record, access = known
        if record.revoked_ms is not None:
            raise Unauthorized("This API key was revoked.")
        if record.expires_ms is not None and record.expires_ms <= self._clock():
            raise KeyExpired("This API key has expired.")
        return access

    def of(self, tenant: Tenant) -> list[KeyRecord]:
        """The tenant's keys, ended ones too, the newest first; as fresh as the table."""
        records = [record for record, access in self._records.values() if access.tenant == tenant]
        return sorted(records, key=lambda record: (record.created_ms, record.id), reverse=True)

    async def poll(self) -> None:
        """Follows the table until cancelled."""
        while True:
            with suppress(StoreUnavailable):
                await self.refresh()
            await asyncio.sleep(POLL_S)

    async def refresh(self) -> None:
        """Reads the table if it has changed."""
        version = await self._keyring.version()
        if version != self._version:
            table = await self._keyring.table()
            self._records = {digest: (record, _access(record)) for digest, record in table.items()}
            self._version = version

    async def _learn(self, digest: bytes) -> tuple[KeyRecord, Access]:
        now = self._clock()
        asked_ms = self._unknown.get(digest)
        if asked_ms is None or now - asked_ms >= UNKNOWN_MS:
            record = await self._keyring.find(digest)
            if record is not None:
                self._records[digest] = (record, _access(record))
                return self._records[digest]
            if len(self._unknown) >= UNKNOWN_MAX:
                self._unknown.clear()
            self._unknown[digest] = now
        raise Unauthorized("This API key is unknown.")


def _kind(scopes: tuple[str, ...]) -> str:
    """What a client of the ledger reads in a key of these scopes: may write, only meter, or only read.

    Raises:
        InvalidParameter: they open nothing of the ledger.
    """
    if scopes in {("meter",), ("read",)}:
        return scopes[0][0] + "k"
    if "ledger" in scopes or tenancy.ALL_SCOPES in scopes:
        return "sk"
    raise InvalidParameter("scopes", "of a key for the ledger must be meter, read, or hold ledger")


def _access(record: KeyRecord) -> Access:
    owner = tenancy.tenant(record.tenant, record.env)
    return Access(record.id, owner, frozenset(record.scopes), record.environment)


def _decode(raw: bytes) -> KeyRecord:
    return msgspec.json.decode(raw, type=KeyRecord)
