"""The only file of the room that knows the store: one atomic write a verb, and reads."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import astuple

from amp.errors import StoreUnavailable
from amp.ledger.chain import Head, Stored, digest, read_head
from amp.ledger.once import is_completion, is_tool_event
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.keys import BUCKETS
from amp.store.ledger_keys import JobKeys, job_keys, ledger_tag
from amp.tenancy import Tenant

LIBRARY = files("amp.ledger").joinpath("store.lua").read_text()
SEEN_AT_ONCE = 1000
"""Fields that are asked for of a job's table: store and worker have others to answer beside it."""

Verb = Literal["create", "meter", "outcome", "amend", "note"]
Verdict = Literal["created", "exists", "recorded", "replay", "mismatch", "unknown", "already", "stale"]


class Said(Struct, frozen=True):
    """What a record says of its job; what was said first stays."""

    name: str | None = None
    type: str | None = None
    version: str | None = None
    environment: str | None = None
    agent: str | None = None
    approach: str | None = None
    group: str | None = None
    squad: str | None = None
    request: str | None = None


class Write(Struct, frozen=True):
    """One entry to append, if its verb allows."""

    verb: Verb
    bucket: int
    keys: JobKeys
    job: str
    at_ms: int
    entry: bytes
    said: Said = Said()
    own: Sequence[bytes | str | int] = ()
    """The verb's own arguments: store.lua."""


class Written(Struct, frozen=True):
    """What came of it."""

    verdict: Verdict
    position: int = 0
    """Of the entry in its bucket, when there is one."""
    link: bytes = b""
    """The bucket's link after it; empty when nothing was appended."""
    entry: bytes = b""
    """What stands instead, of a replay; of a metered record the flags of its side data."""


