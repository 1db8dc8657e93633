"""The bytes of files, in a folder: written whole or not at all, under the file's own id."""

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from amp.errors import InvalidParameter
from amp.tenancy import Tenant, tenant


class Blobs:
    """A folder a tenant, a file a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, owner: Tenant, name: str, content: bytes) -> None:
        """Keeps the bytes; they are on disk when this returns."""
        await asyncio.to_thread(_write, self._path(owner, name), content)

    async def read(self, owner: Tenant, name: str) -> bytes | None:
        """The bytes; None when there are none."""
        with suppress(FileNotFoundError):
            return await asyncio.to_thread(self._path(owner, name).read_bytes)
        return None

    async def drop(self, owner: Tenant, name: str) -> None:
        """Forgets the bytes, if there are any."""
        await asyncio.to_thread(self._path(owner, name).unlink, missing_ok=True)

    async def tenants(self) -> list[Tenant]:
        """Whose bytes are here."""
        found: list[Tenant] = []
        for name in await asyncio.to_thread(_names, self._folder):
            with suppress(InvalidParameter):  # somebody else's folder
                found.append(tenant(*name.rpartition(".")[::2]))
        return found

    async def older(self, owner: Tenant, age_s: float) -> list[str]:
        """The names of what was written so long ago, whole or not."""
        return await asyncio.to_thread(_older, self._path(owner, ""), time.time() - age_s)

    def _path(self, owner: Tenant, name: str) -> Path:
        assert not name or name.replace("_", "").isalnum(), "names are ids that we made"
        return self._folder / f"{owner.name}.{owner.env}" / name


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def _older(folder: Path, until_s: float) -> list[str]:
    return [name for name in _names(folder) if (folder / name).stat().st_mtime < until_s]


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
