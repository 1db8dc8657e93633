"""Writes a backup part by part, and reads one: each part is what the manifest says, or none is used."""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, BinaryIO

import msgspec

from amp.backup.layout import FORMAT, HEADER, MANIFEST, STORE, Header, Manifest, Part, is_part
from amp.exits import CommandFailed

CHUNK_BYTES = 1 << 18
_LEVEL = 1
"""Of gzip: what is in the store is packed, and higher ones cost more time than they save room."""
_MANIFEST_BYTES_MAX = 1 << 30

Watch = Callable[[int], None]
"""Told of bytes as they pass."""


class Writer:
    """Puts parts into a file."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.parts: list[Part] = []

    def add(self, name: str, content: bytes) -> None:
        self.add_from(name, io.BytesIO(content), len(content))

    def add_from(self, name: str, content: IO[bytes], size: int) -> None:
        """The first `size` bytes.

        Raises:
            CommandFailed: there are fewer.
        """
        hashed = _Hashed(content)
        try:
            self._tar.addfile(_described(name, size), hashed)
        except OSError as error:
            if error.errno is not None:
                raise
            raise CommandFailed(f"{name} became shorter while it was read.") from error
        self.parts.append(Part(name, size, hashed.sha256))

    def end(self, manifest: Manifest) -> None:
        """What the parts are."""
        raw = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        self._tar.addfile(_described(MANIFEST, len(raw)), io.BytesIO(raw))

    def begin(self, header: Header) -> None:
        raw = msgspec.json.encode(header)
        self._tar.addfile(_described(HEADER, len(raw)), io.BytesIO(raw))


@contextmanager
def writer(file: BinaryIO) -> Generator[Writer]:
    """Into an open file; it is whole after the block."""
    with (
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield Writer(tar)


def read(file: Path, into: Path | None, watch: Watch = lambda _: None) -> Manifest:
    """The manifest of a backup whose every part is what it says; the parts lie in the folder `into`.

    The pieces of the snapshot are put together as `store/store.rdb`.

    Raises:
        CommandFailed: it is none, of a format that is not known, damaged or cut: with what is wrong.
    """
    try:
        with file.open("rb") as raw, gzip.GzipFile(fileobj=_Watched(raw, watch)) as unpacked:
            with tarfile.open(fileobj=unpacked, mode="r|") as tar:
                manifest = _parts(file, tar, into)
            while unpacked.read(CHUNK_BYTES):  # gzip's own checksum stands at its end
                pass
    except FileNotFoundError as error:
        raise CommandFailed(f"There is no file {file}.") from error
    except EOFError as error:
        raise CommandFailed(f"{file} is cut: its end is missing. {_OTHER}") from error
    except (zlib.error, gzip.BadGzipFile, tarfile.TarError, ValueError, OverflowError) as error:
        raise CommandFailed(f"{file} is damaged, or is no backup: {error}. {_OTHER}") from error
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read or unpacked: {error}.") from error
    return manifest


_OTHER = "Nothing was changed. Take another backup."


def _parts(file: Path, tar: tarfile.TarFile, into: Path | None) -> Manifest:
    members = iter(tar)
    _check_header(file, tar, next(members, None))
    found: dict[str, tuple[int, str]] = {}
    manifest: Manifest | None = None
    for member in members:
        if manifest is not None or not member.isreg():
            raise _damaged(file, f"{member.name!r} has no place in it")
        if member.name == MANIFEST:
            manifest = _manifest(file, _content(tar, member).read(_MANIFEST_BYTES_MAX))
        elif not is_part(member.name) or member.name in found:
            raise _damaged(file, f"{member.name!r} has no place in it")
        else:
            found[member.name] = member.size, _unpacked(_content(tar, member), member.name, into)
    if manifest is None:
        raise CommandFailed(f"{file} is cut: it has no manifest. {_OTHER}")
    _compare(file, manifest, found)
    return manifest


def _check_header(file: Path, tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> None:
    if member is None or member.name != HEADER or not member.isreg():
        raise CommandFailed(f"{file} is no backup of amp.")
    try:
        header = msgspec.json.decode(_content(tar, member).read(CHUNK_BYTES), type=Header)
    except msgspec.DecodeError as error:
        raise _damaged(file, f"its header cannot be read ({error})") from error
    if header.format != FORMAT:
        raise CommandFailed(
            f"{file} has format {header.format}, written by amp {header.amp}; this amp reads {FORMAT}. "
            f"Use amp {header.amp} or newer."
        )


def _manifest(file: Path, raw: bytes) -> Manifest:
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise _damaged(file, f"its manifest cannot be read ({error})") from error


def _compare(file: Path, manifest: Manifest, found: dict[str, tuple[int, str]]) -> None:
    told = {part.name: (part.bytes, part.sha256) for part in manifest.parts}
    for name in [*told, *found]:
        if name not in found:
            raise _damaged(file, f"{name} is missing")
        if told.get(name) != found[name]:
            raise _damaged(file, f"{name} is not what the manifest says")
    if not manifest.under(STORE):
        raise _damaged(file, "the store's snapshot is missing")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None, "a regular file has content"
    return content


def _unpacked(content: IO[bytes], name: str, into: Path | None) -> str:
    """The SHA-256 of a part, which lies in its place."""
    digest = hashlib.sha256()
    with _opened(name, into) or nullcontext() as target:
        for some in _chunks(content):
            digest.update(some)
            if target:
                target.write(some)
    return digest.hexdigest()


def _opened(name: str, into: Path | None) -> BinaryIO | None:
    if into is None:
        return None
    if name.startswith(f"{STORE}."):
        path, mode = into / "store" / STORE, "ab"
    else:
        path, mode = into / name, "xb"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = path.open(mode)
    path.chmod(0o600)
    return opened  # pyright: ignore[reportReturnType]  a mode that is no literal has no type


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while some := content.read(CHUNK_BYTES):
        yield some


def _described(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _damaged(file: Path, what: str) -> CommandFailed:
    return CommandFailed(f"{file} is damaged: {what}. {_OTHER}")


class _Hashed(io.RawIOBase):
    """Passes on what is read, and keeps its hash."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, size: int = -1, /) -> bytes:
        some = self._content.read(size)
        self._digest.update(some)
        return some


class _Watched(io.RawIOBase):
    """Passes on what is read, and tells how much."""

    def __init__(self, content: IO[bytes], watch: Watch) -> None:
        self._content = content
        self._watch = watch

    def read(self, size: int = -1, /) -> bytes:
        some = self._content.read(size)
        self._watch(len(some))
        return some
