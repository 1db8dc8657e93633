"""API keys that somebody should look at: old ones, ones that end soon, ones that nobody uses."""

from collections.abc import Iterable, Mapping, Sequence

from amp.store.connection import Store
from amp.store.finding import Finding, ok, unknown, warn
from amp.store.keyring import KeyRecord, Keyring
from amp.store.trust_keys import KEYS_USED

DAY_MS = 86_400_000
OLD_DAYS = 365
SOON_DAYS = 14
UNUSED_DAYS = 30
NAMED = 3
"""Keys that are named in one line; more are counted."""


async def findings(store: Store, *, now_ms: int) -> list[Finding]:
    """Every check of the table of keys.

    Raises:
        StoreUnavailable: there is no answer.
    """
    records = await Keyring(store, b"").all()
    told: Sequence[bytes] = await store.ask("HGETALL", KEYS_USED)
    used = {key.decode(): int(at) for key, at in zip(told[::2], told[1::2], strict=True)}
    live = [each for each in records if _stands(each, now_ms)]
    return [
        _in_force(records, live),
        _age(live, now_ms),
        _expiring(live, now_ms),
        _unused(live, used, now_ms),
    ]


def _in_force(records: Sequence[KeyRecord], live: Sequence[KeyRecord]) -> Finding:
    revoked = sum(each.revoked_ms is not None for each in records)
    expired = len(records) - len(live) - revoked
    ended = f"; {revoked} revoked and {expired} expired, refused everywhere" if revoked or expired else ""
    if not live:
        return warn("keys", f"none in force{ended}", "amp keys create")
    live_env = sum(each.env == "live" for each in live)
    return ok("keys", f"{len(live)} in force, {live_env} of them for live data{ended}")


def _age(live: Sequence[KeyRecord], now_ms: int) -> Finding:
    if not live:
        return ok("key age", "no key is in force")
    oldest_days = (now_ms - min(each.created_ms for each in live)) // DAY_MS
    old = [each for each in live if now_ms - each.created_ms >= OLD_DAYS * DAY_MS]
    if old:
        found = f"{len(old)} older than {OLD_DAYS} days: {_named(old)}"
        return warn("key age", found, f"amp keys rotate {old[0].id}, and give the new one out.")
    return ok("key age", f"the oldest was made {oldest_days} days ago")


def _expiring(live: Sequence[KeyRecord], now_ms: int) -> Finding:
    soon = [
        each
        for each in live
        if each.expires_ms is not None and each.expires_ms - now_ms <= SOON_DAYS * DAY_MS
    ]
    if soon:
        found = f"{len(soon)} within {SOON_DAYS} days: {_named(soon)}"
        return warn("keys expiring", found, "amp keys create --expires 90d, and give it out before.")
    return ok("keys expiring", f"none within {SOON_DAYS} days")


def _unused(live: Sequence[KeyRecord], used: Mapping[str, int], now_ms: int) -> Finding:
    """Uses are kept a minute apart, since the release that began to; silence before proves nothing."""
    since_ms = now_ms - UNUSED_DAYS * DAY_MS
    idle = [each for each in live if each.created_ms < since_ms and used.get(each.id, 0) < since_ms]
    if idle and not used:
        return unknown("keys unused", "no use of any key was ever noted here")
    if idle:
        found = f"{len(idle)} not used for {UNUSED_DAYS} days: {_named(idle)}"
        return warn("keys unused", found, f"amp keys revoke {idle[0].id}, if nobody misses it.")
    return ok("keys unused", f"none that is {UNUSED_DAYS} days old went unused for as long")


def _stands(record: KeyRecord, now_ms: int) -> bool:
    return record.revoked_ms is None and (record.expires_ms is None or record.expires_ms > now_ms)


def _named(records: Iterable[KeyRecord]) -> str:
    named = [f"{each.id} ({each.tenant}, {each.env})" for each in records]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join(named[:NAMED]) + more
