"""A store's whole content as of one moment, by the protocol of its replicas, as `redis-cli --rdb` reads it.

The store forks and sends what it held at that moment, while it goes on serving. Reads block: this is for
commands, not for the service.
"""

import socket
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from redis.asyncio.connection import parse_url

from amp.exits import CommandFailed, StoreMissing
from amp.store.durability import fields
from amp.store.secure import context, explained

TIMEOUT_S = 60.0
"""Between two bytes; a store that gets a snapshot ready sends one each second."""
CHUNK_BYTES = 1 << 18
_POLL_S = 0.05
_MARK_BYTES = 40


class SnapshotRefused(CommandFailed):
    """The store does not send its content."""

    exit_code = StoreMissing.exit_code


class Replica:
    """One connection to a store, of its own."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._replies: BinaryIO = connection.makefile("rb")

    def close(self) -> None:
        self._replies.close()

    def ask(self, *command: bytes | str | int) -> Any:
        """The reply: bytes, a number, a list or None.

        Raises:
            SnapshotRefused: the store refuses the command.
            StoreMissing: it does not answer.
        """
        words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
        sized = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        with _answering():
            self._connection.sendall(b"*%d\r\n%s" % (len(words), b"".join(sized)))
            return self._reply()

    def info(self) -> dict[str, str]:
        return fields(self.ask("INFO"))

    def at_rest(self) -> dict[str, str]:
        """What INFO says at a moment when no snapshot is being made.

        A store may answer with one that it began for another replica. One that is sent after this moment was
        begun after it too.
        """
        while (info := self.info()).get("rdb_bgsave_in_progress", "0") != "0":
            time.sleep(_POLL_S)
        return info

    def snapshot(self) -> Iterator[bytes]:
        """The content, in the RDB format.

        Raises:
            SnapshotRefused: the store does not send it, or not to its end.
            StoreMissing: the connection is lost.
        """
        for wish in (("capa", "eof"), ("rdb-only", "1")):  # straight from memory, and no news after it
            try:
                self.ask("REPLCONF", *wish)
            except SnapshotRefused:  # an older store: it writes the snapshot to its disk first
                continue
        with _answering():  # only what is done here: whoever takes a piece has failures of their own
            self._connection.sendall(b"*1\r\n$4\r\nSYNC\r\n")
            said = self._line()
            while said == b"":  # a sign of life
                said = self._line()
            if said.startswith(b"$EOF:") and len(said) == 5 + _MARK_BYTES:
                yield from self._until(said[5:])
            elif said.startswith(b"$"):
                yield from self._many(int(said[1:]))
            else:
                raise _refused(said[1:])

    def _many(self, size: int) -> Iterator[bytes]:
        while size:
            some = self._replies.read(min(size, CHUNK_BYTES))
            if not some:
                raise _cut()
            size -= len(some)
            yield some

    def _until(self, mark: bytes) -> Iterator[bytes]:
        held = b""
        while not held.endswith(mark):
            some = cast("Any", self._replies).read1(CHUNK_BYTES)
            if not some:
                raise _cut()
            held += some
            if len(held) > CHUNK_BYTES:
                yield held[:-_MARK_BYTES]
                held = held[-_MARK_BYTES:]
        if len(held) > _MARK_BYTES:
            yield held[:-_MARK_BYTES]

    def _reply(self) -> Any:
        said = self._line()
        kind, rest = said[:1], said[1:]
        match kind:
            case b"+":
                return rest
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else self._replies.read(int(rest) + 2)[:-2]
            case b"*":
                return [self._reply() for _ in range(int(rest))]
            case _:
                raise _refused(rest)

    def _line(self) -> bytes:
        said = self._replies.readline()
        if not said.endswith(b"\n"):
            raise _cut()
        return said.rstrip(b"\r\n")


@contextmanager
def replica(url: str) -> Generator[Replica]:
    """A connection to the store at `redis://`, `rediss://` or `unix://`, signed in.

    Raises:
        StoreMissing: it is not there.
        SnapshotRefused: it does not let us in, or the URL is not of one server.
    """
    if not is_of_one(url):
        raise SnapshotRefused(
            "A backup is of one server: give its own address with --redis redis://HOST:PORT, the master's "
            "where sentinels watch. A cluster has no moment in common: use its host's snapshots."
        )
    at: dict[str, Any] = dict(parse_url(url))
    with _answering():
        connection = _reached(at, tls=url.startswith("rediss://"))
    with connection, closing(Replica(connection)) as opened:
        if password := at.get("password"):
            opened.ask("AUTH", at.get("username") or "default", password)
        yield opened


@contextmanager
def _answering() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StoreMissing(f"The store does not answer: {explained(error)}.") from error


def is_of_one(url: str) -> bool:
    """Whether the URL is of one server, rather than of sentinels or of a cluster."""
    return urlsplit(url).scheme in {"redis", "rediss", "unix"}


def database(url: str) -> int:
    """The number of the database that the URL names."""
    return int(cast("Any", parse_url(url)).get("db", 0))


def _reached(at: dict[str, Any], *, tls: bool) -> socket.socket:
    if "path" in at:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_S)
        connection.connect(at["path"])
        return connection
    host = at.get("host", "localhost")
    connection = socket.create_connection((host, at.get("port", 6379)), TIMEOUT_S)
    return context().wrap_socket(connection, server_hostname=host) if tls else connection


def _refused(said: bytes) -> SnapshotRefused:
    return SnapshotRefused(
        f"The store refuses to send its content: {said.decode(errors='replace')}. Some hosted stores do, and "
        "users without the right to SYNC. Use the host's own snapshots there; copy AMP_DATA's folders ledger "
        "and files before each, for heads may be older than the store, never newer. Copying key by key would "
        "be no moment in time, and the ledger's chains would not hold."
    )


def _cut() -> SnapshotRefused:
    return SnapshotRefused(
        "The store ended the connection before all of its content was here. Its log says why; where it is "
        "`client-output-buffer-limit`, raise the one of replicas."
    )
