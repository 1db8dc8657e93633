"""One visit: every check that can be made, in groups; what cannot be seen says why. Nothing is changed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from amp.doctor import folder, keys, learning, ledger, libraries, machine, service
from amp.errors import StoreUnavailable
from amp.exits import CommandFailed
from amp.parse import without_password
from amp.settings import SECRET_LENGTH_MIN, Settings
from amp.store import checkup
from amp.store.connection import Store, connect
from amp.store.finding import Finding, fail, unknown
from amp.store.folder import owner_of
from amp.store.keeper import opened
from amp.store.keyring import Keyring
from amp.store.secure import NotTrusted
from amp.store.told import told
from amp.tenancy import Tenant, tenant

Answer = TypeVar("Answer")


class Group(NamedTuple):
    """Checks of one thing."""

    title: str
    findings: list[Finding]


def visit(settings: Settings, file: Path | None) -> list[Group]:
    """Looks at everything, whether or not the service runs; `file` is the amp.toml in force."""
    serving = machine.serving(settings)
    about: dict[str, list[Finding]] = {}
    try:
        about = with_store(settings, _of_store)
    except NothingKept as nothing:
        about = {"Store": [unknown("store", str(nothing))]}
    except StoreUnavailable as failure:
        about = {"Store": [_no_answer(settings, failure)]}
    except CommandFailed as failure:
        about = {
            "Store": [fail("store", str(failure), "amp serve says more; its log lies in the data folder.")]
        }
    log_bytes = _log_bytes(settings)
    groups = {
        **about,
        "Data folder": folder.findings(settings, file, log_bytes=log_bytes),
        "This machine": machine.findings(settings, serving),
        "Service": service.findings(settings, here=serving is not None),
    }
    return [Group(title, found) for title, found in groups.items()]


class NothingKept(Exception):
    """There is no store to look at yet, and looking must not make one."""


def with_store(settings: Settings, work: Callable[[Settings, Store], Awaitable[Answer]]) -> Answer:
    """What comes of `work` on the store that the settings mean, which is started only if it has data.

    Raises:
        NothingKept: nobody ever served from the data folder.
        StoreMissing, SettingsRefused: as every command.
        StoreUnavailable: it does not answer.
    """
    kept = settings.redis or (settings.data / "store" / "appendonlydir").is_dir()
    if not kept and owner_of(settings.data) is None:
        raise NothingKept(f"nothing is kept in {settings.data} yet; amp serve starts one there")
    held = settings if settings.secret or _has_secret(settings) else _without_secret(settings)

    async def run(complete: Settings) -> Answer:
        store = connect(complete.redis or "")
        try:
            return await work(replace(complete, secret=complete.secret if held is settings else None), store)
        finally:
            await store.close()

    with opened(held) as complete:
        return asyncio.run(run(complete))


def _has_secret(settings: Settings) -> bool:
    return (settings.data / "secret").is_file()


def _without_secret(settings: Settings) -> Settings:
    """For a folder that lost its secret: everything else can still be looked at, and none is made."""
    return replace(settings, secret="-" * SECRET_LENGTH_MIN)


async def _of_store(settings: Settings, store: Store) -> dict[str, list[Finding]]:
    said = await told(store)
    servers = {
        f"Store {address}".strip(): await _of_server(settings, server)
        for address, server in (await store.nodes()).items()
    }

    async def of_ledger() -> list[Finding]:
        return await ledger.findings(settings, store, await _tenants(store), now_ms=said.host_ms)

    async def of_learning() -> list[Finding]:
        return await learning.findings(settings, store, await _tenants(store), now_ms=said.clock_ms)

    return servers | {
        "Keys": await _looked("keys", keys.findings(store, now_ms=said.host_ms)),
        "Ledger": await _looked("ledger", of_ledger()),
        "Learning": await _looked("learning", of_learning()),
    }


async def _of_server(settings: Settings, server: Store) -> list[Finding]:
    """Every check of one server; one of several that does not answer hides no other."""
    try:
        said = await told(server)
    except StoreUnavailable as failure:
        return [_no_answer(settings, failure)]
    return [
        *checkup.findings(said, settings.durability, settings.ack_replicas),
        *libraries.findings(said),
        *machine.of_store(settings.redis or "", said),
    ]


async def _tenants(store: Store) -> list[Tenant]:
    """All that ever had a key."""
    records = await Keyring(store, b"").all()
    return sorted({tenant(each.tenant, each.env) for each in records}, key=lambda each: each.tag)


async def _looked(name: str, look: Awaitable[list[Finding]]) -> list[Finding]:
    """What the look found, or why there was none: one that fails hides no other."""
    try:
        return await look
    except StoreUnavailable as failure:
        return [unknown(name, f"the store answered part of it only ({failure.__cause__ or failure})")]


def _no_answer(settings: Settings, failure: StoreUnavailable) -> Finding:
    where = without_password(settings.redis) if settings.redis else str(settings.data)
    why = failure.__cause__ or failure
    if isinstance(why, NotTrusted):
        return fail("store", f"{where} is not asked: {why.why}", f"{why.fix[0].upper()}{why.fix[1:]}.")
    return fail("store", f"no answer from {where}: {why}", "Start it, or correct AMP_REDIS.")


def _log_bytes(settings: Settings) -> int:
    """Of the embedded store's append-only files; 0 where the store is elsewhere."""
    if settings.redis:
        return 0
    try:
        return sum(each.stat().st_size for each in (settings.data / "store" / "appendonlydir").iterdir())
    except OSError:
        return 0
