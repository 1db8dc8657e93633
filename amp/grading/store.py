"""The only file of the room that knows how sessions lie in the store: one atomic write a step, and reads.

`load` reads a session, session.py thinks what comes next, `commit` writes it if the session is still the one
that was read, and refuses it as Stale otherwise. A loop that advances a session holds its lease and commits
under the lease's fence: one that was thought dead can write nothing any more.
"""

from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from amp.errors import StoreUnavailable
from amp.grading.index_store import SessionIndex
from amp.grading.lists import words_of
from amp.grading.log_store import Logged, News
from amp.grading.packing import encode, ended, packed
from amp.grading.types import Change, Definition, Event, Head, Lease, Session, State
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.grading_keys import GRADING_NEWS, GRADING_TENANTS, session_bucket, session_keys, session_once
from amp.store.keys import BRIDGE_NEWS
from amp.tenancy import Tenant

__all__ = [
    "LIBRARY",
    "ONCE_S",
    "Fenced",
    "Gone",
    "Logged",
    "News",
    "SessionStore",
    "Stale",
    "Written",
]

LIBRARY = files("amp.grading").joinpath("store.lua").read_text()

ONCE_S = 120
"""So long a request that comes again finds what the first has made."""

_READ = ("v", "n", "h", "s", "b", "x")
_head = msgspec.json.Decoder(Head)
_state = msgspec.json.Decoder(State)
_definition = msgspec.json.Decoder(Definition)


class Stale(Exception):
    """Another write came first: read the session again and think again."""


class Fenced(Exception):
    """The lease is another's now: whatever was under way here is void."""


class Gone(Exception):
    """There is no such session, or it was deleted."""


class Written(NamedTuple):
    """Where the session stands after a write."""

    version: int
    seq: int
    bytes: int


