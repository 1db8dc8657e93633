"""Tells the bridge which boxes have something in them: a hint, given within an event loop's turn."""

import asyncio
from collections.abc import Collection

from amp.bridge.store import Box, BridgeStore
from amp.errors import StoreUnavailable
from amp.tenancy import Tenant

AGAIN_S = 1.0


class News:
    """What this process put into boxes lately. A hint that is lost costs time: a sweep finds the item."""

    def __init__(self, store: BridgeStore) -> None:
        self._store = store
        self._boxes: set[Box] = set()
        self._some = asyncio.Event()

    def put(self, tenant: Tenant, number: int) -> None:
        """Something was put into this box."""
        self._boxes.add(Box(tenant, number))
        self._some.set()

    async def follow(self) -> None:
        """Tells of what is put, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            boxes, self._boxes = self._boxes, set()
            if not await self._told(boxes):
                self._boxes |= boxes
                self._some.set()
                await asyncio.sleep(AGAIN_S)

    async def _told(self, boxes: Collection[Box]) -> bool:
        try:
            await self._store.tell(boxes)
        except StoreUnavailable:
            return False
        return True
