"""The folder of a session's deliverables, as files of the session."""

import mimetypes
from collections.abc import Mapping
from contextlib import suppress

from amp.errors import NotFound
from amp.grading.files import Files, Upload
from amp.grading.shelf_store import Document
from amp.tenancy import Tenant


class Outputs:
    """One session's files by path; a file that is written again takes the place of the one before."""

    def __init__(self, files: Files, tenant: Tenant, session: str) -> None:
        self._files = files
        self._tenant = tenant
        self._session = session

    async def sizes(self) -> Mapping[str, int]:
        return {path: document["size_bytes"] for path, document in (await self._documents()).items()}

    async def read(self, path: str) -> bytes | None:
        document = (await self._documents()).get(path)
        if document is None:
            return None
        with suppress(NotFound):
            return (await self._files.content(self._tenant, document["id"]))[1]
        return None

    async def write(self, path: str, data: bytes) -> None:
        before = (await self._documents()).get(path)
        if before and before["size_bytes"] == len(data) and await self.read(path) == data:
            return  # a step that is done again leaves one file, not two
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        await self._files.put(self._tenant, Upload(path, data, kind, session=self._session))

    async def _documents(self) -> dict[str, Document]:
        """The newest of each path; an older one is forgotten, which a killed process may have left."""
        found: dict[str, Document] = {}
        for document in await self._files.delivered(self._tenant, self._session):
            before = found.get(document["filename"])
            found[document["filename"]] = document
            if before:
                with suppress(NotFound):
                    await self._files.delete(self._tenant, before["id"])
        return found
