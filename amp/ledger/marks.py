"""Marks of tenants whose ledgers were written to: workers make them, whoever follows the ledgers reads them.

A mark spares looking where nothing is new, no more: one that was never made costs a follower time, no entry.
"""

import asyncio
from collections.abc import Iterable
from importlib.resources import files

from amp.errors import StoreUnavailable
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.ledger_keys import LEDGER_MARKS, LEDGER_MARKS_COUNT
from amp.tenancy import Tenant, tenant

LIBRARY = files("amp.ledger").joinpath("marks.lua").read_text()
EVERY_S = 1.0
"""A worker marks a tenant at most this often."""


class Marks:
    """The tenants that were marked, in the order of their last marks."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions

    async def put(self, tenants: Iterable[Tenant]) -> None:
        """Marks them anew.

        Raises:
            StoreUnavailable: nobody knows whether they are marked; marking them again is harmless.
        """
        tags = [each.tag for each in tenants]
        await self._functions.call(Call("amp_ledger_mark_v1", (LEDGER_MARKS, LEDGER_MARKS_COUNT), tags))

    async def since(self, number: int) -> tuple[int, set[Tenant]]:
        """Who was marked after this mark, everybody after 0; and the number to ask with the next time.

        Raises:
            StoreUnavailable: there is no answer.
        """
        told: list[bytes] = await self._store.ask(
            "ZRANGEBYSCORE", LEDGER_MARKS, f"({number}", "+inf", "WITHSCORES"
        )
        tenants = {tenant(*tag.decode().split(":")) for tag in told[::2]}
        return max([number, *map(int, map(float, told[1::2]))]), tenants


class Marker:
    """A worker's: gathers whom it wrote for, and marks them together."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._wrote: set[Tenant] = set()

    def wrote(self, tenant: Tenant) -> None:
        """This worker has appended to the tenant's ledger."""
        self._wrote.add(tenant)

    async def follow(self) -> None:
        """Marks whoever was written for, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.put()

    async def put(self) -> None:
        """One turn of `follow`; without the store it is for the next one."""
        wrote, self._wrote = self._wrote, set()
        if not wrote:
            return
        try:
            await self._marks.put(wrote)
        except StoreUnavailable:
            self._wrote |= wrote
