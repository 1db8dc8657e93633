"""What a server's own words say of how safe and how well it is: readiness, and what becomes trouble later."""

import re
from collections.abc import Mapping

from amp.store.durability import LOSES
from amp.store.finding import Finding, ago, fail, ok, size, unknown, warn
from amp.store.readiness import judged, server_name
from amp.store.told import Told

MEMORY_WARN, MEMORY_FAIL = 0.75, 0.9
CLIENTS_WARN = 0.8
LAG_WARN_S, LAG_FAIL_S = 2, 10
CLOCK_WARN_MS, CLOCK_FAIL_MS = 1000, 60_000
_NEEDED = {"version": "redis_version", "eviction": "maxmemory_policy", "persistence": "aof_enabled"}
"""What INFO has to hold for a check of readiness to say anything."""
_REPLICA = re.compile(r"slave\d+")


def findings(told: Told, durability: str, ack_replicas: int = 0) -> list[Finding]:
    """Every check of one server, against the durability and the acknowledgements that were asked for."""
    if not told.info:
        why = f"the store refuses INFO ({told.refusals.get('INFO', 'it says nothing')})"
        names = ("version", "persistence", "fsync", "writes to disk", "eviction", "memory", "replicas")
        return [_store(told), *(unknown(name, why) for name in names), _clock(told)]
    return [
        _store(told),
        *_ready(told),
        _fsync(told, durability),
        _writes(told),
        _snapshots(told),
        _memory(told.info),
        _clients(told),
        _replicas(told.info, ack_replicas),
        _enough_replicas(told),
        _clock(told),
    ]


def _store(told: Told) -> Finding:
    name = server_name(told.info) if told.info else "something that speaks its language"
    return ok("store", f"{name} answers in {told.took_ms:.1f} ms")


def _ready(told: Told) -> list[Finding]:
    """The checks of /readyz but for functions, which `doctor` looks at more closely."""
    found: list[Finding] = []
    for each in judged(told.info, len(told.libraries or ())):
        needed = _NEEDED.get(each.name)
        if needed and needed not in told.info:
            found.append(unknown(each.name, f"INFO of this store has no {needed}"))
        elif needed:
            told_of = (
                f"{server_name(told.info)}, as Redis {each.found}" if each.name == "version" else each.found
            )
            found.append(ok(each.name, told_of) if each.ok else fail(each.name, each.found, each.fix))
    return found


def _fsync(told: Told, durability: str) -> Finding:
    if told.info.get("aof_enabled") == "0":
        return fail("fsync", "nothing is written to disk as it comes", "CONFIG SET appendonly yes.")
    mode = told.config.get("appendfsync")
    if mode is None:
        return unknown("fsync", f"the store does not tell appendfsync ({_refused(told)})")
    if mode in {durability, "always"}:
        return ok("fsync", f"appendfsync {mode}{', as asked for' if mode == durability else ''}")
    loses = LOSES["everysec"] if mode == "everysec" else LOSES["no"]
    found = f"appendfsync {mode}, where AMP_DURABILITY asks for {durability}. Can be lost: {_begin(loses)}"
    fix = f"CONFIG SET appendfsync {durability}, and the same in the store's own configuration."
    return warn("fsync", found, fix) if mode == "everysec" else fail("fsync", found, fix)


def _writes(told: Told) -> Finding:
    info = told.info
    if info.get("aof_enabled") == "0":
        return unknown("writes to disk", "there is no append-only file")
    if "aof_last_write_status" not in info:
        return unknown("writes to disk", "INFO of this store has no aof_last_write_status")
    if info["aof_last_write_status"] != "ok":
        fix = "Look at the store's log and its disk; it refuses writes until one succeeds."
        return fail("writes to disk", "the last write to the append-only file failed", fix)
    if info.get("aof_last_bgrewrite_status", "ok") != "ok":
        fix = "It needs memory and disk for a second copy: make room, then BGREWRITEAOF."
        return fail("writes to disk", "the last rewrite of the append-only file failed", fix)
    file, delayed = int(info.get("aof_current_size", 0)), int(info.get("aof_delayed_fsync", 0))
    slow = f", {delayed:,} waited for the disk since the store started" if delayed else ""
    return ok("writes to disk", f"last write and rewrite went well, {size(file)} of log{slow}")


