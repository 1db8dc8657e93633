"""Styles and scripts: served from here and from nowhere else, named by their content, so kept for ever."""

import hashlib
from importlib.resources import files
from typing import NamedTuple

from litestar import Response, get
from litestar.params import FromPath

from amp.errors import NotFound

_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """One file, as it is sent."""

    content: bytes
    media_type: str
    version: str


def _read() -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for file in files("amp.dashboard").joinpath("static").iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind:
            content = file.read_bytes()
            found[file.name] = Asset(content, kind, hashlib.sha256(content).hexdigest()[:12])
    return found


ASSETS = _read()


def url(name: str) -> str:
    """Where a file is, whatever was kept of an earlier one."""
    return f"/static/{name}?v={ASSETS[name].version}"


@get("/static/{name:str}", include_in_schema=False)
async def asset(name: FromPath[str]) -> Response[bytes]:
    """One file."""
    found = ASSETS.get(name)
    if found is None:
        raise NotFound("There is no such file.")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(found.content, media_type=found.media_type, headers=headers)
