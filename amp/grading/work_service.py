"""The verbs of an environment's work: offer it, take it, hold it, end it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from amp.errors import Forbidden, NotFound, StoreUnavailable
from amp.grading import work
from amp.grading.ids import ClockUs, new_id, now_us
from amp.grading.pages import LAST_US, Cursor, Key, Order, Page, Window, paged, read
from amp.grading.shelf_store import Document, ShelfStore
from amp.grading.wire import WorkStop, WorkUpdate, patched
from amp.grading.work import Item
from amp.tenancy import Access, Tenant

ATTEMPTS = 5
POLL_EVERY_S = 0.1
"""A poll that waits looks so often."""
TAKEN_MAX = 100
"""Items that a poll looks at, oldest first."""
SEEN_S = 30

Answer = TypeVar("Answer")


class Work:
    """The queues of all environments."""

    def __init__(self, store: ShelfStore, *, clock: ClockUs = now_us) -> None:
        self._store = store
        self._clock = clock
        self._polled: dict[tuple[str, str], dict[str, float]] = {}

    async def offer(
        self,
        tenant: Tenant,
        environment: str,
        session: str,
        metadata: dict[str, str],
        *,
        name: str | None = None,
    ) -> str:
        """Puts work of a session into the queue; its id: a new one, or `name`, which is offered once.

        Raises:
            StoreUnavailable: nobody knows.
        """
        item = Item(name or new_id("work"), environment, session, self._clock(), metadata)
        await self._put(tenant, item, 0)
        return item.id

    async def poll(
        self, access: Access, environment: str, *, block_ms: int, reclaim_ms: int, worker: str | None
    ) -> Document | None:
        """The oldest item that nobody holds; None when there is none, at the end of the wait.

        Raises:
            Forbidden: the key is not of this environment.
            StoreUnavailable: there is no answer.
        """
        tenant = _bound(access, environment)
        self._seen(tenant, environment, worker)
        until_s = time.monotonic() + block_ms / 1000
        while True:
            item = await self._taken(tenant, environment, reclaim_ms)
            left_s = until_s - time.monotonic()
            if item is not None or left_s <= 0:
                return work.told(item) if item else None
            await asyncio.sleep(min(POLL_EVERY_S, left_s))

    async def ack(self, access: Access, environment: str, name: str) -> Document:
        """The worker has the item.

        Raises:
            Conflict: it was not waiting for that.
            Forbidden, NotFound, StoreUnavailable: as `poll`.
        """
        tenant = _bound(access, environment)
        item, _ = await self._change(
            tenant, environment, name, lambda item: work.acknowledged(item, self._clock())
        )
        return work.told(item)

    async def heartbeat(
        self, access: Access, environment: str, name: str, *, expected: str | None, ttl_s: int
    ) -> Document:
        """The worker is at it still.

        Raises:
            HeartbeatMismatch: another may hold the lease.
            Conflict, Forbidden, NotFound, StoreUnavailable: as `ack`.
        """
        tenant = _bound(access, environment)
        item, extended = await self._change(
            tenant, environment, name, lambda item: work.beaten(item, self._clock(), expected, ttl_s)
        )
        return work.beat(item, extended=extended)

    async def stop(self, access: Access, environment: str, name: str, request: WorkStop) -> Document:
        """Ends the item, or asks its worker to.

        Raises:
            Conflict, Forbidden, NotFound, StoreUnavailable: as `ack`.
        """
        by_worker = access.environment == environment
        tenant = access.tenant if access.has("sessions") else _bound(access, environment)
        item, _ = await self._change(
            tenant,
            environment,
            name,
            lambda item: work.stopped(item, self._clock(), force=request.force, by_worker=by_worker),
        )
        return work.told(item)

    async def end(self, tenant: Tenant, environment: str, name: str) -> None:
        """The loop needs it no more: whatever its worker does now is too late.

        Raises:
            StoreUnavailable: nobody knows; it may be done again.
        """

        def think(item: Item) -> None:
            if not item.over:
                work.stopped(item, self._clock(), force=True, by_worker=False)

        await self._change(tenant, environment, name, think)

    async def delete_of(self, tenant: Tenant, session: str) -> None:
        """Forgets all work of a session.

        Raises:
            StoreUnavailable: some may be left; it may be done again.
        """
        keys = await self._store.listed(
            tenant, _all(session), low_us=0, high_us=LAST_US, newest_first=False, count=100_000
        )
        for _, item in await self._items(tenant, [name for _, name in keys]):
            if item:
                await self._store.drop(tenant, "work", item.id, list(_lists(item)))

    async def show(self, access: Access, environment: str, name: str) -> Document:
        """One item as it stands.

        Raises:
            Forbidden, NotFound, StoreUnavailable: as `poll`.
        """
        return work.told((await self._find(_readable(access, environment), environment, name))[1])

    async def update(self, access: Access, environment: str, name: str, request: WorkUpdate) -> Document:
        """Other metadata.

        Raises:
            InvalidParameter: there would be too much.
            Forbidden, NotFound, StoreUnavailable: as `poll`.
        """
        tenant = access.tenant if access.has("sessions") else _bound(access, environment)

        def think(item: Item) -> None:
            item.metadata = patched(item.metadata, request.metadata)

        return work.told((await self._change(tenant, environment, name, think))[0])

    async def listing(
        self, access: Access, environment: str, *, limit: int, page: str | None
    ) -> Page[Document]:
        """A page of the environment's work, newest first.

        Raises:
            InvalidParameter: the cursor is none of ours.
            Forbidden, StoreUnavailable: as `poll`.
        """
        tenant, order = _readable(access, environment), _NEWEST

        async def fetch(low_us: int, high_us: int, newest_first: bool, count: int) -> list[Key]:
            return await self._store.listed(
                tenant,
                _all(environment),
                low_us=low_us,
                high_us=high_us,
                newest_first=newest_first,
                count=count,
            )

        async def load(keys: Sequence[Key]) -> list[Document | None]:
            return [
                work.told(item) if item else None
                for _, item in await self._items(tenant, [name for _, name in keys])
            ]

        return await paged(Window(order, limit, read(page, Cursor, order), 0, LAST_US), fetch, load)

    async def stats(self, access: Access, environment: str) -> Document:
        """How much waits, and for how long.

        Raises:
            Forbidden, StoreUnavailable: as `poll`.
        """
        tenant = _readable(access, environment)
        items = [item for _, item in await self._open(tenant, environment, 10_000) if item]
        queued = [item for item in items if item.state == "queued"]
        oldest = min(queued, key=lambda item: item.created_us, default=None)
        return {
            "type": "work_queue_stats",
            "depth": sum(item.polled_us is None for item in queued),
            "pending": sum(item.polled_us is not None for item in queued),
            "oldest_queued_at": work.told(oldest)["created_at"] if oldest else None,
            "workers_polling": len(self._seen(tenant, environment, None)),
        }

    def _seen(self, tenant: Tenant, environment: str, worker: str | None) -> dict[str, float]:
        """The workers of the environment that polled this process lately."""
        now_s = time.monotonic()
        seen = self._polled.setdefault((tenant.tag, environment), {})
        if worker:
            seen[worker[:128]] = now_s
        for name in [name for name, at_s in seen.items() if at_s < now_s - SEEN_S]:
            del seen[name]
        return seen

    async def _taken(self, tenant: Tenant, environment: str, reclaim_ms: int) -> Item | None:
        for version, item in await self._open(tenant, environment, TAKEN_MAX):
            if item and work.free(item, self._clock(), reclaim_ms):
                work.polled(item, self._clock())
                if await self._put(tenant, item, version):  # else another worker was faster
                    return item
        return None

    async def _open(self, tenant: Tenant, environment: str, count: int) -> list[tuple[int, Item | None]]:
        keys = await self._store.listed(
            tenant, _waiting(environment), low_us=0, high_us=LAST_US, newest_first=False, count=count
        )
        return await self._items(tenant, [name for _, name in keys])

    async def _items(self, tenant: Tenant, names: Sequence[str]) -> list[tuple[int, Item | None]]:
        found = await self._store.get_all(tenant, "work", names)
        return [(each.version, msgspec.convert(each.document, Item)) if each else (0, None) for each in found]

    async def _find(self, tenant: Tenant, environment: str, name: str) -> tuple[int, Item]:
        version, item = (await self._items(tenant, [name]))[0]
        if item is None or item.environment_id != environment:
            raise NotFound(f"There is no work {name!r}.", details={"error_code": "work_not_found"})
        return version, item

    async def _change(
        self, tenant: Tenant, environment: str, name: str, think: Callable[[Item], Answer]
    ) -> tuple[Item, Answer]:
        for _ in range(ATTEMPTS):
            version, item = await self._find(tenant, environment, name)
            answer = think(item)
            if await self._put(tenant, item, version):
                return item, answer
        raise StoreUnavailable

    async def _put(self, tenant: Tenant, item: Item, version: int) -> bool:
        document: dict[str, Any] = msgspec.to_builtins(item)
        return await self._store.put(
            tenant, "work", item.id, document, made_us=item.created_us, version=version, lists=_lists(item)
        )


_NEWEST: Order = "desc"


def _all(whose: str) -> str:
    """The list of an environment's work, or of a session's."""
    return f"work@{whose}"


def _waiting(environment: str) -> str:
    return f"open@{environment}"


def _lists(item: Item) -> dict[str, bool]:
    """The lists that it may be in, and whether it is."""
    environment = item.environment_id
    return {_all(environment): True, _all(item.session): True, _waiting(environment): not item.over}


def _bound(access: Access, environment: str) -> Tenant:
    """The tenant of a worker's key, which is for one environment, also under `all`.

    Raises:
        Forbidden: it is for another, or for none.
    """
    if access.environment != environment:
        raise Forbidden("This key is not for the work of this environment.", details={"scope": "worker"})
    return access.tenant


def _readable(access: Access, environment: str) -> Tenant:
    return access.tenant if access.has("sessions", "read") else _bound(access, environment)
