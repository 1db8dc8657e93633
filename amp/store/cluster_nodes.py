"""The nodes of a cluster: a connection to each, who has which slot, and which of them do not answer."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from urllib.parse import quote

from amp.errors import StoreUnavailable
from amp.parse import Cluster
from amp.store.cluster_slots import Node, SlotMap, read_map
from amp.store.connection import LineStore

LOOK_WITHIN_S = 0.5
"""For one node to tell which node has which slot; then another is asked."""
MEND_EVERY_S = 0.1


class Nodes:
    """What one process knows of the cluster.

    A node that did not answer is asked nothing more until it answers again or another has its slots: a node
    that hangs costs the first call its time, and later ones, which share their round trips, nothing.
    """

    def __init__(self, cluster: Cluster, line: Callable[[str], LineStore]) -> None:
        self._cluster = cluster
        self._line = line
        self._stores: dict[Node, LineStore] = {}
        self._looking: asyncio.Task[None] | None = None
        self._mending: dict[Node, asyncio.Task[None]] = {}
        self._informed: Node | None = None
        """Who knows of the newest change."""
        self._why: Exception | None = None
        """What the last look met."""
        self.slots = SlotMap()

    def store(self, node: Node) -> LineStore:
        """The connection to this node, which may have still to be made."""
        if node not in self._stores:
            self._stores[node] = self._line(_url(self._cluster, node))
        return self._stores[node]

    def is_lost(self, node: Node) -> bool:
        return node in self._mending

    def any(self) -> Node | None:
        """A master that answers, as far as is known."""
        return next((node for node in self.slots.masters if node not in self._mending), None)

    def moved(self, slot: int, node: Node) -> None:
        """A node says that the slot is another's now: more may have changed."""
        self.slots.move(slot, node)
        self._informed = node
        self._look_again()

    def lose(self, node: Node) -> None:
        """The node did not answer: it is asked nothing until it does."""
        if node not in self._mending:
            self._mending[node] = asyncio.create_task(self._mend(node))

    async def look(self) -> None:
        """Asks the nodes who has which slot; without an answer what was known stays."""
        await asyncio.wait([self._look_again()])

    async def known(self) -> None:
        """Looks if nothing is known yet.

        Raises:
            StoreUnavailable: no node answers, or none has a slot.
        """
        if self.slots.masters:
            return
        await self.look()
        if not self.slots.masters:
            raise StoreUnavailable("No node of the cluster answers.") from self._why

    async def close(self) -> None:
        for task in [*self._mending.values(), *([self._looking] if self._looking else [])]:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for store in self._stores.values():
            await store.close()

    def _look_again(self) -> "asyncio.Task[None]":
        """One look for all who want one."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return self._looking

    async def _look(self) -> None:
        """Takes the first answer, of those who are likely to know first."""
        for node in list(self._candidates()):
            try:
                async with asyncio.timeout(LOOK_WITHIN_S):
                    found = read_map(await self.store(node).ask("CLUSTER", "SLOTS"), node)
            except (StoreUnavailable, TimeoutError) as error:
                self._why = error.__cause__ if isinstance(error.__cause__, Exception) else error
                continue
            if found.masters:
                self.slots = found
                return

    def _candidates(self) -> Iterable[Node]:
        seeds = [Node(*each) for each in self._cluster.nodes]
        informed = [self._informed] if self._informed else []
        every = dict.fromkeys([*informed, *self.slots.masters, *self.slots.others, *seeds])
        return sorted(every, key=self.is_lost)

    async def _mend(self, node: Node) -> None:
        """Ends when the node answers, or is no master any more."""
        try:
            while True:
                await self.look()
                if node not in self.slots.masters:
                    if gone := self._stores.pop(node, None):
                        await gone.close()
                    return
                with suppress(StoreUnavailable):
                    await self.store(node).ask("PING")
                    return
                await asyncio.sleep(MEND_EVERY_S)
        finally:
            del self._mending[node]


def _url(cluster: Cluster, node: Node) -> str:
    scheme = "rediss" if cluster.tls else "redis"
    login = f"{quote(cluster.username or '', safe='')}:{quote(cluster.password or '', safe='')}@"
    return f"{scheme}://{login if cluster.password else ''}{node}/0"
