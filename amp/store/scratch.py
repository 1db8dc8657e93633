"""A store that runs on a snapshot for a while, in a folder of its own, to be read or to become a log."""

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from amp.exits import CommandFailed
from amp.store.embedded import find_server, last_words, ready, spawn, stop
from amp.store.snapshot import Replica, replica

SNAPSHOT = "store.rdb"
"""The snapshot's name in its folder."""
_POLL_S = 0.01


class Loaded(NamedTuple):
    """A store with a snapshot's keys."""

    url: str
    keys: int
    expired: int
    """Keys whose time was over when it was loaded, at most, of all databases: they are not there."""


@contextmanager
def scratch(folder: Path, database: int) -> Generator[Loaded]:
    """A store on the folder's snapshot; `database` is its number 0, and the only one that is left.

    Raises:
        StoreMissing: no server is installed.
        CommandFailed: the server cannot read the snapshot.
    """
    server, log = find_server(), folder / "scratch.log"
    with TemporaryDirectory(prefix="amp-") as beside:
        listens = Path(beside) / "s"
        options = {
            "port": "0",
            "unixsocket": str(listens),
            "unixsocketperm": "700",
            "dir": str(folder),
            "dbfilename": SNAPSHOT,
            "logfile": str(log),
            "appendonly": "no",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        process = spawn(server, options)
        try:
            while not ready(listens):
                if process.poll() is not None:
                    raise CommandFailed(
                        f"{server.label} cannot load the backup's store; one that is older than the server "
                        f"it comes from cannot. The end of its log:\n{last_words(log)}"
                    )
                time.sleep(_POLL_S)
            with replica(f"unix://{listens}") as store:
                loaded = Loaded(f"unix://{listens}", *_settled(store, database))
            yield loaded
        finally:
            stop(process)
            with suppress(FileNotFoundError):
                log.unlink()


def to_log(url: str) -> None:
    """Has the store write all that it holds to an append-only file, and go on with it.

    Raises:
        CommandFailed: it cannot.
    """
    with replica(url) as store:
        store.ask("CONFIG", "SET", "appendonly", "yes")
        while True:
            info = store.info()
            if "0" == info["aof_rewrite_in_progress"] == info["aof_rewrite_scheduled"]:
                break
            time.sleep(_POLL_S)
        if info["aof_last_bgrewrite_status"] != "ok" or info["aof_enabled"] != "1":
            raise CommandFailed("The store's append-only file cannot be written: is the disk full?")


def _settled(store: Replica, database: int) -> tuple[int, int]:
    """Leaves one database; how many keys it has, and how many, at most, it had whose time is over."""
    if database:
        store.ask("SWAPDB", 0, database)
        for name in [name for name in store.info() if name.startswith("db") and name[2:].isdigit()]:
            if name != "db0":
                store.ask("SELECT", name[2:])
                store.ask("FLUSHDB")
        store.ask("SELECT", 0)
    keys, info = store.ask("DBSIZE"), store.info()  # in this order: none is missing in both
    return keys, int(info.get("rdb_last_load_keys_expired", 0)) + int(info.get("expired_keys", 0))
