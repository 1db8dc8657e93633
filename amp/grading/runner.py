"""The loop: takes sessions that have something to do and runs them, beside the loops of other processes.

It runs in a process of its own beside the workers that serve HTTP, started again when it ends: a role's
callable, a large workbook or a slow regular expression never holds an answer up, and a worker that is killed
takes no session with it. More machines run more of them. A loop that dies is missed when its leases and
wake-ups are older than LEASE_MS: with one look every LOOK_S the others go on within 15 s.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

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
WATCH_S = 0.2
"""How soon an interrupt is seen."""
TAKE_S, TAKE_IDLE_S = 0.02, 0.05
_QUIET_S = 5.0
_HELD_S = 0.5
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
        self._busy_s = 0.0

    async def run(self) -> None:
        """Runs until it is cancelled; then gives back what it holds."""
        jobs = (
            self._every(BEAT_S, self._beat),
            self._every(LOOK_S, self._look),
            self._every(WATCH_S, self._watch),
            self._listen(),
        )
        try:
            await asyncio.gather(*jobs)
        finally:
            await self._give_back()

    async def _every(self, pause_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except StoreUnavailable:
                _log.warning("The store does not answer; the loop goes on when it does.")
            except Exception:  # noqa: BLE001  a loop that ends runs nothing any more
                _log.exception("A part of the loop failed.")
            await asyncio.sleep(pause_s)

    async def _listen(self) -> None:
        """Takes wake-ups as they come."""
        while True:
            pause_s = TAKE_S if time.monotonic() < self._busy_s + _QUIET_S else TAKE_IDLE_S
            try:
                room = AT_ONCE_MAX - len(self._tasks)
                if room > 0:
                    await self._woken(await self._lanes.take(self._place.owner, min(room, 50)))
            except StoreUnavailable:
                pause_s = _HELD_S
                with suppress(StoreUnavailable):
                    await self._lanes.open()
            await asyncio.sleep(pause_s)

    async def _woken(self, wakes: list[Wake]) -> None:
        for wake in wakes:
            self._busy_s = time.monotonic()
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
        heard: list[Wake] = []
        try:
            while True:
                heard = self._wakes.pop(key, [])
                try:
                    ended = await course.run()
                except StoreUnavailable:
                    self._wakes.setdefault(key, []).extend(heard)
                    await asyncio.sleep(_HELD_S)
                    continue
                if ended == "held":  # the wake-ups stay ours until we have seen it at rest, or run it
                    self._wakes.setdefault(key, []).extend(heard)
                    await asyncio.sleep(_HELD_S)
                    course.fence = None
                    continue
                await self._lanes.done(heard)
                if key not in self._wakes or ended in {"gone", "lost"}:
                    return
        except Exception:  # noqa: BLE001  one session's trouble is not the others'
            _log.exception("The session %s of %s failed here; it is taken up again.", key.session, key.tag)
            await asyncio.sleep(LOOK_S)
        finally:
            self._tasks.pop(key, None)
            self._courses.pop(key, None)
            self._busy_s = time.monotonic()

    async def _beat(self) -> None:
        """Keeps the leases and the wake-ups."""
        held = [course for course in self._courses.values() if course.fence not in {None, LOST}]
        kept = await asyncio.gather(*(self._renewed(course) for course in held))
        for course, ours in zip(held, kept, strict=True):
            if not ours:
                course.lost()
        wakes = [wake for each in self._wakes.values() for wake in each]
        if wakes:
            await self._lanes.keep(self._place.owner, wakes)

    async def _renewed(self, course: Course) -> bool:
        fence = course.fence
        assert fence is not None, "held"
        ours = await self._place.sessions.renew(course.tenant, course.name, fence, self._place.lease_ms)
        return ours or course.fence != fence  # a course that has ended, or holds a new lease, lost nothing

    async def _watch(self) -> None:
        """Sees what others wrote into the sessions that run here: an interrupt ends what is under way."""
        by_tenant: dict[Tenant, list[Course]] = {}
        for course in self._courses.values():
            by_tenant.setdefault(course.tenant, []).append(course)
        for owner, courses in by_tenant.items():
            found = await self._place.sessions.load_all(owner, [each.name for each in courses])
            for course, session in zip(courses, found, strict=True):
                course.seen(session)

    async def _look(self) -> None:
        """Takes over what the dead left: their wake-ups, and running sessions that nobody was woken for."""
        await self._lanes.open()
        await self._woken(await self._lanes.take_over(self._place.owner, self._place.lease_ms, 50))
        for tag in await self._place.sessions.tenants():
            for name in await self._place.sessions.running(tag):
                key = _Key(tag, name)
                if key not in self._tasks and len(self._tasks) < AT_ONCE_MAX:
                    self._start(key)

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


def _tenant(tag: str) -> Tenant | None:
    name, _, env = tag.partition(":")
    try:
        return tenant(name, env)
    except InvalidInput:
        _log.error("%r is no tenant.", tag)
        return None
