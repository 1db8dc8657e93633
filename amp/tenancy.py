"""Whose data a call may touch, and what it may do there. A `Tenant` is made from a key, nowhere else."""

import re
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from amp.errors import Forbidden, InvalidParameter

Env = Literal["live", "test"]
ENVS: tuple[Env, ...] = ("live", "test")
SCOPES = ("context", "outcome", "profile", "meter", "ledger", "sessions", "worker", "read", "admin")
ALL_SCOPES = "all"
DEFAULT_SCOPES = ("context", "outcome", "profile", "ledger", "sessions")

_NAME = re.compile(r"[a-z0-9-]{1,32}")


class Tenant(Struct, frozen=True):
    """One tenant's data in one environment; test data never meets live data."""

    name: str
    env: Env

    @property
    def tag(self) -> str:
        """The tenant's part of every key name."""
        return f"{self.name}:{self.env}"


@dataclass(frozen=True, slots=True)
class Access:
    """What one key opens."""

    key_id: str
    tenant: Tenant
    scopes: frozenset[str]
    environment: str | None = None
    """The one environment of sessions whose work a worker's key may do."""

    def has(self, *any_of: str) -> bool:
        """Whether the key has one of these scopes (or `all`)."""
        return ALL_SCOPES in self.scopes or not self.scopes.isdisjoint(any_of)

    def require(self, *any_of: str) -> None:
        """Raises `Forbidden` unless the key has one of these scopes (or `all`)."""
        if not self.has(*any_of):
            raise Forbidden(f"This key lacks the permission '{any_of[0]}'.", details={"scope": any_of[0]})


def tenant(name: str, env: str) -> Tenant:
    """A checked tenant.

    Raises:
        InvalidParameter: the name is not 1 to 32 of a-z, 0-9 and '-', or the environment is unknown.
    """
    if not _NAME.fullmatch(name):
        raise InvalidParameter("tenant", "must be 1 to 32 characters of a-z, 0-9 and '-'")
    for known in ENVS:
        if env == known:
            return Tenant(name, known)
    raise InvalidParameter("env", f"must be one of {', '.join(ENVS)}")


def scopes(names: tuple[str, ...]) -> tuple[str, ...]:
    """Checked scopes, each once, in their order.

    Raises:
        InvalidParameter: one is unknown, or there is none.
    """
    if not names:
        raise InvalidParameter("scopes", "at least one is needed")
    for name in names:
        if name not in SCOPES and name != ALL_SCOPES:
            known = ", ".join((*SCOPES, ALL_SCOPES))
            raise InvalidParameter("scopes", f"{name!r} is unknown; known are {known}")
    return tuple(dict.fromkeys(names))
