"""A primary with its replicas and sentinels, as processes of their own on loopback."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import memory_disk
from redis import Redis
from redis.exceptions import RedisError

from amp.store.embedded import find_server

SECRET = "a secret of those who serve on several machines"
SERVICE = "amp"
WITHIN_S = 20


class Node:
    """One server; `at` is where it listens."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port = unused_port()
        folder.mkdir()
        command = [find_server().binary, *arguments, "--port", str(self.port), "--dir", str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.ask = Redis(port=self.port, socket_timeout=5)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.ask.close()


class Group:
    """A primary, replicas that follow it, and perhaps sentinels that watch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.primary = self._store()
        self.replicas: list[Node] = []
        self.sentinels: list[Node] = []

    def follow(self, port: int | None = None) -> Node:
        """Another replica of the primary, or of what listens on this port."""
        node = self._store("--replicaof", f"127.0.0.1 {port or self.primary.port}")
        self.replicas.append(node)
        return node

    def watch(self) -> None:
        """Three sentinels, two of whom can replace the primary."""
        for number in range(3):
            file = self._folder / f"sentinel{number}.conf"
            file.write_text(
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} 500\n"
                f"sentinel failover-timeout {SERVICE} 2000\n"
                f"sentinel parallel-syncs {SERVICE} 2\n"
            )
            self.sentinels.append(Node(self._folder / f"watch{number}", str(file), "--sentinel"))
        until(lambda: all(self._sees(each) for each in self.sentinels), "the sentinels see each other")

    @property
    def url(self) -> str:
        """By way of the sentinels."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def settled(self) -> None:
        """All replicas have the primary's data and follow it."""
        until(lambda: online(self.primary) == len(self.replicas), "all replicas are online")

    def heard(self) -> None:
        """All replicas have also said how far they are: one that has not may still load its copy."""
        until(
            lambda: all(offset > 0 for offset in offsets(self.primary)), "all replicas say how far they are"
        )

    @contextmanager
    def paused(self, *nodes: Node):
        """These do not move meanwhile."""
        for node in nodes:
            node.process.send_signal(SIGSTOP)
        try:
            yield
        finally:
            for node in nodes:
                node.process.send_signal(SIGCONT)

    def end(self) -> None:
        for node in [*self.sentinels, *self.replicas, self.primary]:
            node.kill()

    def _store(self, *arguments: str) -> Node:
        quick = ("--repl-diskless-sync-delay", "0", "--save", "", "--appendonly", "yes")
        return Node(Path(tempfile.mkdtemp(dir=self._folder)) / "data", *quick, *arguments)

    def _sees(self, sentinel: Node) -> bool:
        told = sentinel.ask.execute_command("SENTINEL", "MASTER", SERVICE)
        return int(told[b"num-slaves"]) == len(self.replicas) and int(told[b"num-other-sentinels"]) == 2


@contextmanager
def group(replicas: int = 0, *, watched: bool = False):
    """A primary with so many replicas that are in step, gone with its data at the end."""
    folder = Path(tempfile.mkdtemp(prefix="amp-", dir=memory_disk.folder()))
    made = Group(folder)
    try:
        until(made.primary.ask.ping, "the primary answers")
        for _ in range(replicas):
            made.follow()
        made.settled()
        if watched:
            made.watch()
        yield made
    finally:
        made.end()
        shutil.rmtree(folder)


def online(node: Node) -> int:
    """The replicas that follow it in step."""
    told = node.ask.info("replication")
    return sum(
        told[name]["state"] == "online" for name in told if name.startswith("slave") and name[5:].isdigit()
    )


def offsets(node: Node) -> list[int]:
    """How far its replicas say they are."""
    told = node.ask.info("replication")
    return [told[f"slave{number}"]["offset"] for number in range(told["connected_slaves"])]


def until(true, what: str) -> None:
    """Waits for what other processes do."""
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        with suppress(RedisError):
            if true():
                return
        time.sleep(0.02)
    raise AssertionError(f"not within {WITHIN_S} s: {what}")


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Wire:
    """A way to a port that can be cut: what is on it when it is cut never arrives."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader, writer) -> None:
        with suppress(OSError):
            other, back = await asyncio.open_connection("127.0.0.1", self._to)
            self._writers |= {writer, back}
            await asyncio.gather(_pour(reader, back), _pour(other, writer))


async def _pour(reader, writer) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.transport.abort()
