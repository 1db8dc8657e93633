"""Gives back the room of files that nobody can reach: their time is over, or a write of them never ended."""

import asyncio
import logging

from amp.errors import StoreUnavailable
from amp.grading.blobs import Blobs
from amp.grading.files import Files
from amp.tenancy import Tenant

EVERY_S = 3600.0
ORPHANED_S = 86_400.0
"""Bytes are written before the store is told: so old, whoever wrote them is long gone."""
_log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps the files of one data folder."""

    def __init__(self, files: Files, blobs: Blobs) -> None:
        self._files = files
        self._blobs = blobs

    async def run(self) -> None:
        """Sweeps now and each hour until cancelled."""
        while True:
            try:
                await self.once()
            except StoreUnavailable:
                _log.warning("The store does not answer; files are swept in an hour.")
            except Exception:  # noqa: BLE001  who sweeps must not end
                _log.exception("Files could not be swept.")
            await asyncio.sleep(EVERY_S)

    async def once(self) -> int:
        """How many files are gone.

        Raises:
            StoreUnavailable: some may be left.
        """
        return sum([await self._sweep(tenant) for tenant in await self._blobs.tenants()])

    async def _sweep(self, tenant: Tenant) -> int:
        over = await self._files.forget_over(tenant)
        if not await self._files.count(tenant):  # perhaps this is not the store that the folder belongs to
            return over
        names = await self._blobs.older(tenant, ORPHANED_S)
        known = await self._files.known(tenant, names)
        orphans = [name for name in names if name not in known]
        for name in orphans:
            await self._blobs.drop(tenant, name)
        return over + len(orphans)