class LedgerStore:
    """Ledgers in Redis or Valkey."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions

    async def write(self, writes: Sequence[Write], *, way: int = 0) -> list[Written | StoreUnavailable]:
        """Appends entries in their order, each on its own terms, in one round trip.

        Raises:
            StoreUnavailable: nobody knows which of them are appended; all may be sent again.
        """
        answers = await self._functions.call_all([_call(write) for write in writes], way=way)
        return [answer if isinstance(answer, StoreUnavailable) else _written(answer) for answer in answers]

    async def prove(self, tenant: Tenant, job: str) -> None:
        """As `Store.prove`, of one job."""
        await self._store.prove(job_keys(tenant, job).job)

    async def jobs(self, tenant: Tenant, jobs: Sequence[str]) -> list[dict[str, str]]:
        """The hashes of these jobs, empty where there is none.

        Raises:
            StoreUnavailable: there is no answer.
        """
        replies = await self._store.ask_in_turn([("HGETALL", job_keys(tenant, job).job) for job in jobs])
        return [_pairs(reply) for reply in replies]

    async def entries(self, tenant: Tenant, job: str, positions: Iterable[int]) -> list[bytes]:
        """The entries at these positions of the job's bucket.

        Raises:
            StoreUnavailable: there is no answer, or no such entry, which is damage.
        """
        return await self.entries_at(tenant, [(job, position) for position in positions])

    async def entries_at(self, tenant: Tenant, places: Sequence[tuple[str, int]]) -> list[bytes]:
        """The entries at these positions of these jobs' buckets.

        Raises:
            StoreUnavailable: there is no answer, or no such entry, which is damage.
        """
        ids = [(job_keys(tenant, job).entries, b"%d-0" % position) for job, position in places]
        replies = await self._store.ask_in_turn([("XRANGE", stream, each, each) for stream, each in ids])
        if not all(replies):
            raise StoreUnavailable("The ledger is damaged: an entry of this job is missing.")
        return [reply[0][1][1] for reply in replies]

    async def metered(self, tenant: Tenant, job: str) -> tuple[list[int], list[int]]:
        """The positions of the job's completions and of its tool events, oldest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        (found,) = await self._seen(tenant, [job])
        return found

    async def metered_of(self, tenant: Tenant, jobs: Sequence[str]) -> list[list[int]]:
        """The positions of what was metered for each of the jobs, oldest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return [sorted(completions + tools) for completions, tools in await self._seen(tenant, jobs)]

    async def _seen(self, tenant: Tenant, jobs: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Part by part: what is there from before to after is found, and perhaps twice."""
        found = [(set[int](), set[int]()) for _ in jobs]
        left = {number: (job_keys(tenant, job).seen, b"0") for number, job in enumerate(jobs)}
        while left:
            parts = await self._store.ask_in_turn(
                [("HSCAN", key, cursor, "COUNT", SEEN_AT_ONCE) for key, cursor in left.values()]
            )
            for number, (_, flat) in zip(left, parts, strict=True):
                _note_positions(found[number], flat)
            left = {
                number: (key, cursor)
                for (number, (key, _)), (cursor, _) in zip(left.items(), parts, strict=True)
                if int(cursor)
            }
        return [(sorted(completions), sorted(tools)) for completions, tools in found]

    async def types(self, tenant: Tenant) -> set[str]:
        """The types of the tenant's jobs.

        Raises:
            StoreUnavailable: there is no answer.
        """
        sets = await self._store.ask_in_turn(
            [("SMEMBERS", ledger_tag(tenant, number) + b"types") for number in range(BUCKETS)]
        )
        return {each.decode() for members in sets for each in members}

    async def heads(self, tenant: Tenant) -> list[Head]:
        """Where each bucket's chain ends.

        Raises:
            StoreUnavailable: there is no answer.
        """
        replies = await self._store.ask_in_turn(
            [("GET", ledger_tag(tenant, number) + b"chain") for number in range(BUCKETS)]
        )
        return [read_head(reply) for reply in replies]

    async def head(self, tenant: Tenant, bucket: int) -> Head:
        """Where this bucket's chain ends.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return read_head(await self._store.ask("GET", ledger_tag(tenant, bucket) + b"chain"))

    async def run(self, tenant: Tenant, bucket: int, after: int, count: int) -> list[Stored]:
        """At most `count` entries of a bucket, those that come after this position.

        Raises:
            StoreUnavailable: there is no answer.
        """
        page = await self._store.ask(
            "XRANGE", ledger_tag(tenant, bucket) + b"entries", b"%d-0" % (after + 1), "+", "COUNT", count
        )
        return [_stored(entry_id, fields) for entry_id, fields in page]

    async def stored_at(self, tenant: Tenant, bucket: int, positions: Sequence[int]) -> dict[int, Stored]:
        """The entries at these positions of a bucket, with their side data; one that is not there is missing.

        Raises:
            StoreUnavailable: there is no answer.
        """
        stream = ledger_tag(tenant, bucket) + b"entries"
        ids = [b"%d-0" % position for position in positions]
        replies = await self._store.ask_in_turn([("XRANGE", stream, each, each) for each in ids])
        found = [_stored(*reply[0]) for reply in replies if reply]
        return {each.position: each for each in found}


def _call(write: Write) -> Call:
    said = ["" if each is None else each for each in astuple(write.said)]
    arguments = (write.entry, digest(write.entry), write.at_ms, write.job, *said, *write.own)
    return Call(f"amp_ledger_{write.verb}_v3", write.keys, arguments)


def _written(reply: Sequence[Any]) -> Written:
    verdict: Any = reply[0].decode()
    return Written(verdict, int(reply[1]), *reply[2:]) if len(reply) > 1 else Written(verdict)


def _note_positions(into: tuple[set[int], set[int]], flat: Sequence[bytes]) -> None:
    """Those of completions and of tool events, from a part of the table of what was seen."""
    completions, tools = into
    for name, position in zip(flat[::2], flat[1::2], strict=True):
        if is_completion(name):
            completions.add(int(position))
        elif is_tool_event(name):
            tools.add(int(position))


def _pairs(flat: Sequence[bytes]) -> dict[str, str]:
    words = [word.decode() for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))


def _stored(entry_id: bytes, flat: Sequence[bytes]) -> Stored:
    of: Mapping[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    return Stored(int(entry_id.partition(b"-")[0]), of[b"e"], of[b"s"], of[b"l"])
