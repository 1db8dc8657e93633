"""The bytes of files, in a folder: written whole or not at all, under the file's own id."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from amp.tenancy import Tenant


class Blobs:
    """A folder a tenant, a file a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, tenant: Tenant, name: str, content: bytes) -> None:
        """Keeps the bytes; they are on disk when this returns."""
        await asyncio.to_thread(_write, self._path(tenant, name), content)

    async def read(self, tenant: Tenant, name: str) -> bytes | None:
        """The bytes; None when there are none."""
        with suppress(FileNotFoundError):
            return await asyncio.to_thread(self._path(tenant, name).read_bytes)
        return None

    async def drop(self, tenant: Tenant, name: str) -> None:
        """Forgets the bytes, if there are any."""
        await asyncio.to_thread(self._path(tenant, name).unlink, missing_ok=True)

    def _path(self, tenant: Tenant, name: str) -> Path:
        assert name.replace("_", "").isalnum(), "names are ids that we made"
        return self._folder / f"{tenant.name}.{tenant.env}" / name


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as part:
        part.write(content)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
