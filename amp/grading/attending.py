"""A role at work, attended: with heartbeats, and ended by an interrupt, a lost lease, or its time."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from amp.errors import StoreUnavailable
from amp.grading import session as thinking
from amp.grading.draft import Trouble, phase, ticket
from amp.grading.holding import LOST, Hold
from amp.grading.ids import ClockUs
from amp.grading.patience import RoleBroke
from amp.grading.store import Fenced, Gone, SessionStore
from amp.tenancy import Tenant

_log = logging.getLogger(__name__)

Found = TypeVar("Found")


class Overtaken(Exception):
    """What was under way is over: the session was interrupted, or another loop has it."""


class Attending(Hold):
    """A session in our hands, and a role that works on it."""

    def __init__(self, sessions: SessionStore, tenant: Tenant, name: str, clock: ClockUs) -> None:
        super().__init__(sessions, tenant, name, clock)
        self._limit: tuple[Any, float] | None = None

    async def attended(
        self, doing: Coroutine[Any, Any, Found], answers: str, limit_s: float, beat_s: float | None = None
    ) -> Found:
        """What comes of it, while the step that it answers is open; with heartbeats of a grader.

        Raises:
            Overtaken: the step is not open any more.
            RoleBroke: it failed, or took too long.
        """
        clock = asyncio.get_running_loop().time
        task = asyncio.ensure_future(doing)
        until_s, beat_at_s = self._until(limit_s, clock()), clock() + (beat_s or limit_s)
        try:
            while not task.done():
                if self.fence == LOST or ticket(self.session.state) != answers:
                    raise Overtaken
                if clock() >= until_s:
                    raise RoleBroke(Trouble("unknown_error", f"it took longer than {limit_s / 60:g} minutes"))
                if beat_s and clock() >= beat_at_s:
                    beat_at_s = clock() + beat_s
                    await self.write(lambda session, pen: thinking.ongoing(session, pen, answers))
                await self._until_news(task, min(until_s, beat_at_s) - clock())
            return _answer(task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _until_news(self, task: asyncio.Future[Any], wait_s: float) -> None:
        news = asyncio.ensure_future(self.changed.wait())
        await asyncio.wait({task, news}, timeout=max(wait_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
        news.cancel()
        self.changed.clear()

    def _until(self, limit_s: float, now_s: float) -> float:
        """When the turn or grading must be over: all requests of a turn share its time."""
        outcome = self.session.state.active()
        key = (phase(self.session.state), outcome and (outcome.outcome_id, outcome.iteration))
        if self._limit is None or self._limit[0] != key or not key[1]:
            self._limit = (key, now_s + limit_s)
        return self._limit[1]


def _answer(task: asyncio.Future[Found]) -> Found:
    """What a role answered; a role that fails in a way of its own is broken, and nothing else is."""
    try:
        return task.result()
    except (RoleBroke, StoreUnavailable, Fenced, Gone, Overtaken):
        raise
    except Exception as error:  # whatever a role raises, it is the role that broke
        _log.exception("A role failed.")
        raise RoleBroke(Trouble("unknown_error", f"{type(error).__name__}: {error}")) from error
