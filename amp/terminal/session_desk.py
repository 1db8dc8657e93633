"""The sessions in a store, opened for one command beside whatever serves from it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple, TypeVar

from amp.grading import loop, shelf_store
from amp.grading import store as session_store
from amp.grading.blobs import Blobs
from amp.grading.files import Files
from amp.grading.lanes import Lanes
from amp.grading.making import Making
from amp.grading.runner import Runner
from amp.grading.service import Sessions
from amp.grading.shelf_store import ShelfStore
from amp.grading.shelves import Agents, Environments
from amp.grading.store import SessionStore
from amp.grading.types import Event
from amp.grading.work_service import Work
from amp.settings import Settings
from amp.store.connection import store_of
from amp.store.functions import Functions
from amp.store.keeper import opened
from amp.tenancy import ALL_SCOPES, Access, Tenant

LOOK_EVERY_S = 0.1

Answer = TypeVar("Answer")


class _Unheard(Lanes):
    """Nobody is called to what a command makes: it runs that itself, as it is set up here."""

    async def wake(self, tag: str, session: str) -> None:
        del tag, session


class Desk(NamedTuple):
    """What the commands ask of it."""

    access: Access
    facts: SessionStore
    sessions: Sessions
    agents: Agents
    environments: Environments
    files: Files
    runner: Runner
    """A loop for what the command makes, and for nothing else."""

    async def follow(self, name: str, *, after: int = 0) -> AsyncGenerator[Event]:
        """A session's events, those that there are and those that come; processed ones once.

        Raises:
            StoreUnavailable: there is no answer.
        """
        while True:
            for each in await self.facts.events(self.access.tenant, name, after=after):
                after = each.seq
                yield each.event
            await asyncio.sleep(LOOK_EVERY_S)


def with_desk(settings: Settings, owner: Tenant, work: Callable[[Desk], Awaitable[Answer]]) -> Answer:
    """The answer of `work`, whether or not the service runs.

    Raises:
        StoreUnavailable: there is no answer.
        StoreMissing: no store can be started or reached.
        SettingsRefused: the data folder cannot be used.
    """
    with opened(settings) as complete:
        return asyncio.run(_worked(complete, owner, work))


async def _worked(settings: Settings, owner: Tenant, work: Callable[[Desk], Awaitable[Answer]]) -> Answer:
    store = store_of(settings)
    functions = Functions(store, [session_store.LIBRARY, shelf_store.LIBRARY])
    facts, shelf = SessionStore(store, functions), ShelfStore(store, functions)
    agents, environments = Agents(shelf), Environments(shelf)
    files = Files(shelf, Blobs(settings.data / "files"))
    making = Making(agents, environments, files)
    sessions = Sessions(facts, _Unheard(store), making=making, files=files, work=Work(shelf))
    access = Access("terminal", owner, frozenset({ALL_SCOPES}))
    try:
        async with loop.client(settings) as http:
            runner = loop.runner(settings, store, http)
            return await work(Desk(access, facts, sessions, agents, environments, files, runner))
    finally:
        await store.close()
