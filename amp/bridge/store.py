"""What the bridge knows of the store: boxes and what was heard from them, the lease, the mappings.

A box is a stream of one bucket into which a room's own function puts an item in the same step as what it
tells of. Who has carried an item across takes it out; until then it stays, so none is lost, and one that
comes twice changes nothing (learning/words.py). BRIDGE_NEWS hints at which boxes have something in them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

from amp import tenancy
from amp.store.connection import Store, clock_ms
from amp.store.functions import Call, Functions
from amp.store.keys import (
    BRIDGE_LEASE,
    BRIDGE_NEWS,
    BRIDGE_SINCE,
    BRIDGE_TOTALS,
    BUCKETS,
    bridge_box,
    bridge_counts,
    bridge_map,
    bridge_map_version,
)
from amp.tenancy import Tenant

LIBRARY = files("amp.bridge").joinpath("bridge.lua").read_text()


class Box(NamedTuple):
    """Where a bucket's items lie."""

    tenant: Tenant
    number: int


class Item(NamedTuple):
    """One thing to carry across."""

    id: bytes
    put_ms: int
    """The store's clock."""
    fields: Mapping[bytes, bytes]


class Waiting(NamedTuple):
    """What a tenant's boxes hold."""

    items: int
    oldest_ms: int | None


