"""Whether a store may hold what nobody wants to lose; each refusal has its one-line fix."""

import asyncio
import re
from typing import NamedTuple

from amp.errors import StoreUnavailable
from amp.store.cluster_slots import SLOTS
from amp.store.connection import WAYS, Store
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


_AWAY = Check("store", False, "no answer", "Start the store, or correct AMP_REDIS.")
_HALF_RESTORED = Check("restore", False, "not at its end", "Run the same amp restore again.")


async def check(store: Store) -> list[Check]:
    """Every check, or only that the store does not answer; of several servers the first that fails it."""
    try:
        nodes = await store.nodes()
        half = await _half_restored(store)
    except StoreUnavailable:
        return [_AWAY]
    checked = {address: await _checked(node) for address, node in nodes.items()}
    found: dict[str, Check] = {}
    for address, checks in checked.items():
        for each in checks:
            if each.name not in found or (found[each.name].ok and not each.ok):
                at = f"{address}: {each.found}" if address and not each.ok else each.found
                found[each.name] = each._replace(found=at)
    of_all = [] if "" in nodes else await _cluster(store, len(nodes))
    return [*found.values(), *of_all, *([_HALF_RESTORED] if half else [])]


async def _half_restored(store: Store) -> bool:
    """Asked over every line: a store that takes one and refuses another is not ready."""
    asked = (store.ask_apart([("EXISTS", RESTORING)], way=way) for way in range(WAYS))
    found = [reply for replies in await asyncio.gather(*asked) for reply in replies]
    if any(isinstance(reply, Exception) for reply in found):
        raise StoreUnavailable
    return any(found)


async def _cluster(store: Store, masters: int) -> list[Check]:
    """Whether every slot is served."""
    try:
        told = fields(await store.ask("CLUSTER", "INFO"))
    except StoreUnavailable:
        return []  # said already
    served = int(told.get("cluster_slots_ok", 0))
    return [
        Check(
            "cluster",
            served == SLOTS,
            f"{masters} masters, {served} of {SLOTS} slots served",
            "Give the slots that nobody serves a master: CLUSTER SHARDS shows whose they were.",
        )
    ]


async def _checked(store: Store) -> list[Check]:
    """Of one server."""
    try:
        info = fields(await store.ask("INFO"))
        libraries = await store.ask("FUNCTION", "LIST", "LIBRARYNAME", "amp_*")
    except StoreUnavailable:
        return [_AWAY]
    return [*judged(info, len(libraries)), *_replicas(info, store.ack_replicas)]


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
