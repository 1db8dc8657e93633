"""Which of our function libraries a store has, and which of them no release of this code needs any more.

A library's name ends with its version (`amp_learning_v3`). Old and new workers run together while a release
rolls out, so loading never deletes; what is older than what this code loads is left over once they are gone.
What is newer, or of a name that this code does not know, belongs to another release and is never touched.
"""

import re
from collections.abc import Collection, Sequence

from amp.errors import StoreUnavailable
from amp.rooms import LIBRARIES
from amp.store.connection import Store
from amp.store.finding import Finding, ok, unknown, warn
from amp.store.links import LIBRARY as LINKS
from amp.store.told import LIBRARIES as ASK
from amp.store.told import Told, library_names

_NAME = re.compile(r"#!lua name=(\w+)")
_VERSION = re.compile(r"(amp_\w+)_v(\d+)")


def needed() -> list[str]:
    """The libraries that this code loads: workers at their start, that of sign-in links when one is made."""
    return sorted(match[1] for source in (*LIBRARIES, LINKS) if (match := _NAME.match(source)))


def left_over(loaded: Collection[str]) -> list[str]:
    """Those that are older than what this code loads."""
    ours = dict(split for name in needed() if (split := _split(name)))
    splits = {name: split for name in loaded if (split := _split(name))}
    return sorted(name for name, (base, version) in splits.items() if version < ours.get(base, 0))


def findings(told: Told) -> list[Finding]:
    """What is there, and what is left over."""
    if told.libraries is None:
        why = f"the store refuses FUNCTION LIST ({told.refusals['FUNCTION']})"
        return [unknown("functions", why), unknown("old libraries", why)]
    return [_loaded(told.libraries), _old(told.libraries)]


async def prune(store: Store) -> list[str]:
    """Deletes what is left over; its names. A worker of an older release loads its own again.

    Raises:
        StoreUnavailable: not all of it is gone; it may be called again.
    """
    names = left_over(library_names(await store.ask(*ASK)))
    for name in names:
        try:
            await store.ask("FUNCTION", "DELETE", name)
        except StoreUnavailable as failure:
            if "not found" not in str(failure.__cause__):  # somebody else was first
                raise
    return names


def _loaded(loaded: Sequence[str]) -> Finding:
    wanted = [name for source in LIBRARIES for name in _NAME.findall(source)]
    missing = [name for name in wanted if name not in loaded]
    if not missing:
        return ok("functions", f"all {len(wanted)} libraries of this release are loaded")
    found = f"{len(missing)} of {len(wanted)} libraries are not loaded: {', '.join(missing)}"
    if len(missing) == len(wanted):
        found = f"none of this release's {len(wanted)} libraries is loaded yet"
    return warn("functions", found, "amp serve loads them, and each one when it is first called.")


def _old(loaded: Sequence[str]) -> Finding:
    old = left_over(loaded)
    if old:
        return warn("old libraries", f"left over: {', '.join(old)}", "amp doctor --prune")
    others = sorted(set(loaded) - set(needed()))
    of_others = f"; of another release, and not touched: {', '.join(others)}" if others else ""
    return ok("old libraries", f"none left over{of_others}")


def _split(name: str) -> tuple[str, int] | None:
    match = _VERSION.fullmatch(name)
    return (match[1], int(match[2])) if match else None
