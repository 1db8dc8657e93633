"""The room's verbs: load a session, think, write once."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from amp.errors import InvalidParameter, NotFound, StoreUnavailable
from amp.grading import inputs, render, resources
from amp.grading.allowed import ANSWERS, BUSY, at_rest, fit, permit
from amp.grading.files import Files
from amp.grading.ids import ClockUs, new_id, now_us
from amp.grading.lanes import Lanes
from amp.grading.making import Making
from amp.grading.posted import posted
from amp.grading.receiving import closed, received
from amp.grading.sending import Sending, remembering
from amp.grading.store import ONCE_S, Gone, SessionStore, Stale
from amp.grading.types import Change, Event, Head, Pen, Sent, Session, State
from amp.grading.wire import SessionPatch, SessionRequest, patched
from amp.grading.work_service import Work
from amp.tenancy import Access, Tenant

ATTEMPTS = 20
"""Of a write that others overtake: a loop writes several times a second."""

Document = dict[str, Any]
Think = Callable[[Session, Pen], Change]


class Sessions:
    """Makes sessions, takes events in, says how things stand."""

    def __init__(
        self,
        store: SessionStore,
        lanes: Lanes,
        *,
        making: Making,
        files: Files,
        work: Work,
        clock: ClockUs = now_us,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._making = making
        self._files = files
        self._work = work
        self._clock = clock

    async def create(self, access: Access, request: SessionRequest, sending: Sending) -> Document:
        """Makes a session, idle, or running when it begins with events.

        Raises:
            InvalidParameter: the field is named; nothing is stored.
            NotFound: there is no such agent or environment.
            StoreUnavailable: nobody knows; sent again, it makes no second one.
        """
        tenant = access.tenant
        given = await self._making.resolved(tenant, inputs.checked(request.initial_events), "initial_events")
        head = await self._making.head(tenant, request)
        pen = Pen(0, 0, head.created_us, new_id)
        change = Change(State(), head=head)
        if given:
            change, _ = received(Session(0, 0, head, State()), given, pen)
        name = await self._store.once(tenant, sending.digest(access), head.id, again=sending.repeats)
        head.id = name  # only now: what is refused leaves no trace
        with suppress(Stale):  # a request that came again: the first has made it
            await self._store.create(tenant, change._replace(head=head), secrets.token_hex(8))
        await self._woken(tenant, name, change.state)
        return await self.show(access, name)

    async def show(self, access: Access, name: str) -> Document:
        """A session as it stands.

        Raises:
            NotFound: there is none.
            StoreUnavailable: there is no answer.
        """
        return (await self.rendered(access.tenant, [await self.find(access, name)]))[0]

    async def find(self, access: Access, name: str) -> Session:
        """A session that the caller may see: a worker only sees those of its environment.

        Raises:
            NotFound: there is none.
            StoreUnavailable: there is no answer.
        """
        try:
            found = await self._store.load(access.tenant, name)
        except Gone as error:
            raise _unknown(name) from error
        if not access.has("sessions", "read") and access.environment != found.head.environment_id:
            raise _unknown(name)
        return found

    async def rendered(self, tenant: Tenant, found: Sequence[Session]) -> list[Document]:
        """Sessions as the wire has them."""
        wanted = [(each.head.id, outcome.outcome_id) for each in found for outcome in each.state.outcomes]
        told = iter(await self._store.descriptions(tenant, wanted))
        at_us = self._clock()
        return [render.session(each, [next(told) for _ in each.state.outcomes], at_us) for each in found]

    async def send(self, access: Access, name: str, given: Sequence[Any], sending: Sending) -> list[Event]:
        """Takes a batch of events in, all of it or nothing; the echo of each, in their order.

        Raises:
            InvalidParameter: the field is named, or the session's state does not allow it; nothing is stored.
            Forbidden: only a worker of the session's environment may say this.
            Conflict: a worker answers what is over.
            NotFound: there is no such session.
            StoreUnavailable: nobody knows; sent again, it is not taken in twice.
        """
        events = inputs.checked(given)
        session = await self.find(access, name)
        by_worker = inputs.of_worker(events[0])
        permit(access, session, by_worker=by_worker)
        if before := self._before(access, session, sending):
            return await self._echoed(access.tenant, name, before)
        events = await self._making.resolved(access.tenant, events, "events")
        await self._answering(access.tenant, name, events)
        digest = sending.digest(access)
        echoes: list[Event] = []
        before = None

        def think(session: Session, pen: Pen) -> Change:
            nonlocal before
            if before := self._before(access, session, sending):  # it came twice at once
                return Change(session.state)
            fit(session, events, len(sending.body))
            change, echoes[:] = (posted if by_worker else received)(session, events, pen)
            return remembering(change, digest, session.seq, echoes)

        await self._write(access, name, think)
        return await self._echoed(access.tenant, name, before) if before else list(echoes)

    async def _answering(self, tenant: Tenant, name: str, events: Sequence[Event]) -> None:
        """Refuses an answer to a tool use that never was."""
        wanted = {
            (number, field): event[field]
            for number, event in enumerate(events)
            if event["type"] in ANSWERS and (field := ANSWERS[event["type"]])
        }
        used = await self._store.used(tenant, name, set(wanted.values())) if wanted else ()
        for (number, field), use in wanted.items():
            if use not in used:
                raise InvalidParameter(
                    f"events[{number}].{field}", "there is no such tool use in the session"
                )

    async def update(self, access: Access, name: str, patch: SessionPatch) -> Document:
        """Changes what the caller said of a session.

        Raises:
            InvalidParameter: the field is named, or the session's state does not allow it.
            NotFound: there is no such session.
            StoreUnavailable: nobody knows; it may be sent again.
        """

        def think(session: Session, pen: Pen) -> Change:
            head, changed = _updated(session, patch)
            if not changed:
                return Change(session.state)
            fit(session, [{"type": "session.updated"}], len(msgspec.json.encode(changed)))
            event = pen.event("session.updated", **changed)
            head.updated_us = pen.at_us
            return Change(msgspec.structs.replace(session.state, at_us=pen.at_us), [event], head=head)

        await self._write(access, name, think)
        return await self.show(access, name)

    async def archive(self, access: Access, name: str) -> Document:
        """Ends a session that is not running; it stays readable.

        Raises:
            InvalidParameter: it is running.
            NotFound: there is no such session.
            StoreUnavailable: nobody knows; it may be sent again.
        """

        def think(session: Session, pen: Pen) -> Change:
            if session.head.archived_us is not None:
                return Change(session.state)
            at_rest(session, "archived")
            change = closed(session, pen) if session.state.status != "terminated" else Change(session.state)
            head = msgspec.structs.replace(session.head, archived_us=self._clock(), updated_us=self._clock())
            return change._replace(head=head)

        await self._write(access, name, think)
        return await self.show(access, name)

    async def delete(self, access: Access, name: str) -> None:
        """Forgets a session that is not running, all that it delivered, and its work.

        What a request that was cut off has left, the next one forgets, though it finds no session.

        Raises:
            InvalidParameter: it is running.
            NotFound: there is no such session.
            StoreUnavailable: nobody knows; it may be sent again.
        """
        try:
            await self._ended(access, name)
        except NotFound:
            await self._forget(access.tenant, name)
            raise
        await self._forget(access.tenant, name)

    async def _forget(self, tenant: Tenant, name: str) -> None:
        await self._files.delete_of(tenant, name)
        await self._work.delete_of(tenant, name)

    async def _ended(self, access: Access, name: str) -> None:
        for _ in range(ATTEMPTS):
            session = await self.find(access, name)
            at_rest(session, "deleted")
            pen = Pen(session.seq, session.state.at_us, self._clock(), new_id)
            with suppress(Stale, Gone):
                return await self._store.delete(
                    access.tenant, name, session.version, pen.event("session.deleted")
                )
        raise StoreUnavailable

    async def _write(self, access: Access, name: str, think: Think) -> None:
        """Writes what `think` makes of the session as it stands; wakes a loop if there is something to do."""
        tenant = access.tenant
        for _ in range(ATTEMPTS):
            session = await self.find(access, name)
            change = think(session, Pen(session.seq, session.state.at_us, self._clock(), new_id))
            if change.state == session.state and not change.events and change.head is None:
                return await self._store.prove(tenant, name)
            with suppress(Stale):
                await self._store.commit(tenant, name, session.version, change, secrets.token_hex(8))
                return await self._woken(tenant, name, change.state)
        raise StoreUnavailable

    async def _woken(self, tenant: Tenant, name: str, state: State) -> None:
        if state.status in BUSY:
            with suppress(StoreUnavailable):  # it is written; the sweep finds it
                await self._lanes.wake(tenant.tag, name)

    def _before(self, access: Access, session: Session, sending: Sending) -> Sent | None:
        """What the same batch made, when it came before and this is a client that heard no answer."""
        before = session.state.sent.get(sending.digest(access)) if sending.repeats else None
        lately = before is not None and self._clock() - before.at_us <= ONCE_S * 1_000_000
        return before if lately else None

    async def _echoed(self, tenant: Tenant, name: str, sent: Sent) -> list[Event]:
        await self._store.prove(tenant, name)
        return [one.event for one in await self._store.at(tenant, name, sent.seqs)]


def _updated(session: Session, patch: SessionPatch) -> tuple[Head, Document]:
    """The head as the patch makes it, and what is otherwise than before."""
    if session.state.status == "terminated":
        raise InvalidParameter("session_id", "the session has ended")
    agent = session.head.agent
    if patch.agent is not None:
        if session.state.status in BUSY:
            raise InvalidParameter("agent", "cannot be changed while the session is running")
        agent = resources.refitted(agent, patch.agent)
    title = session.head.title if patch.title is msgspec.UNSET else patch.title
    metadata = patched(session.head.metadata, patch.metadata)
    head = msgspec.structs.replace(session.head, title=title, metadata=metadata, agent=agent)
    told = (("title", title), ("metadata", metadata), ("agent", agent))
    return head, {name: value for name, value in told if value != getattr(session.head, name)}


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no session {name!r}.", details={"error_code": "session_not_found"})