def _snapshots(told: Told) -> Finding:
    info, plan = told.info, told.config.get("save")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        fix = "Look at the store's log: disk or memory is short. Until a save succeeds it may refuse writes."
        return fail("snapshots", "the last background save failed", fix)
    if plan is None:
        return unknown("snapshots", f"the store does not tell its plan of saves ({_refused(told)})")
    if not plan and info.get("aof_enabled") == "0":
        return fail(
            "snapshots", "none, and no append-only file: memory alone has it", "CONFIG SET appendonly yes."
        )
    if not plan:
        return ok("snapshots", "none are made: the append-only file holds everything")
    last_s = int(info.get("rdb_last_save_time", 0))
    return ok("snapshots", f"the last went well, {ago(told.clock_ms / 1000 - last_s)}")


def _memory(info: Mapping[str, str]) -> Finding:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    machine = int(info.get("total_system_memory", 0))
    bound = limit or machine
    if not used or not bound:
        return unknown("memory", "INFO of this store does not tell how much it uses and may use")
    share, whose = used / bound, "maxmemory" if limit else "the machine's memory, maxmemory is not set"
    found = f"{size(used)}, {share:.0%} of {size(bound)} ({whose})"
    fix = "Give the store more memory, or keep less: AMP_LOG_RETENTION. A full one refuses outcomes."
    if share >= MEMORY_FAIL:
        return fail("memory", found, fix)
    return warn("memory", found, fix) if share >= MEMORY_WARN else ok("memory", found)


def _clients(told: Told) -> Finding:
    now, limit = (
        told.info.get("connected_clients"),
        told.info.get("maxclients") or told.config.get("maxclients"),
    )
    if not now or not limit:
        return unknown("connections", "the store does not tell how many it has and may have")
    found = f"{int(now):,} of at most {int(limit):,}"
    if int(now) >= CLIENTS_WARN * int(limit):
        return warn("connections", found, "CONFIG SET maxclients higher, or find who keeps them open.")
    return ok("connections", found)


def _replicas(info: Mapping[str, str], asked: int) -> Finding:
    if info.get("role") == "slave":
        return fail("replicas", "this store is a replica itself", "Point AMP_REDIS at the primary.")
    if "connected_slaves" not in info:
        return unknown("replicas", "INFO of this store has no connected_slaves")
    return _connected(info, asked)


def _connected(info: Mapping[str, str], asked: int) -> Finding:
    """Replicas that a primary says it has, and how far they are."""
    told = [
        dict(part.split("=", 1) for part in info[name].split(","))
        for name in info
        if _REPLICA.fullmatch(name)
    ]
    online = sum(each.get("state") == "online" for each in told)
    if online < asked:
        found = f"{online} online, and {asked} must acknowledge each write"
        return fail("replicas", found, f"Connect more (REPLICAOF), or set AMP_ACK_REPLICAS={online}.")
    if not told:
        return ok("replicas", "none: its disk has the only copy")
    lag_s = max(int(each.get("lag", 0)) for each in told)
    found = f"{len(told)} connected, {len(told) - online} still copying, {lag_s} s behind at most"
    fix = "Look at the replica's log and the network between them."
    if lag_s >= LAG_FAIL_S:
        return fail("replicas", found, fix)
    if online < len(told) or lag_s >= LAG_WARN_S:
        return warn("replicas", found, fix)
    return ok("replicas", found)


def _enough_replicas(told: Told) -> Finding:
    wanted = told.config.get("min-replicas-to-write")
    if wanted is None:
        return unknown("min-replicas", f"the store does not tell min-replicas-to-write ({_refused(told)})")
    if wanted == "0":
        return ok("min-replicas", "0: the store takes writes without any")
    good = int(told.info.get("min_slaves_good_slaves", told.info.get("connected_slaves", 0)))
    found = f"{wanted} wanted, {good} there and up to date"
    if good < int(wanted):
        fix = "Every write is refused until a replica is back: start it, or lower min-replicas-to-write."
        return fail("min-replicas", found, fix)
    return ok("min-replicas", found)


def _clock(told: Told) -> Finding:
    if "TIME" in told.refusals:
        return unknown("clock", f"the store refuses TIME ({told.refusals['TIME']})")
    apart_ms = told.clock_ms - told.host_ms
    side = "ahead of" if apart_ms > 0 else "behind"
    found = f"the store's is {abs(apart_ms) / 1000:.1f} s {side} this machine's"
    fix = "Let NTP set both (timedatectl set-ntp true): keys end by this machine's, windows by the store's."
    if abs(apart_ms) >= CLOCK_FAIL_MS:
        return fail("clock", found, fix)
    if abs(apart_ms) >= CLOCK_WARN_MS:
        return warn("clock", found, fix)
    return ok("clock", f"the store's and this machine's agree to {max(1, abs(apart_ms))} ms")


def _refused(told: Told) -> str:
    return told.refusals.get("CONFIG", "CONFIG GET says nothing")


def _begin(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:].rstrip(".")