class SessionStore(SessionIndex):
    """Sessions in Redis or Valkey."""

    def __init__(self, store: Store, functions: Functions) -> None:
        super().__init__(store)
        self._functions = functions
        self._tenants: set[str] = set()

    async def create(self, tenant: Tenant, change: Change, token: str) -> Written:
        """Makes the session that `change.head` describes, with all that is in the change.

        Raises:
            Stale: there is one with this id.
            StoreUnavailable: nobody knows; the same may be sent again with the same token.
        """
        assert change.head is not None, "a session begins with its head"
        if tenant.tag not in self._tenants:  # before the session: a sweep must find its tenant
            await self._store.ask("SADD", GRADING_TENANTS, tenant.tag)
            self._tenants.add(tenant.tag)
        return await self._commit(tenant, change.head.id, 0, change, token, "", str(change.head.created_us))

    async def once(self, tenant: Tenant, digest: str, session: str, *, again: bool) -> str:
        """The session that this request is to make: the given one; of one that comes `again`, the first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        key = session_once(tenant, digest)
        options = ("NX", "GET") if again else ()
        known = await self._store.ask("SET", key, session, "EX", ONCE_S, *options)
        return known.decode() if again and known else session

    async def prove(self, tenant: Tenant, session: str) -> None:
        """As `Store.prove`, of a session that stands as it was asked to: nothing is written."""
        await self._store.prove(session_keys(tenant, session).session)

    async def load(self, tenant: Tenant, session: str) -> Session:
        """The session as it stands.

        Raises:
            Gone: there is none.
            StoreUnavailable: there is no answer.
        """
        found = (await self.load_all(tenant, [session]))[0]
        if found is None:
            raise Gone
        return found

    async def load_all(self, tenant: Tenant, sessions: Sequence[str]) -> list[Session | None]:
        """These sessions in their order; None where there is none.

        Raises:
            StoreUnavailable: there is no answer.
        """
        replies = await self._store.ask_all(
            [("HMGET", session_keys(tenant, each).session, *_READ) for each in sessions]
        )
        return [_session(reply) for reply in replies]

    async def definition(self, tenant: Tenant, session: str, outcome_id: str) -> Definition:
        """What an outcome of the session asks for.

        Raises:
            Gone: the session has no such outcome.
            StoreUnavailable: there is no answer.
        """
        raw = await self._store.ask("HGET", session_keys(tenant, session).session, f"o:{outcome_id}")
        if raw is None:
            raise Gone
        return _definition.decode(raw)

    async def descriptions(self, tenant: Tenant, wanted: Sequence[tuple[str, str]]) -> list[str]:
        """The descriptions of these outcomes, each named by session and outcome.

        Raises:
            StoreUnavailable: there is no answer.
        """
        commands = [("HGET", session_keys(tenant, each).session, f"d:{outcome}") for each, outcome in wanted]
        replies = await self._store.ask_all(commands) if commands else []
        return [(reply or b"").decode() for reply in replies]

    async def commit(
        self,
        tenant: Tenant,
        session: str,
        version: int,
        change: Change,
        token: str,
        *,
        fence: int | None = None,
        hold_ms: int = 0,
    ) -> Written:
        """Writes a step: events, state and definitions as one.

        `token` is new for each step; the same step may be sent again with it. A loop gives its lease's fence,
        and holds the lease for `hold_ms` from now.

        Raises:
            Stale: the session is not the one of this version any more.
            Fenced: the lease is another's now.
            Gone: it was deleted.
            StoreUnavailable: nobody knows; the same may be sent again with the same token.
        """
        lease = "" if fence is None else str(fence)
        return await self._commit(tenant, session, version, change, token, lease, hold_ms=hold_ms)

    async def delete(self, tenant: Tenant, session: str, version: int, last: Event) -> None:
        """Ends a session; whoever follows it reads the last event.

        Raises:
            Stale, Gone, StoreUnavailable: as `commit`.
        """
        arguments = (version, "", "", *_news(tenant, session), encode(last), "")
        _judged(await self._functions.call(_call("delete", tenant, session, arguments)))

    async def lease(self, tenant: Tenant, session: str, owner: str, ttl_ms: int) -> Lease | None:
        """The right to advance the session for so long, and the session; None while another holds it.

        An owner that holds it already gets a new fence, and its older one is void.

        Raises:
            Gone: there is none.
            StoreUnavailable: nobody knows; it may be asked again.
        """
        reply = await self._functions.call(_call("lease", tenant, session, (owner, ttl_ms)))
        match reply[0]:
            case b"leased":
                return Lease(int(reply[1]), await self.load(tenant, session))
            case b"held":
                return None
            case _:
                raise Gone

    async def renew(self, held: Sequence[tuple[Tenant, str, int]], ttl_ms: int) -> list[int | None]:
        """Holds leases, each of tenant, session and fence, for so long from now.

        Of each the session's version; 0 when the lease is another's or the session is gone; None when nobody
        knows.

        Raises:
            StoreUnavailable: nobody knows of any.
        """
        calls = [_call("renew", tenant, session, (fence, ttl_ms)) for tenant, session, fence in held]
        replies = await self._functions.call_all(calls) if calls else []
        return [None if isinstance(each, Exception) else int(each) for each in replies]

    async def release(self, tenant: Tenant, session: str, fence: int) -> None:
        """Gives the lease back, if it is ours still."""
        await self.renew([(tenant, session, fence)], 0)

    async def _commit(  # noqa: PLR0917  as the function takes them
        self,
        tenant: Tenant,
        session: str,
        version: int,
        change: Change,
        token: str,
        fence: str,
        made: str = "",
        *,
        hold_ms: int = 0,
    ) -> Written:
        over = ended(change.events)
        arguments = (
            version,
            fence,
            token,
            *_news(tenant, session),
            " ".join(words_of(change.state)),
            encode(change.state),
            encode(change.head) if change.head else "",
            made,
            hold_ms,
            over,
            *packed(change),
        )
        written = _judged(await self._functions.call(_call("commit", tenant, session, arguments)))
        if over:
            with suppress(StoreUnavailable):  # only a hint: a sweep finds what is in the box
                await self._store.ask("SADD", BRIDGE_NEWS, f"{tenant.tag} {session_bucket(session)}")
        return written


def _call(verb: str, tenant: Tenant, session: str, arguments: Sequence[bytes | str | int]) -> Call:
    return Call(f"amp_grading_{verb}_v2", session_keys(tenant, session), arguments)


def _news(tenant: Tenant, session: str) -> tuple[bytes, str, str]:
    return GRADING_NEWS, f"{tenant.tag} {session}", session


def _judged(reply: Sequence[Any]) -> Written:
    match reply[0]:
        case b"written" | b"done":
            return Written(int(reply[1]), int(reply[2]), int(reply[3]))
        case b"stale":
            raise Stale
        case b"fenced":
            raise Fenced
        case _:
            raise Gone


def _session(reply: Sequence[Any]) -> Session | None:
    version, seq, head, state, size, deleted = reply
    if version is None or deleted:
        return None
    return Session(int(version), int(seq), _head.decode(head), _state.decode(state), int(size or 0))
