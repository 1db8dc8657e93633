"""Work of an environment, by item: who may take it, who holds it. Contract: graded-outcomes.md, section 2.

An item is queued, taken by a poll (for a while: until it is acknowledged), starting, active from its first
heartbeat on, and stopped. One whose heartbeats end goes back into the queue.
"""

from typing import Any, Literal

from msgspec import Struct

from amp.errors import Conflict, HeartbeatMismatch
from amp.grading.times import rfc3339

State = Literal["queued", "starting", "active", "stopping", "stopped"]
TTL_S, TTL_S_MAX = 30, 300
RECLAIM_MS = 5000
NO_HEARTBEAT = "NO_HEARTBEAT"


class Item(Struct, omit_defaults=True):
    """One item, as it lies in the store."""

    id: str
    environment_id: str
    session: str
    created_us: int
    metadata: dict[str, str] = {}
    state: State = "queued"
    polled_us: int | None = None
    acknowledged_us: int | None = None
    started_us: int | None = None
    heartbeat_us: int | None = None
    ttl_s: int = TTL_S
    stop_requested_us: int | None = None
    stopped_us: int | None = None

    @property
    def over(self) -> bool:
        return self.state == "stopped"


def free(item: Item, now_us: int, reclaim_ms: int) -> bool:
    """Whether a poll may take the item."""
    match item.state:
        case "queued":
            return item.polled_us is None or item.polled_us + reclaim_ms * 1000 <= now_us
        case "starting":
            return (item.acknowledged_us or 0) + TTL_S * 1_000_000 <= now_us
        case "active" | "stopping":
            return lease_end_us(item) <= now_us
        case _:
            return False


def lease_end_us(item: Item) -> int:
    """When the item is nobody's, unless a heartbeat comes first."""
    return (item.heartbeat_us or item.acknowledged_us or 0) + item.ttl_s * 1_000_000


def polled(item: Item, now_us: int) -> None:
    """Gives the item to a worker; one that another has lost begins anew."""
    item.state, item.polled_us = "queued", now_us
    item.acknowledged_us = item.started_us = item.heartbeat_us = None


def acknowledged(item: Item, now_us: int) -> None:
    """The worker has it.

    Raises:
        Conflict: it was not waiting for that.
    """
    if item.state == "starting":
        return
    if item.state != "queued" or item.polled_us is None:
        raise Conflict(f"Work {item.id!r} is {item.state}; only work that was polled can be acknowledged.")
    item.state, item.acknowledged_us = "starting", now_us


def beaten(item: Item, now_us: int, expected: str | None, ttl_s: int) -> bool:
    """Takes a heartbeat; whether it lengthens the lease.

    Raises:
        HeartbeatMismatch: the last heartbeat is another one than the worker expects.
        Conflict: nobody has acknowledged the item.
    """
    if item.state in ("stopping", "stopped"):
        return False
    if item.state == "queued":
        raise Conflict(f"Work {item.id!r} is queued; acknowledge it first.")
    if expected is not None and expected != (_at(item.heartbeat_us) or NO_HEARTBEAT):
        raise HeartbeatMismatch(
            "The last heartbeat is not the one that you expect: another worker may hold the lease.",
            details={"current_state": beat(item, extended=False)},
        )
    item.state, item.ttl_s = "active", min(max(ttl_s, 1), TTL_S_MAX)
    item.started_us = item.started_us or now_us
    item.heartbeat_us = max(now_us, (item.heartbeat_us or 0) + 1)
    return True


def stopped(item: Item, now_us: int, *, force: bool, by_worker: bool) -> None:
    """Ends the item, or asks the worker that holds it to end.

    Raises:
        Conflict: it has ended.
    """
    if item.over:
        raise Conflict(f"Work {item.id!r} has stopped already.")
    item.stop_requested_us = item.stop_requested_us or now_us
    if force or by_worker or item.state == "queued":
        item.state, item.stopped_us = "stopped", now_us
    else:
        item.state = "stopping"


def beat(item: Item, *, extended: bool) -> dict[str, Any]:
    """The answer to a heartbeat."""
    return {
        "type": "work_heartbeat",
        "last_heartbeat": _at(item.heartbeat_us) or "",
        "lease_extended": extended,
        "state": item.state,
        "ttl_seconds": item.ttl_s,
    }


def told(item: Item) -> dict[str, Any]:
    """The item as the wire has it."""
    return {
        "id": item.id,
        "type": "work",
        "environment_id": item.environment_id,
        "data": {"type": "session", "id": item.session},
        "metadata": item.metadata,
        "state": item.state,
        "secret": None,
        "created_at": rfc3339(item.created_us),
        "acknowledged_at": _at(item.acknowledged_us),
        "started_at": _at(item.started_us),
        "latest_heartbeat_at": _at(item.heartbeat_us),
        "stop_requested_at": _at(item.stop_requested_us),
        "stopped_at": _at(item.stopped_us),
    }


def _at(us: int | None) -> str | None:
    return None if us is None else rfc3339(us)
