"""One session on its way: the steps that are due, each done under the session's lease and written as one.

What is due is read from the session alone, and every write names the open request or evaluation that it
answers. So whoever takes a session over does the open step again from its start, and of two who did it only
one is written.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple, Protocol

from amp.errors import AmpError
from amp.grading import session as thinking
from amp.grading.agent import Agent, Turn
from amp.grading.allowed import full
from amp.grading.attending import Attending, Overtaken
from amp.grading.draft import Phase, Trouble, phase, request_of, ticket
from amp.grading.grader import Grader, Job, graded
from amp.grading.holding import LOST
from amp.grading.ids import ClockUs, now_us
from amp.grading.patience import PAUSE_S, Patience, RoleBroke
from amp.grading.posted import as_judged
from amp.grading.roles import SCRIPT, WORKER, Roles, agent_of
from amp.grading.rubric import Judged
from amp.grading.scripted import part_of
from amp.grading.store import Fenced, Gone, SessionStore
from amp.grading.tools import Folder
from amp.grading.transcript import work
from amp.grading.types import Change, Criterion, Definition, Outcome, Pen, Session, State
from amp.tenancy import Tenant

TURN_S_MAX, GRADING_S_MAX = 30 * 60.0, 10 * 60.0

Ended = Literal["rest", "held", "lost", "gone"]


class Workers(Protocol):
    """The queues of external workers."""

    async def offer(
        self, tenant: Tenant, environment: str, session: str, metadata: dict[str, str], *, name: str
    ) -> str:
        """Puts a piece of work of this name into an environment's queue; twice is once."""
        ...

    async def end(self, tenant: Tenant, environment: str, name: str) -> None:
        """Nobody needs to do it any more."""
        ...


class Place(NamedTuple):
    """What courses share."""

    sessions: SessionStore
    roles: Roles
    folders: Callable[[Tenant, str], Folder]
    workers: Workers
    owner: str
    heartbeat_s: float = 5.0
    lease_ms: int = 8_000
    pause_s: float = PAUSE_S
    clock: ClockUs = now_us


