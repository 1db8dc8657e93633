"""Bytes a user in the store, and what they are for."""

import asyncio
from collections.abc import Iterable, Sequence
from random import Random

from amp.settings import Settings
from amp.store.connection import Store
from amp.store.keys import BUCKETS, bucket_tag, user_keys
from amp.tenancy import Tenant, tenant
from benchmarks import world
from benchmarks.report import Section, Target

INTERACTIONS = 20
AIM_BYTES = 1300
_SAMPLE = 2000
_PIPELINE = 500


def run(*, quick: bool) -> Section:
    """The same users twice: their tasks without a type, and with one of three."""
    users = 5000 if quick else 100_000
    with world.durable_store() as settings:
        plain, typed = asyncio.run(_measure(settings, users))
    rows: list[list[str | float]] = [[part, plain[part], typed[part]] for part in plain]
    targets = [
        Target(
            f"rows and counters, {INTERACTIONS} interactions{how}", found[_FACTS], AIM_BYTES, "bytes a user"
        )
        for how, found in (("", plain), (" with a taskType", typed))
    ]
    note = (
        f"{users:,} users of {INTERACTIONS} interactions, ids of 11 characters, written through the real "
        "function; bytes a user. "
        f"The first four by MEMORY USAGE (records and details of {_SAMPLE:,} users); the rest is what "
        "used_memory grew by beside them: the key table."
    )
    columns = ["bytes a user", "without taskType", "with one of 3 taskTypes"]
    return Section("Memory in the store", columns, rows, targets, note)


_FACTS = "rows and counters: all but events and index"


async def _measure(settings: Settings, users: int) -> tuple[dict[str, float], dict[str, float]]:
    async with world.facts(settings) as (store, learned):
        found: list[dict[str, float]] = []
        for name, task_types in (("plain", ("",)), ("typed", world.TASK_TYPES)):
            owner, names = tenant(name, "live"), world.names(users)
            before = await _used(store)
            await world.live_through(learned, owner, names, interactions=INTERACTIONS, task_types=task_types)
            found.append(await _shares(store, owner, names, await _used(store) - before))
    return found[0], found[1]


async def _shares(store: Store, owner: Tenant, users: Sequence[str], grown: int) -> dict[str, float]:
    sample = Random(0).sample(users, min(_SAMPLE, len(users)))
    keys = [user_keys(owner, user) for user in sample]
    record = await _bytes(store, (each.record for each in keys)) / len(sample)
    details = await _bytes(store, (each.details for each in keys)) / len(sample)
    tags = [bucket_tag(owner, number) for number in range(BUCKETS)]
    events = await _bytes(store, (tag + b":events" for tag in tags)) / len(users)
    index = await _bytes(store, (tag + b":users" for tag in tags)) / len(users)
    total = grown / len(users)
    return {
        "record: header and rows": record,
        "details: task types": details,
        "events of the log (streams)": events,
        "index of users (sets)": index,
        "the store's own key table": total - record - details - events - index,
        "all of it (used_memory)": total,
        _FACTS: total - events - index,
    }


async def _bytes(store: Store, keys: Iterable[bytes]) -> int:
    """What these keys take, names included; a key that is not there takes nothing."""
    commands = [("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys]
    total = 0
    for start in range(0, len(commands), _PIPELINE):
        answers = await store.ask_all(commands[start : start + _PIPELINE])
        total += sum(answer or 0 for answer in answers)
    return total


async def _used(store: Store) -> int:
    answer: bytes = await store.ask("INFO", "memory")
    for line in answer.decode().splitlines():
        name, _, value = line.partition(":")
        if name == "used_memory":
            return int(value)
    raise LookupError("INFO memory has no used_memory")
