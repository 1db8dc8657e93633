"""HTTP in, HTTP out for files."""

from typing import Annotated, Any
from urllib.parse import quote

from litestar import Controller, Response, delete, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from amp.errors import Forbidden, InvalidParameter
from amp.grading.files import FILE_BYTES_MAX, Files, Upload
from amp.grading.service import Sessions
from amp.grading.session_routes import SEE, SEND, WRITE, Limit, Told
from amp.http.requests import ApiRequest
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheFiles = NamedDependency[Files]
TheSessions = NamedDependency[Sessions]
Ids = Annotated[list[str] | None, QueryParameter(name="ids[]")]

UPLOAD_BYTES_MAX = FILE_BYTES_MAX + 64 * 1024
"""The file, and what multipart adds to it."""


class FileRoutes(Controller):
    """Files: rubrics and inputs that were uploaded, and what sessions delivered."""

    path = "/v1/files"
    request_max_body_size = UPLOAD_BYTES_MAX

    @post(opt={"scopes": SEND}, status_code=200, summary="Upload a file: multipart, in the part `file`")
    async def upload(
        self, request: ApiRequest, access: Caller, files: TheFiles, sessions: TheSessions
    ) -> Told:
        """A worker names the session that delivers the file in the part `scope_id`."""
        upload = await _upload(request)
        if upload.session is not None:
            await sessions.find(access, upload.session)
        if upload.session is None or access.environment is None:
            access.require("sessions")
        return await files.put(access.tenant, upload)

    @get(opt={"scopes": SEE}, summary="Files, newest first; with `scope_id` those that a session delivered")
    async def list_files(
        self,
        *,
        access: Caller,
        files: TheFiles,
        sessions: TheSessions,
        limit: Limit = 20,
        page: FromQuery[str | None] = None,
        scope_id: FromQuery[str | None] = None,
        ids: Ids = None,
    ) -> Told:
        if not access.has("sessions", "read"):
            if scope_id is None:
                raise Forbidden(
                    "A worker lists the files of one session: give scope_id.", details={"scope": "read"}
                )
            await sessions.find(access, scope_id)
        if ids is not None:
            return {"data": await files.some(access.tenant, ids), "next_page": None}
        found = await files.listing(access.tenant, session=scope_id, limit=limit, page=page)
        return found.told()

    @get("/{file_id:str}", opt={"scopes": SEE}, summary="What is known of a file")
    async def show(self, file_id: FromPath[str], access: Caller, files: TheFiles) -> Told:
        return await files.show(access.tenant, file_id)

    @get(
        "/{file_id:str}/content",
        opt={"scopes": SEE},
        media_type="application/octet-stream",
        summary="A file's bytes",
    )
    async def content(self, file_id: FromPath[str], access: Caller, files: TheFiles) -> Response[bytes]:
        document, content = await files.content(access.tenant, file_id)
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(document['filename'], safe='')}",
            "x-content-type-options": "nosniff",
        }
        return Response(content, media_type=document["mime_type"], headers=headers)

    @delete("/{file_id:str}", opt={"scopes": WRITE}, status_code=200, summary="Forget a file")
    async def forget(self, file_id: FromPath[str], access: Caller, files: TheFiles) -> Told:
        await files.delete(access.tenant, file_id)
        return {"id": file_id, "type": "file_deleted"}


async def _upload(request: ApiRequest) -> Upload:
    if not (request.headers.get("content-type") or "").startswith("multipart/form-data"):
        raise InvalidParameter("body", "must be multipart/form-data with the part `file`")
    parts: Any = await request.form()
    file = parts.get("file")
    if not isinstance(file, UploadFile):
        raise InvalidParameter("file", "is required: a part with a file name")
    kind = file.content_type if _header(file.content_type) else "application/octet-stream"
    return Upload(
        file.filename or "file",
        await file.read(),
        kind,
        _seconds(parts.get("expires_in_seconds")),
        _text(parts.get("scope_id")),
    )


def _header(kind: str | None) -> bool:
    return kind is not None and kind.isascii() and kind.isprintable() and 0 < len(kind) <= 200


def _seconds(told: Any) -> int | None:
    text = _text(told)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidParameter("expires_in_seconds", "must be a whole number of seconds")
    return int(text)


def _text(told: Any) -> str | None:
    return None if told is None else str(told)