class Course(Attending):
    """Runs one session until there is nothing to do."""

    def __init__(self, place: Place, tenant: Tenant, name: str) -> None:
        super().__init__(place.sessions, tenant, name, place.clock)
        self._place = place
        self._defined: Definition | None = None

    async def run(self) -> Ended:
        """Does what is due, until nothing is.

        Raises:
            StoreUnavailable: there is no answer; what is due still is.
        """
        try:
            while await self.leased(self._place.owner, self._place.lease_ms):
                while phase(self.session.state) != "rest":
                    with suppress(Overtaken):
                        await self._step()
                    if self.fence == LOST:
                        return "lost"
                if phase((await self.released()).state) == "rest":
                    return "rest"
            return "held"  # noqa: TRY300  as the other ends
        except Fenced:
            return "lost"
        except Gone:
            return "gone"

    async def _step(self) -> None:
        kind = phase(self.session.state)
        if kind == "grading":
            await self._grade()
        elif request_of(self.session.state):
            await self._work(kind)
        else:
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
        request, model = request_of(self.session.state), agent_of(self.session.head)
        try:
            if model == WORKER:
                reply = await self.attended(self._handed(request), request, TURN_S_MAX)
            else:
                turn = await self._turn(kind, request)
                acting = self._agent(model).act(turn, self._patience(request))
                reply = await self.attended(acting, request, TURN_S_MAX)
        except RoleBroke as failure:
            trouble = failure.trouble
            await self.write(lambda session, pen: thinking.agent_broke(session, pen, request, trouble))
            return
        said, usage, done = reply.said, reply.usage, reply.done
        await self.write(
            lambda session, pen: thinking.answered(session, pen, request, said, usage, done=done)
        )

    def _agent(self, model: str) -> Agent:
        if full(self.session):
            raise RoleBroke(Trouble("unknown_error", "the session is full: begin another one"))
        return self._place.roles.agent(model)

    async def _turn(self, kind: Phase, request: str) -> Turn:
        state, head = self.session.state, self.session.head
        number, outcome = _outcome(state, kind)
        turn = Turn(
            session=self.name,
            request=request,
            kind=kind,
            log=await self.events(),
            folder=self._place.folders(self.tenant, self.name),
            system=head.agent.get("system"),
            metadata=head.metadata,
        )
        if outcome is None:
            return turn
        definition = await self._definition(outcome.outcome_id)
        return turn._replace(
            description=definition.description,
            number=number,
            iteration=outcome.iteration,
            gaps=[each for each in outcome.criteria if not each.passed],
            explanation=outcome.explanation or "",
        )

    async def _grade(self) -> None:
        """One evaluation."""
        start = ticket(self.session.state)
        try:
            job = await self._job(start)
            grader, beat_s = self._grader(job)
            grading = graded(job, grader, self._patience(start))
            verdict = await self.attended(grading, start, GRADING_S_MAX, beat_s=beat_s)
        except RoleBroke as failure:
            trouble = failure.trouble
            await self.write(lambda session, pen: thinking.grader_broke(session, pen, start, trouble))
            return
        await self.write(lambda session, pen: thinking.decided(session, pen, start, verdict))

    async def _job(self, start: str) -> Job:
        number, outcome = _outcome(self.session.state, "grading")
        assert outcome, "an outcome is graded"
        definition = await self._definition(outcome.outcome_id)
        return Job(
            session=self.name,
            start=start,
            definition=definition,
            iteration=outcome.iteration,
            messages=work(await self.events(), start),
            folder=self._place.folders(self.tenant, self.name),
            number=number,
            metadata=self.session.head.metadata,
        )

    def _grader(self, job: Job) -> tuple[Grader, float]:
        """Who grades, and the seconds between heartbeats."""
        model = self._place.roles.grader_of(self.session.head)
        if model == WORKER:
            return _ByWorker(lambda: self._handed(job.start)), self._place.heartbeat_s
        grader = self._place.roles.grader(model)
        planned = part_of(job.metadata, job.number).h if model == SCRIPT else None
        return grader, planned or self._place.heartbeat_s

    async def _handed(self, answers: str) -> Any:
        """Hands the open step to a worker; its verdict once it has one, and never an answer of an agent.

        An agent's answer closes the request, and whoever attends sees that.

        Raises:
            RoleBroke: the worker gave up.
            Overtaken: the step is not open any more.
        """
        await self.write(lambda session, pen: thinking.handed(session, pen, answers))
        if ticket(self.session.state) != answers:  # it was interrupted meanwhile
            raise Overtaken
        environment, name = self.session.head.environment_id, self.session.state.loop["worker"]
        metadata = {"step": phase(self.session.state), "answers": answers}
        await self._place.workers.offer(self.tenant, environment, self.name, metadata, name=name)
        try:
            while True:
                loop = self.session.state.loop
                if loop.get("gave_up"):
                    raise RoleBroke(Trouble("unknown_error", "the worker gave up"))
                if verdict := loop.get("verdict"):
                    return verdict
                await self.news.wait()
                self.news.clear()
        finally:
            if self.fence != LOST:
                with suppress(AmpError):
                    await self._place.workers.end(self.tenant, environment, name)

    def _patience(self, answers: str) -> Patience:
        async def heard(trouble: Trouble | None) -> None:
            if trouble is None:
                await self.write(thinking.resumed)
            else:
                await self.write(lambda session, pen: thinking.retrying(session, pen, answers, trouble))

        return Patience(heard, pause_s=self._place.pause_s)

    async def _definition(self, outcome_id: str) -> Definition:
        """What an outcome asks for, which never changes."""
        if self._defined is None or self._defined.outcome_id != outcome_id:
            self._defined = await self._place.sessions.definition(self.tenant, self.name, outcome_id)
        return self._defined


class _ByWorker:
    """A grader whose verdict somebody posts."""

    def __init__(self, handed: Callable[[], Awaitable[Any]]) -> None:
        self._handed = handed

    async def grade(self, job: Job, criteria: Sequence[Criterion], patience: Patience) -> Judged:
        del job, criteria, patience
        return as_judged(await self._handed())


def _outcome(state: State, kind: Phase) -> tuple[int, Outcome | None]:
    """The outcome that a step is about, and its place: a closing turn is about the one that just ended."""
    if kind == "chat":
        return 0, None
    over = [number for number, each in enumerate(state.outcomes) if each.over]
    number = over[-1] if kind == "closing" else len(over)
    return number, state.outcomes[number]