class BridgeStore:
    """Boxes, counts and mappings in Redis or Valkey."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions

    async def lease(self, owner: str, held_ms: int) -> bool:
        """Whether this owner carries for the next `held_ms`.

        Raises:
            StoreUnavailable: nobody knows.
        """
        return bool(
            await self._functions.call(Call("amp_bridge_lease_v1", (BRIDGE_LEASE,), (owner, held_ms)))
        )

    async def release(self, owner: str) -> None:
        """Lets another lead at once, if this owner does."""
        await self._functions.call(Call("amp_bridge_release_v1", (BRIDGE_LEASE,), (owner,)))

    async def tell(self, boxes: Collection[Box]) -> None:
        """Hints that there is something in these boxes.

        Raises:
            StoreUnavailable: then a sweep finds it.
        """
        await self._store.ask("SADD", BRIDGE_NEWS, *(f"{box.tenant.tag} {box.number}" for box in boxes))

    async def news(self, count: int) -> list[Box]:
        """Boxes that something was put into; each is told once.

        Raises:
            StoreUnavailable: there is no answer.
        """
        told: list[bytes] = await self._store.ask("SPOP", BRIDGE_NEWS, count)
        boxes: list[Box] = []
        for each in told:
            tag, _, number = each.decode().partition(" ")
            name, _, env = tag.partition(":")
            boxes.append(Box(tenancy.tenant(name, env), int(number)))
        return boxes

    async def full(self, tenant: Tenant) -> list[Box]:
        """The tenant's boxes that are not empty.

        Raises:
            StoreUnavailable: there is no answer.
        """
        lengths = await self._store.ask_in_turn(
            [("XLEN", bridge_box(tenant, number)) for number in range(BUCKETS)]
        )
        return [Box(tenant, number) for number, length in enumerate(lengths) if length]

    async def lengths(self, boxes: Iterable[Box]) -> int:
        """How many items lie in these boxes.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return sum(await self._store.ask_in_turn([("XLEN", bridge_box(*box)) for box in boxes]))

    async def waiting(self, tenant: Tenant) -> Waiting:
        """How much there is to carry, and since when.

        Raises:
            StoreUnavailable: there is no answer.
        """
        keys = [bridge_box(tenant, number) for number in range(BUCKETS)]
        lengths = await self._store.ask_in_turn([("XLEN", key) for key in keys])
        full = [key for key, length in zip(keys, lengths, strict=True) if length]
        firsts = await self._store.ask_in_turn([("XRANGE", key, "-", "+", "COUNT", 1) for key in full])
        oldest = [_item(*found[0]).put_ms for found in firsts if found]
        return Waiting(sum(lengths), min(oldest, default=None))

    async def items(self, box: Box, count: int) -> list[Item]:
        """The oldest items of a box.

        Raises:
            StoreUnavailable: there is no answer.
        """
        page = await self._store.ask("XRANGE", bridge_box(*box), "-", "+", "COUNT", count)
        return [_item(*found) for found in page]

    async def heard(self, box: Box, items: Sequence[Item], counts: Mapping[str, int]) -> bool:
        """Takes items out and counts what came of them, as one; False when another has taken one already.

        Raises:
            StoreUnavailable: nobody knows; they may come again.
        """
        told = [part for name, number in counts.items() for part in (name, number)]
        arguments = (len(items), *(item.id for item in items), *told)
        keys = (bridge_box(*box), bridge_counts(*box))
        return bool(await self._functions.call(Call("amp_bridge_heard_v1", keys, arguments)))

    async def counted(self, tenant: Tenant) -> dict[str, int]:
        """What ever came of the tenant's items, by kind.

        Raises:
            StoreUnavailable: there is no answer.
        """
        found = await self._store.ask_in_turn(
            [("HGETALL", bridge_counts(tenant, number)) for number in range(BUCKETS)]
        )
        sums: dict[str, int] = {}
        for flat in found:
            for name, number in _pairs(flat).items():
                sums[name] = sums.get(name, 0) + number
        return sums

    async def add_totals(self, counts: Mapping[str, int], times: Mapping[str, int]) -> None:
        """Adds to what came of everything, and sets how it stands; what is lost with its process is small.

        Raises:
            StoreUnavailable: not all of it may be added.
        """
        commands: list[tuple[bytes | str | int, ...]] = [
            ("HINCRBY", BRIDGE_TOTALS, name, number) for name, number in counts.items()
        ]
        flat = [part for name, at in times.items() for part in (name, at)]
        await self._store.ask_all([*commands, ("HSET", BRIDGE_TOTALS, *flat)])

    async def totals(self) -> dict[str, int]:
        """What came of everything, over all tenants, and how it stands.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return _pairs(await self._store.ask("HGETALL", BRIDGE_TOTALS))

    async def now_ms(self) -> int:
        """The store's clock.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return clock_ms(await self._store.ask("TIME"))

    async def since(self) -> dict[str, int]:
        """Since when the bridge's window holds, and the one before it; empty before it is first said.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return _pairs(await self._store.ask("HGETALL", BRIDGE_SINCE))

    async def set_since(self, window_ms: int, since_ms: int, earlier_ms: int) -> None:
        """Says which window holds since then, and which did before.

        Raises:
            StoreUnavailable: it may not be known.
        """
        fields = ("window", window_ms, "since", since_ms, "earlier", earlier_ms)
        await self._store.ask("HSET", BRIDGE_SINCE, *fields)

    async def map_version(self, tenant: Tenant) -> int:
        """The version of the tenant's mapping that stands; 1 is what everybody begins with.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return int(await self._store.ask("GET", bridge_map_version(tenant.tag)) or 1)

    async def map(self, tenant: Tenant, version: int) -> bytes | None:
        """One version.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.ask("GET", bridge_map(tenant.tag, version))

    async def prove_map(self, tenant: Tenant) -> None:
        """As `Store.prove`, of a mapping that stands as it was asked to."""
        await self._store.prove(bridge_map_version(tenant.tag))

    async def publish_map(self, tenant: Tenant, version: int, document: bytes) -> bool:
        """Makes this the tenant's mapping if the version before stands.

        Raises:
            StoreUnavailable: nobody knows whether it is published.
        """
        keys = (bridge_map_version(tenant.tag), bridge_map(tenant.tag, version))
        ours, _ = await self._functions.call(Call("amp_bridge_rule_v1", keys, (version, document)))
        return bool(ours)


def _item(entry_id: bytes, flat: Sequence[bytes]) -> Item:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return Item(entry_id, int(entry_id.partition(b"-")[0]), fields)


def _pairs(flat: Sequence[bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
