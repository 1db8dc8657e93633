"""The verbs of files: what was uploaded, and what sessions deliver."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from amp.errors import InvalidParameter, NotFound, PayloadTooLarge
from amp.grading.blobs import Blobs
from amp.grading.ids import ClockUs, new_id, now_us
from amp.grading.pages import LAST_US, Cursor, Key, Order, Page, Window, paged, read
from amp.grading.rubric import blank
from amp.grading.shelf_store import Document, ShelfStore
from amp.grading.times import microseconds, rfc3339
from amp.grading.tools import FILES_MAX, FOLDER_BYTES_MAX
from amp.grading.types import RUBRIC_LENGTH_MAX
from amp.tenancy import Tenant

FILE_BYTES_MAX = 32 * 1024 * 1024
IDS_MAX = 100
EXPIRES_S_MAX = 365 * 86_400
_SOME = 1000


class Upload(NamedTuple):
    """A file as it comes in."""

    filename: str
    content: bytes
    mime_type: str = "application/octet-stream"
    expires_in_s: int | None = None
    session: str | None = None
    """The session that delivers it."""


class Files:
    """Files of tenants: their bytes in the data folder, what is known of them in the store."""

    def __init__(self, store: ShelfStore, blobs: Blobs, *, clock: ClockUs = now_us) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    async def put(self, tenant: Tenant, upload: Upload) -> Document:
        """Keeps a file; one that a session delivers takes the place of its older one of the same name.

        Raises:
            InvalidParameter: the field is named.
            PayloadTooLarge: it is over FILE_BYTES_MAX, or the session's files are too many or too large.
            StoreUnavailable: nobody knows.
        """
        _check(upload)
        there = await self.delivered(tenant, upload.session) if upload.session else []
        _check_all(upload, there)
        name, at_us = new_id("file"), self._clock()
        expires_us = None if upload.expires_in_s is None else at_us + upload.expires_in_s * 1_000_000
        document: dict[str, Any] = {
            "id": name,
            "type": "file",
            "filename": upload.filename,
            "mime_type": upload.mime_type,
            "size_bytes": len(upload.content),
            "created_at": rfc3339(at_us),
            "expires_at": None if expires_us is None else rfc3339(expires_us),
            "downloadable": True,
            "scope": {"type": "session", "id": upload.session} if upload.session else None,
        }
        await self._blobs.write(tenant, name, upload.content)  # first: what is listed can be downloaded
        lists = dict.fromkeys(_lists(document), True)
        await self._store.put(tenant, "file", name, document, made_us=at_us, lists=lists)
        for each in there:
            if each["filename"] == upload.filename:
                await self._forget(tenant, each)
        return document

    async def show(self, tenant: Tenant, name: str) -> Document:
        """What is known of a file.

        Raises:
            NotFound: there is none, or its time is over.
            StoreUnavailable: there is no answer.
        """
        found = await self._store.get(tenant, "file", name)
        if found is None:
            raise NotFound(f"There is no file {name!r}.", details={"error_code": "file_not_found"})
        if self._over(found.document):
            await self._forget(tenant, found.document)
            raise NotFound(f"The time of file {name!r} is over.", details={"error_code": "file_expired"})
        return found.document

    async def content(self, tenant: Tenant, name: str) -> tuple[Document, bytes]:
        """A file and its bytes.

        Raises:
            NotFound: there is none, or its time is over.
            StoreUnavailable: there is no answer.
        """
        document = await self.show(tenant, name)
        content = await self._blobs.read(tenant, document["id"])
        if content is None:
            raise NotFound(
                f"The bytes of file {name!r} are not here.", details={"error_code": "file_not_found"}
            )
        return document, content

    async def rubric(self, tenant: Tenant, name: str, where: str) -> str:
        """The text of a file as a rubric.

        Raises:
            InvalidParameter: there is no such file, or its text can be no rubric; `where` names it.
            StoreUnavailable: there is no answer.
        """
        try:
            document = await self.show(tenant, name)
            if document["size_bytes"] > 4 * RUBRIC_LENGTH_MAX:
                raise InvalidParameter(where, f"must have at most {RUBRIC_LENGTH_MAX} characters")
            text = (await self.content(tenant, name))[1].decode()
        except NotFound as error:
            raise InvalidParameter(where, "there is no such file") from error
        except UnicodeDecodeError as error:
            raise InvalidParameter(where, "must be a file of text in UTF-8") from error
        if blank(text) or len(text) > RUBRIC_LENGTH_MAX:
            raise InvalidParameter(where, f"must have 1 to {RUBRIC_LENGTH_MAX} characters")
        return text

    async def listing(
        self, tenant: Tenant, *, session: str | None = None, limit: int = 20, page: str | None = None
    ) -> Page[Document]:
        """A page of files, newest first: all, or those that a session delivered.

        Raises:
            InvalidParameter: the cursor is none of ours.
            StoreUnavailable: there is no answer.
        """
        order: Order = "desc"
        name = _delivered(session) if session else "file"

        async def fetch(low_us: int, high_us: int, newest_first: bool, count: int) -> list[Key]:
            return await self._store.listed(
                tenant, name, low_us=low_us, high_us=high_us, newest_first=newest_first, count=count
            )

        async def load(keys: Sequence[Key]) -> list[Document | None]:
            return await self._known(tenant, [each for _, each in keys])

        return await paged(Window(order, limit, read(page, Cursor, order), 0, LAST_US), fetch, load)

    async def some(self, tenant: Tenant, names: Sequence[str]) -> list[Document]:
        """Those of these files that there are.

        Raises:
            InvalidParameter: too many are asked for.
            StoreUnavailable: there is no answer.
        """
        wanted = list(dict.fromkeys(names))
        if len(wanted) > IDS_MAX:
            raise InvalidParameter("ids", f"may be at most {IDS_MAX}")
        return [each for each in await self._known(tenant, wanted) if each is not None]

    async def delivered(self, tenant: Tenant, session: str) -> list[Document]:
        """All that a session delivered, oldest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        keys = await self._store.listed(
            tenant, _delivered(session), low_us=0, high_us=LAST_US, newest_first=False, count=100_000
        )
        return [each for each in await self._known(tenant, [name for _, name in keys]) if each is not None]

    async def delete(self, tenant: Tenant, name: str) -> None:
        """Forgets a file.

        Raises:
            NotFound: there is none.
            StoreUnavailable: nobody knows; it may be sent again.
        """
        await self._forget(tenant, await self.show(tenant, name))

    async def delete_of(self, tenant: Tenant, session: str) -> None:
        """Forgets all that a session delivered.

        Raises:
            StoreUnavailable: some may be left; it may be done again.
        """
        for document in await self.delivered(tenant, session):
            await self._forget(tenant, document)

    async def count(self, tenant: Tenant) -> int:
        """How many files the tenant has.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.count(tenant, "file")

    async def known(self, tenant: Tenant, names: Sequence[str]) -> set[str]:
        """Those of these names that are files, their time over or not.

        Raises:
            StoreUnavailable: there is no answer.
        """
        items = await self._store.get_all(tenant, "file", names)
        return {name for name, item in zip(names, items, strict=True) if item}

    async def forget_over(self, tenant: Tenant) -> int:
        """Forgets all files whose time is over; how many.

        Raises:
            StoreUnavailable: some may be left; it may be done again.
        """
        found, low_us = 0, 0
        while keys := await self._store.listed(
            tenant, "file", low_us=low_us, high_us=LAST_US, newest_first=False, count=_SOME
        ):
            items = await self._store.get_all(tenant, "file", [name for _, name in keys])
            over = [item.document for item in items if item and self._over(item.document)]
            for document in over:
                await self._forget(tenant, document)
            found += len(over)
            low_us = keys[-1][0] + 1
        return found

    async def _known(self, tenant: Tenant, names: Sequence[str]) -> list[Document | None]:
        items = await self._store.get_all(tenant, "file", names)
        return [item.document if item and not self._over(item.document) else None for item in items]

    async def _forget(self, tenant: Tenant, document: Document) -> None:
        await self._store.drop(tenant, "file", document["id"], _lists(document))
        await self._blobs.drop(tenant, document["id"])

    def _over(self, document: Document) -> bool:
        until = document["expires_at"]
        return until is not None and microseconds(until) <= self._clock()


def _delivered(session: str) -> str:
    return f"file@{session}"


def _lists(document: Document) -> list[str]:
    scope = document["scope"]
    return ["file", _delivered(scope["id"])] if scope else ["file"]


def _check_all(upload: Upload, there: Sequence[Document]) -> None:
    """Refuses one file too many beside what is there; a file of the same name gives way to it."""
    others = [each["size_bytes"] for each in there if each["filename"] != upload.filename]
    if len(others) >= FILES_MAX:
        raise PayloadTooLarge(f"The session has too many files: at most {FILES_MAX}.")
    if sum(others) + len(upload.content) > FOLDER_BYTES_MAX:
        raise PayloadTooLarge(
            f"The session's files are too large: at most {FOLDER_BYTES_MAX} bytes together."
        )


def _check(upload: Upload) -> None:
    if len(upload.content) > FILE_BYTES_MAX:
        raise PayloadTooLarge(f"The file is too large: at most {FILE_BYTES_MAX} bytes.")
    name = upload.filename
    if not 1 <= len(name) <= 500 or any(ord(letter) < 32 for letter in name):
        raise InvalidParameter("file", "must have a name of 1 to 500 characters")
    if upload.expires_in_s is not None and not 1 <= upload.expires_in_s <= EXPIRES_S_MAX:
        raise InvalidParameter("expires_in_seconds", f"must be a whole number from 1 to {EXPIRES_S_MAX}")
