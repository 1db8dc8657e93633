"""What the store knows of fits: who asks for one, what came of each, who decides with which prior."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec

from amp.learning.admin_wire import FitReply
from amp.store.announcing import announce
from amp.store.connection import Store, clock_ms
from amp.store.functions import Call, Functions
from amp.store.keys import (
    PRIOR_VERSIONS,
    REFIT_LEASE,
    REFITS_ASKED,
    REFITS_DONE,
    WORKERS,
    fit_records,
    prior_blob,
    prior_hold,
    prior_version,
    task_names,
    user_keys,
)
from amp.tenancy import Tenant

LIBRARY = files("amp.learning").joinpath("fits.lua").read_text()

RECORDS_KEPT = 100
SILENT_MS = 5000
"""A worker that has said nothing for so long is gone."""

_record = msgspec.json.Decoder(FitReply)
_versions = msgspec.json.Decoder(dict[str, int])


class FitStore:
    """Fits and workers in Redis or Valkey."""

    def __init__(self, store: Store, functions: Functions, *, retention_ms: int) -> None:
        self._store = store
        self._functions = functions
        self._retention_ms = retention_ms

    async def ask(self, tenant: Tenant) -> int:
        """Asks for a fit of this tenant; the number of the ask. One fit serves all asks of before it began.

        Raises:
            StoreUnavailable: nobody knows whether it is asked; it may be asked again.
        """
        return int(await self._store.ask("HINCRBY", REFITS_ASKED, tenant.tag, 1))

    async def asks(self) -> dict[str, int]:
        """The newest ask of each tenant that no fit has served, by tenant tag.

        Raises:
            StoreUnavailable: there is no answer.
        """
        asked, done = await self._store.ask_all([("HGETALL", REFITS_ASKED), ("HGETALL", REFITS_DONE)])
        served = {tag: _record.decode(raw).ask for tag, raw in _pairs(done).items()}
        return {
            tag.decode(): int(number)
            for tag, number in _pairs(asked).items()
            if int(number) > served.get(tag, 0)
        }

    async def served(self, tenant: Tenant) -> FitReply | None:
        """The last fit that somebody had asked for; its `ask` is the newest that it serves.

        Raises:
            StoreUnavailable: there is no answer.
        """
        raw = await self._store.ask("HGET", REFITS_DONE, tenant.tag)
        return None if raw is None else _record.decode(raw)

    async def is_asked(self, tenant: Tenant) -> bool:
        """Whether somebody asked for a fit of this tenant that is not done yet.

        Raises:
            StoreUnavailable: there is no answer.
        """
        asked = int(await self._store.ask("HGET", REFITS_ASKED, tenant.tag) or 0)
        done = await self.served(tenant)
        return asked > (done.ask if done else 0)

    async def remember(self, tenant: Tenant, record: FitReply) -> None:
        """Keeps what came of a fit; one that was asked for is answered, and ends a hold.

        Raises:
            StoreUnavailable: it may be sent again.
        """
        raw = msgspec.json.encode(record)
        await self._functions.call(
            Call(
                "amp_fits_remember_v1",
                (fit_records(tenant.tag), prior_hold(tenant.tag)),
                (raw, RECORDS_KEPT, int(record.ask > 0)),
            )
        )
        if record.ask:
            await self._store.ask("HSET", REFITS_DONE, tenant.tag, raw)

    async def records(self, tenant: Tenant) -> list[FitReply]:
        """What came of the last fits, the newest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        raw: list[bytes] = await self._store.ask("LRANGE", fit_records(tenant.tag), 0, -1)
        return [_record.decode(each) for each in raw]

    async def held(self, tenant: Tenant) -> bool:
        """Whether fits of this tenant wait until somebody asks for one: a rollback stands.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return bool(await self._store.ask("EXISTS", prior_hold(tenant.tag)))

    async def rollback(self, tenant: Tenant, version: int, blob: bytes, record: FitReply) -> bool:
        """Makes this the tenant's prior if the version before stands, and holds fits off.

        Raises:
            StoreUnavailable: nobody knows whether it is done.
        """
        tag = tenant.tag
        ours, standing = await self._functions.call(
            Call(
                "amp_fits_rollback_v1",
                (
                    fit_records(tag),
                    prior_hold(tag),
                    prior_version(tag),
                    prior_blob(tag, version),
                    prior_blob(tag, version - 1),
                ),
                (msgspec.json.encode(record), RECORDS_KEPT, version, blob, self._retention_ms),
            )
        )
        await announce(self._store, PRIOR_VERSIONS, tag, standing)
        return bool(ours)

    async def announce(self, worker: str, versions: Mapping[str, int]) -> None:
        """Says that this worker is there and which priors it holds, by tenant tag.

        Raises:
            StoreUnavailable: nobody heard it, perhaps.
        """
        told = msgspec.json.encode(versions)
        await self._functions.call(Call("amp_fits_announce_v1", (WORKERS,), (worker, told)))

    async def leave(self, worker: str) -> None:
        """Says that this worker is gone.

        Raises:
            StoreUnavailable: then its silence says so.
        """
        await self._store.ask("HDEL", WORKERS, worker)

    async def workers(self) -> list[dict[str, int]]:
        """The priors that each worker holds, by tenant tag, of those that are not silent.

        Raises:
            StoreUnavailable: there is no answer.
        """
        time, told = await self._store.ask_all([("TIME",), ("HGETALL", WORKERS)])
        since_ms = clock_ms(time) - SILENT_MS
        heard = [each.split(b" ", 1) for each in _pairs(told).values()]
        return [_versions.decode(versions) for at, versions in heard if int(at) >= since_ms]

    async def attended(self) -> bool:
        """Whether a service runs: a worker attends, or the background fit leads, which takes longer to start.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return bool(await self.workers() or await self._store.ask("EXISTS", REFIT_LEASE))

    async def name_tasks(self, tenant: Tenant, names: Mapping[int, str]) -> None:
        """Keeps these names of task types, by hash, and no others.

        Raises:
            StoreUnavailable: it may be sent again.
        """
        flat = [part for told, name in names.items() for part in (told, name)]
        await self._functions.call(Call("amp_fits_name_v1", (task_names(tenant.tag),), flat))

    async def task_names(self, tenant: Tenant) -> dict[int, str]:
        """The tenant's names of task types, by hash.

        Raises:
            StoreUnavailable: there is no answer.
        """
        flat = await self._store.ask("HGETALL", task_names(tenant.tag))
        return {int(told): name.decode() for told, name in _pairs(flat).items()}

    async def names_by_users(self, tenant: Tenant, asked: Sequence[tuple[int, str]]) -> dict[int, str]:
        """What users call task types: of each (hash, user) that is known, the name by hash.

        Raises:
            StoreUnavailable: there is no answer.
        """
        found: list[bytes | None] = await self._store.ask_all(
            [("HGET", user_keys(tenant, user).details, f"t:{told}") for told, user in asked]
        )
        return {told: name.decode() for (told, _), name in zip(asked, found, strict=True) if name}


def _pairs(flat: Sequence[Any]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
