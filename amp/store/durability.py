"""What the store does with what is written to it, and what can be lost in that, in words."""

from typing import Any, Literal

from msgspec import Struct, structs
from redis.exceptions import RedisError

from amp.clock import iso
from amp.store.connection import Store

Mode = Literal["always", "everysec", "no", "snapshots", "memory", "unknown"]
LOSES: dict[Mode, str] = {
    "always": "Nothing that was acknowledged: each answer waits until what it says is on disk.",
    "everysec": "About the last second of what was acknowledged, in a power cut or a crash of the machine; "
    "nothing when only a process ends.",
    "no": "What the operating system has not written yet, often half a minute, in a power cut or a crash of "
    "the machine; nothing when only a process ends.",
    "snapshots": "Everything since the last snapshot, whenever the store's process ends.",
    "memory": "Everything, whenever the store's process ends.",
    "unknown": "Unknown: there is an append-only file, but the store does not tell when it reaches the disk.",
}
_SAFER: tuple[Mode, ...] = ("memory", "snapshots", "unknown", "no", "everysec", "always")
"""What loses most, first."""
_FIX = "CONFIG SET appendonly yes, then CONFIG SET appendfsync always."
_FIXES: dict[Mode, str] = {
    "everysec": "With the store that amp brings: `amp serve --durability always`; with another: "
    "CONFIG SET appendfsync always.",
    "no": "CONFIG SET appendfsync always.",
    "snapshots": _FIX,
    "memory": _FIX,
}


class DurabilityReply(Struct, rename="camel"):
    """How safe what is acknowledged is; on a cluster sizes are of all masters together."""

    mode: Mode
    loses: str
    """What can be lost, in words."""
    fix: str | None
    """What loses nothing; null where nothing is lost."""
    last_write_ok: bool
    """Of the append-only file; true where there is none."""
    file_bytes: int | None
    """Of the append-only file."""
    delayed_fsyncs: int
    """How often a write had to wait for the disk since the store started."""
    last_snapshot_at: str | None
    replicas: int
    """Connected ones; on a cluster those of the master that has fewest."""
    memory_bytes: int
    memory_bytes_max: int | None
    """Null: as much as the machine has."""


async def durability(store: Store) -> DurabilityReply:
    """How safe what is acknowledged is now: of several servers, how safe it is on the least safe.

    Raises:
        StoreUnavailable: there is no answer.
    """
    told = [await _of(node) for node in (await store.nodes()).values()]
    worst = min(told, key=lambda each: _SAFER.index(each.mode))
    if len(told) == 1:
        return worst
    limits = [each.memory_bytes_max for each in told]
    return structs.replace(
        worst,
        last_write_ok=all(each.last_write_ok for each in told),
        file_bytes=sum(each.file_bytes or 0 for each in told) or None,
        delayed_fsyncs=sum(each.delayed_fsyncs for each in told),
        replicas=min(each.replicas for each in told),
        memory_bytes=sum(each.memory_bytes for each in told),
        memory_bytes_max=None if None in limits else sum(filter(None, limits)),
    )


async def _of(store: Store) -> DurabilityReply:
    info, synced, saves = await store.ask_each(
        [("INFO",), ("CONFIG", "GET", "appendfsync"), ("CONFIG", "GET", "save")]
    )
    said = {} if isinstance(info, RedisError) else fields(info)
    mode = _mode(said, _value(synced), _value(saves))
    file = said.get("aof_current_size")
    return DurabilityReply(
        mode=mode,
        loses=LOSES[mode],
        fix=_FIXES.get(mode),
        last_write_ok=said.get("aof_last_write_status", "ok") == "ok",
        file_bytes=int(file) if file else None,
        delayed_fsyncs=int(said.get("aof_delayed_fsync", 0)),
        last_snapshot_at=_moment(said.get("rdb_last_save_time")) if _value(saves) else None,
        replicas=int(said.get("connected_slaves", 0)),
        memory_bytes=int(said.get("used_memory", 0)),
        memory_bytes_max=int(said.get("maxmemory", 0)) or None,
    )


def fields(info: bytes) -> dict[str, str]:
    """What INFO says, by name."""
    lines = (line.partition(":") for line in info.decode().splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in lines}


def _mode(said: dict[str, str], synced: str | None, saves: str | None) -> Mode:
    if said.get("aof_enabled") == "1":
        match synced:
            case "always" | "everysec" | "no":
                return synced
            case _:
                return "unknown"
    return "snapshots" if saves else "memory"


def _value(reply: Any) -> str | None:
    """Of CONFIG GET; None where the store does not tell."""
    pair: list[bytes] = [] if isinstance(reply, RedisError) else reply
    return pair[1].decode() if len(pair) == 2 else None


def _moment(seconds: str | None) -> str | None:
    return iso(int(seconds) * 1000) if seconds else None
