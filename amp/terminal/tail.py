"""`amp tail`: what is reported, as it happens."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from itertools import count

import msgspec
from rich.console import Console

from amp.errors import StoreUnavailable
from amp.exits import CommandFailed
from amp.grading.log_store import EventLog
from amp.learning import validation
from amp.learning.tailing import Tail, alias, bucket_of
from amp.ledger import entries
from amp.ledger.store import LedgerStore
from amp.settings import Settings
from amp.store.folder import DataFolder
from amp.store.functions import Functions
from amp.store.keys import BUCKETS
from amp.tenancy import Tenant, tenant
from amp.terminal import tail_lines, talk
from amp.terminal.learner import Learner, with_learner
from amp.terminal.reading import since as since_ms

LOOK_EVERY_S = 0.25
REFRESH_EVERY = 40  # looks: policies and the user's alias
_PAGE = 200
_MAX_PAST = 50

Line = tail_lines.Line
Show = Callable[[Line], None]


def run(
    settings: Settings, tenant_name: str, env: str, *, user: str | None, since: str | None, as_json: bool
) -> None:
    """Shows what comes until Ctrl-C, or until nobody reads.

    Raises:
        CommandFailed: no service runs here, or `since` is no time.
        AmpError: no such user id.
    """
    owner, start_ms = tenant(tenant_name, env), since_ms(since) if since else None
    if not settings.redis and not _served(settings):
        raise CommandFailed(f"No service runs on {settings.data}. Start one: amp serve")
    if user is not None:
        user = validation.user_id(user)
    show = _as_json if as_json else tail_lines.drawer(Console(highlight=False))
    if not as_json:
        talk.say(f"What is reported of the {owner.env} data of {owner.name}, as it comes; Ctrl-C ends it.")

    async def follow(learner: Learner) -> None:
        async with aclosing(_Stream(learner, owner, user).lines(start_ms)) as lines:
            async for line in lines:
                show(line)

    try:
        with_learner(settings, follow)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # `amp tail | head`: the interpreter would fail at its last flush, too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _served(settings: Settings) -> bool:
    holder = DataFolder(settings.data).owner() if settings.data.exists() else None
    return bool(holder and holder.lasting)


def _as_json(line: Line) -> None:
    talk.write(msgspec.json.encode(line).decode())


class _Stream:
    """Everything in turn; a store that goes away is waited for, and nothing that its logs hold is missed."""

    def __init__(self, learner: Learner, owner: Tenant, user: str | None) -> None:
        self._learner = learner
        self._owner = owner
        self._user = user
        self._named: str | None = None
        self._tail = Tail(learner.store, owner, range(BUCKETS) if user is None else [bucket_of(user)])
        # jobs and sessions do not say whose they are
        self._jobs = None if user else _Jobs(learner, owner)
        self._verdicts = None if user else _Verdicts(learner, owner)
        self._away = False

    async def lines(self, start_ms: int | None) -> AsyncGenerator[Line]:
        await self._tail.begin(start_ms)
        if self._jobs:
            await self._jobs.begin()
        listening = asyncio.create_task(self._verdicts.listen()) if self._verdicts else None
        try:
            for look in count():
                page = await self._page(refresh=look % REFRESH_EVERY == 0)
                for line in sorted(page, key=lambda each: each.at):
                    yield line
                if len(page) < _PAGE:
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            if listening:
                listening.cancel()

    async def _page(self, *, refresh: bool) -> list[Line]:
        try:
            if refresh:
                await self._learner.policies.refresh()
            found = await self._all()
        except StoreUnavailable:
            if not self._away:
                talk.say("The store does not answer; waiting for it.")
            self._away = True
            return []
        if self._away:
            talk.say("It answers again.")
        self._away = False
        return found

    async def _all(self) -> list[Line]:
        ruled = self._learner.policies.of(self._owner)
        if self._user is not None:
            if self._named is None:
                self._named = await alias(self._learner.store, self._owner, self._user)
            return [line for line in await self._tail.page(ruled) if line.user == self._named]
        found: list[Line] = [*await self._tail.page(ruled)]
        for each in (self._jobs, self._verdicts):
            if each:
                found += await each.page()
        return found


class _Jobs:
    """Outcomes of jobs, from the ledger."""

    def __init__(self, learner: Learner, owner: Tenant) -> None:
        self._ledger = LedgerStore(learner.store, Functions(learner.store, []))
        self._owner = owner
        self._after: list[int] = []

    async def begin(self) -> None:
        self._after = [head.length for head in await self._ledger.heads(self._owner)]

    async def page(self) -> list[Line]:
        found: list[Line] = []
        for number, head in enumerate(await self._ledger.heads(self._owner)):
            if head.length <= self._after[number]:
                continue
            for stored in await self._ledger.run(self._owner, number, self._after[number], _PAGE):
                self._after[number] = stored.position
                entry = entries.unpack(stored.entry)
                if isinstance(entry, entries.Outcome):
                    found.append(tail_lines.of_job(entry))
        return found


class _Verdicts:
    """Verdicts of graded outcomes, from the logs of sessions that were written since."""

    def __init__(self, learner: Learner, owner: Tenant) -> None:
        self._log = EventLog(learner.store)
        self._owner = owner
        self._seen: dict[str, int] = {}
        self._moved: dict[str, int] = {}
        self._since = tail_lines.now()

    async def page(self) -> list[Line]:
        moved, self._moved = self._moved, {}
        found: list[Line] = []
        for session, seq in moved.items():
            try:
                events = await self._log.events(
                    self._owner, session, after=self._seen.get(session, max(0, seq - _MAX_PAST))
                )
            except StoreUnavailable:
                self._moved = moved | self._moved
                raise
            for event in events:
                self._seen[session] = event.seq
                line = tail_lines.of_event(session, event.raw)
                if line and line.at >= self._since:
                    found.append(line)
        return found

    async def listen(self) -> None:
        while True:
            with suppress(StoreUnavailable):
                async for news in self._log.news():
                    if news and news.tag == self._owner.tag:
                        self._moved[news.session] = news.seq
            await asyncio.sleep(LOOK_EVERY_S)
