"""Whether a store may hold what nobody wants to lose; each refusal has its one-line fix."""

import re
from typing import NamedTuple

from amp.errors import StoreUnavailable
from amp.store.connection import Store
from amp.store.durability import fields
from amp.store.keys import RESTORING

VERSION_MIN = (7, 0)
REPLICAS = "replicas"


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    fix: str


_HALF_RESTORED = Check("restore", False, "not at its end", "Run the same amp restore again.")


async def check(store: Store) -> list[Check]:
    """Every check, or only that the store does not answer."""
    try:
        info = fields(await store.ask("INFO"))
        libraries = await store.ask("FUNCTION", "LIST", "LIBRARYNAME", "amp_*")
        half = await store.ask("EXISTS", RESTORING)
    except StoreUnavailable:
        return [Check("store", False, "no answer", "Start the store, or correct AMP_REDIS.")]
    return [
        *judged(info, len(libraries)),
        *_replicas(info, store.ack_replicas),
        *([_HALF_RESTORED] if half else []),
    ]


def judged(info: dict[str, str], libraries: int) -> list[Check]:
    """What a store that answers INFO so, and has so many libraries of ours, is fit for."""
    version = info.get("redis_version", "0")
    policy = info.get("maxmemory_policy", "noeviction")
    return [
        Check("store", True, server_name(info), ""),
        Check("version", _numbers(version) >= VERSION_MIN, version, "Use Redis 7.0 or Valkey 7.2, or newer."),
        Check("functions", libraries > 0, f"{libraries} libraries", "Restart a worker: it loads them."),
        Check(
            "eviction",
            policy == "noeviction",
            policy,
            "CONFIG SET maxmemory-policy noeviction: any other policy deletes histories.",
        ),
        Check(
            "persistence",
            info.get("aof_enabled") == "1",
            "append-only file" if info.get("aof_enabled") == "1" else "no append-only file",
            "CONFIG SET appendonly yes, and appendfsync always: else a crash loses outcomes.",
        ),
    ]


def _replicas(info: dict[str, str], asked: int) -> list[Check]:
    """Whether there are as many as have to acknowledge; nothing to say when none has to."""
    if not asked:
        return []
    online = sum(
        re.fullmatch(r"slave\d+", name) is not None and "state=online" in said for name, said in info.items()
    )
    fix = (
        f"Connect {asked - online} more (REPLICAOF), or set AMP_ACK_REPLICAS={online}: "
        "until then every write is refused."
    )
    return [Check(REPLICAS, online >= asked, f"{online} online, {asked} must acknowledge", fix)]


def server_name(info: dict[str, str]) -> str:
    """Valkey also tells which Redis it is compatible with: that one is checked, its own is shown."""
    valkey = info.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {info.get('redis_version', '')}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
