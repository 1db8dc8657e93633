"""One session on its way: the steps that are due, each done under the session's lease and written as one.

What is due is read from the session alone, and every write names the open request or evaluation that it answers. So
whoever takes a session over does the open step again from its start, and of two who did it only one is written.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from amp.errors import StoreUnavailable
from amp.grading import scripted, session as thinking
from amp.grading.agent import Reply, Turn
from amp.grading.grader import Job, graded
from amp.grading.handed import Hands
from amp.grading.ids import ClockUs, new_id
from amp.grading.patience import Patience, RoleBroke
from amp.grading.roles import SCRIPT, WORKER, Roles, agent_of
from amp.grading.rubric import Verdict
from amp.grading.session import Phase, Trouble, phase, request_of, ticket
from amp.grading.store import Fenced, Gone, SessionStore, Stale
from amp.grading.tools import Folder
from amp.grading.transcript import work
from amp.grading.types import Change, Event, Outcome, Pen, Session
from amp.tenancy import Tenant

TURN_S_MAX, GRADING_S_MAX = 30 * 60.0, 10 * 60.0
_AGAIN_S = 0.25
_PAGE = 1000
_log = logging.getLogger(__name__)

Ended = Literal["rest", "held", "lost", "gone"]
Think = Callable[[Session, Pen], Change | None]
Found = TypeVar("Found")


class Place(NamedTuple):
    """What courses share."""

    sessions: SessionStore
    roles: Roles
    folders: Callable[[Tenant, str], Folder]
    hands: Hands
    clock: ClockUs
    owner: str
    lease_ms: int
    heartbeat_s: float


class Overtaken(Exception):
    """What was under way is over: the session was interrupted, or another loop has it."""


class Course:
    """Runs one session until there is nothing to do."""

    def __init__(self, place: Place, tenant: Tenant, name: str) -> None:
        self.tenant, self.name = tenant, name
        self.fence: int | None = None
        self._place = place
        self._session: Session | None = None
        self._log: list[Event] = []
        self._read = 0
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def session(self) -> Session:
        assert self._session, "leased"
        return self._session

    def seen(self, session: Session | None) -> None:
        """Somebody read the session: what is newer than what we know is looked at."""
        if self._session and (session is None or session.version > self._session.version):
            self._session = session or self._session
            self._changed.set()

    def lost(self) -> None:
        """The lease is gone."""
        self.fence = -1
        self._changed.set()

    async def run(self) -> Ended:
        """Does what is due, until nothing is."""
        try:
            while True:
                lease = await self._place.sessions.lease(
                    self.tenant, self.name, self._place.owner, self._place.lease_ms
                )
                if lease is None:
                    return "held"
                self.fence, self._session = lease
                while phase(self.session.state) != "rest":
                    with suppress(Overtaken):
                        await self._step()
                    if self.fence == -1:
                        return "lost"
                await self._place.sessions.release(self.tenant, self.name, self.fence)
                # what came between our last look and the release has nobody else to see it
                self._session = await self._place.sessions.load(self.tenant, self.name)
                if phase(self.session.state) == "rest":
                    return "rest"
        except Fenced:
            return "lost"
        except Gone:
            return "gone"

    async def _step(self) -> None:
        match phase(self.session.state):
            case "grading":
                await self._grade()
            case kind if request_of(self.session.state):
                await self._work(kind)
            case _:
                await self._begin()

    async def _begin(self) -> None:
        wanted = thinking.wants(self.session)
        found = await self._place.sessions.at(self.tenant, self.name, [each.seq for each in wanted])
        events = {each.event["id"]: each.event for each in found}

        def think(session: Session, pen: Pen) -> Change | None:
            waiting = [events[each.id] for each in thinking.wants(session) if each.id in events]
            return thinking.begun(session, pen, waiting)

        await self.write(think)

    async def _work(self, kind: Phase) -> None:
        """One model request of the agent."""
        request = request_of(self.session.state)
        try:
            if agent_of(self.session.head) == WORKER:
                return await self._handed(request, TURN_S_MAX)
            agent = self._place.roles.agent(agent_of(self.session.head))
            turn = await self._turn(kind, request)
            reply: Reply = await self._attended(
                agent.act(turn, self._patience(request)), request, TURN_S_MAX, beat_s=None
            )
        except RoleBroke as failure:
            trouble = failure.trouble
            await self.write(lambda session, pen: thinking.agent_broke(session, pen, request, trouble))
            return None
        await self.write(
            lambda session, pen: thinking.answered(
                session, pen, request, reply.said, reply.usage, done=reply.done
            )
        )
        return None

    async def _turn(self, kind: Phase, request: str) -> Turn:
        state, head = self.session.state, self.session.head
        number, outcome = _outcome(state.outcomes, kind)
        description = ""
        if outcome:
            definition = await self._place.sessions.definition(self.tenant, self.name, outcome.outcome_id)
            description = definition.description
        return Turn(
            self.name,
            request,
            kind,
            await self._events(),
            self._place.folders(self.tenant, self.name),
            head.agent.get("system"),
            head.metadata,
            description,
            number,
            outcome.iteration if outcome else 0,
            [each for each in outcome.criteria if not each.passed] if outcome else (),
            (outcome.explanation or "") if outcome else "",
        )

    async def _grade(self) -> None:
        """One evaluation."""
        start, state, head = ticket(self.session.state), self.session.state, self.session.head
        model = self._place.roles.grader_of(head)
        number, outcome = _outcome(state.outcomes, "grading")
        assert outcome, "an outcome is graded"
        try:
            definition = await self._place.sessions.definition(self.tenant, self.name, outcome.outcome_id)
            log = await self._events()
            folder = self._place.folders(self.tenant, self.name)
            job = Job(
                self.name,
                start,
                definition,
                outcome.iteration,
                work(log, start),
                folder,
                number,
                head.metadata,
            )
            if model == WORKER:
                grader: Any = self._place.hands.grader(lambda: self._handed(start, GRADING_S_MAX), self)
            else:
                grader = self._place.roles.grader(model)
            beat_s = self._place.heartbeat_s
            if model == SCRIPT:
                beat_s = scripted.part_of(head.metadata, number).h or beat_s
            verdict: Verdict = await self._attended(
                graded(job, grader, self._patience(start)), start, GRADING_S_MAX, beat_s=beat_s
            )
        except RoleBroke as failure:
            trouble = failure.trouble
            await self.write(lambda session, pen: thinking.grader_broke(session, pen, start, trouble))
            return
        await self.write(lambda session, pen: thinking.decided(session, pen, start, verdict))
