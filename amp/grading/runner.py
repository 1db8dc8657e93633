"""The loop: takes sessions that have something to do and runs them, beside the loops of other processes.

It runs in a process of its own beside the workers that serve HTTP, started again when it ends: a role's
callable, a large workbook or a slow regular expression never holds an answer up, and a worker that is killed
takes no session with it. More machines run more of them. A loop that dies is missed when its leases and
wake-ups are older than LEASE_MS: with one look every LOOK_S the others go on within 15 s.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from amp.errors import InvalidInput, StoreUnavailable
from amp.grading.course import Course, Place
from amp.grading.holding import LOST
from amp.grading.lanes import Lanes, Wake
from amp.tenancy import Tenant, tenant

LEASE_MS = 8_000
BEAT_S = 2.0
"""Leases and wake-ups are kept so often."""
LOOK_S = 2.0
"""Wake-ups of the dead and sessions that nobody runs are looked for so often."""
_AGAIN_S = 0.5
AT_ONCE_MAX = 1_000
_log = logging.getLogger(__name__)


class _Key(NamedTuple):
    tag: str
    session: str


class Runner:
    """One loop."""

    def __init__(self, place: Place, lanes: Lanes) -> None:
        self._place = place
        self._lanes = lanes
        self._courses: dict[_Key, Course] = {}
        self._tasks: dict[_Key, asyncio.Task[None]] = {}
        self._wakes: dict[_Key, list[Wake]] = {}
        self._catching: set[asyncio.Task[None]] = set()
        self._called = asyncio.Event()
        """There may be new wake-ups."""

    async def run(self) -> None:
        """Runs until it is cancelled; then gives back what it holds."""
        await self._together(
            self._every(LOOK_S, self._look), self._every(0.0, self._hear_calls), self._take()
        )

    async def run_one(self, owner: Tenant, name: str) -> None:
        """Runs this session and no other until it is cancelled, while nobody else holds it."""

        async def look() -> None:
            self._start(_Key(owner.tag, name))

        await self._together(self._every(LOOK_S, look))

    async def _together(self, *jobs: Coroutine[Any, Any, None]) -> None:
        kept = (self._every(BEAT_S, self._beat), self._every(0.0, self._hear_news))
        try:
            await asyncio.gather(*jobs, *kept)
        finally:
            await self._give_back()

    async def _every(self, pause_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            rest_s = pause_s
            try:
                await work()
            except StoreUnavailable:
                _log.warning("The store does not answer; the loop goes on when it does.")
                rest_s = max(pause_s, _AGAIN_S)
            except Exception:  # noqa: BLE001  a loop that ends runs nothing any more
                _log.exception("A part of the loop failed.")
                rest_s = max(pause_s, _AGAIN_S)
            await asyncio.sleep(rest_s)

    async def _hear_calls(self) -> None:
        await self._lanes.open()
        async for _ in self._lanes.calls():
            self._called.set()

    async def _take(self) -> None:
        """Takes wake-ups when it is called."""
        while True:
            await self._called.wait()
            self._called.clear()
            try:
                while (room := AT_ONCE_MAX - len(self._tasks)) > 0:
                    wakes = await self._lanes.take(self._place.owner, min(room, 50))
                    if not wakes:
                        break
                    self._woken(wakes)
            except StoreUnavailable:  # whoever hears calls is called again when the store is back
                await asyncio.sleep(_AGAIN_S)

    async def _hear_news(self) -> None:
        """Sees what others wrote into the sessions that run here: an interrupt ends what is under way."""
        async for news in self._place.sessions.news():
            if news is None:
                await self._see_all()
            elif (course := self._courses.get(_Key(news.tag, news.session))) and course.told(news.version):
                self._catch_up(course)

    def _catch_up(self, course: Course) -> None:
        task = asyncio.create_task(_caught_up(course))
        self._catching.add(task)
        task.add_done_callback(self._catching.discard)

    async def _see_all(self) -> None:
        """Makes up for news that were missed."""
        by_tenant: dict[Tenant, list[Course]] = {}
        for course in self._courses.values():
            by_tenant.setdefault(course.tenant, []).append(course)
        for owner, courses in by_tenant.items():
            found = await self._place.sessions.load_all(owner, [each.name for each in courses])
            for course, session in zip(courses, found, strict=True):
                course.seen(session)

    def _woken(self, wakes: list[Wake]) -> None:
        for wake in wakes:
            key = _Key(wake.tag, wake.session)
            self._wakes.setdefault(key, []).append(wake)
            self._start(key)

    def _start(self, key: _Key) -> None:
        """Runs a session, unless it runs here already: a course looks once more before it ends."""
        if key in self._tasks:
            return
        owner = _tenant(key.tag)
        if owner is None:
            return
        course = Course(self._place, owner, key.session)
        self._courses[key] = course
        self._tasks[key] = asyncio.create_task(self._conduct(key, course))

    async def _conduct(self, key: _Key, course: Course) -> None:
        try:
            while True:
                heard = self._wakes.pop(key, [])
                try:
                    await course.run()
                except StoreUnavailable:
                    self._wakes.setdefault(key, []).extend(heard)
                    await asyncio.sleep(_AGAIN_S)
                    continue
                # also where another holds it: who gives it back looks again, and who dies is swept up after
                await self._lanes.done(heard)
                if key not in self._wakes:
                    return
        except Exception:  # noqa: BLE001  one session's trouble is not the others'
            _log.exception("The session %s of %s failed here; it is taken up again.", key.session, key.tag)
            await asyncio.sleep(LOOK_S)
        finally:
            if len(self._tasks) >= AT_ONCE_MAX:
                self._called.set()  # there is room again
            self._tasks.pop(key, None)
            self._courses.pop(key, None)

    async def _beat(self) -> None:
        """Keeps the leases that no write has kept since the last beat, and the wake-ups."""
        now_s = time.monotonic()
        courses = [each for each in self._courses.values() if each.held_s <= now_s - BEAT_S]
        held = [(each, each.fence) for each in courses if each.fence not in {None, LOST}]
        leases = [(course.tenant, course.name, fence or 0) for course, fence in held]
        versions = await self._place.sessions.renew(leases, self._place.lease_ms)
        for (course, fence), version in zip(held, versions, strict=True):
            if version is None or course.fence != fence:
                continue  # one that has ended, or holds a new lease, lost nothing
            if not version:
                course.lost()
                continue
            course.held_s = now_s
            if course.told(version):
                self._catch_up(course)
        wakes = [wake for each in self._wakes.values() for wake in each]
        if wakes:
            await self._lanes.keep(self._place.owner, wakes)

    async def _look(self) -> None:
        """Takes over what the dead left: their wake-ups, and running sessions that nobody was woken for."""
        await self._lanes.open()
        self._called.set()  # for a call that was lost
        self._woken(await self._lanes.take_over(self._place.owner, self._place.lease_ms, 50))
        for tag, name in await self._place.sessions.running(await self._place.sessions.tenants()):
            if len(self._tasks) < AT_ONCE_MAX:
                self._start(_Key(tag, name))

    async def _give_back(self) -> None:
        """What is under way here is taken up by others at once."""
        running, courses = list(self._tasks.items()), dict(self._courses)
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)
        with suppress(StoreUnavailable):
            for key, course in courses.items():
                if course.fence not in {None, LOST}:
                    await self._place.sessions.release(course.tenant, course.name, course.fence or 0)
                await self._lanes.wake(key.tag, key.session)


async def _caught_up(course: Course) -> None:
    with suppress(StoreUnavailable):  # the next beat finds out that it is behind
        await course.catch_up()


def _tenant(tag: str) -> Tenant | None:
    name, _, env = tag.partition(":")
    try:
        return tenant(name, env)
    except InvalidInput:
        _log.error("%r is no tenant.", tag)
        return None
