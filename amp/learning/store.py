"""The only file of the room that knows the store: one read for a decision, one atomic write a verb."""

from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal, Self

from amp.errors import StoreUnavailable
from amp.learning.record import Details, Record, read_details, read_record
from amp.learning.words import Event, Report, Taught, Verdict, beside, event
from amp.settings import Settings
from amp.store.announcing import announce
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.keys import (
    BUCKETS,
    PRIOR_VERSIONS,
    REFIT_LEASE,
    bucket_tag,
    prior_blob,
    prior_version,
    record_key,
    user_keys,
)
from amp.tenancy import Tenant

LIBRARY = files("amp.learning").joinpath("store.lua").read_text()

PAGE = 1000
Lock = Literal["keep", "on", "off"]


class LearningStore:
    """Users' facts in Redis or Valkey."""

    def __init__(
        self,
        store: Store,
        functions: Functions,
        *,
        window_ms: int,
        retention_ms: int,
        bridge_window_ms: int = 0,
    ) -> None:
        """`bridge_window_ms` is how long other ways than the agent's may speak of a decision."""
        self._store = store
        self._functions = functions
        self._window_ms = window_ms
        self._retention_ms = retention_ms
        self._bridge_window_ms = bridge_window_ms

    @classmethod
    def of(cls, settings: Settings, store: Store, functions: Functions) -> Self:
        """With the windows and the retention that the settings say."""
        return cls(
            store,
            functions,
            window_ms=settings.outcome_window_ms,
            retention_ms=settings.log_retention_ms,
            bridge_window_ms=settings.bridge_window_ms,
        )

    def _kept_ms(self, window_ms: int | None) -> int:
        """How far back a decision must be known: the longer of both windows."""
        return max(self._window_ms if window_ms is None else window_ms, self._bridge_window_ms)

    async def read(self, users: Sequence[tuple[Tenant, str]]) -> tuple[int, list[Record]]:
        """The store's clock in milliseconds and the records, in one round trip.

        Raises:
            StoreUnavailable: there is no answer.
        """
        reads = [("GET", record_key(tenant, user)) for tenant, user in users]
        now, *records = await self._store.ask_all([("TIME",), *reads])
        return clock_ms(now), [read_record(record) for record in records]

    async def report(self, reports: Sequence[Report]) -> list[Verdict | StoreUnavailable]:
        """Stores outcomes in their order, each on its own terms, in one round trip.

        Raises:
            StoreUnavailable: nobody knows which of them are stored; all may be sent again.
        """
        windows = [self._window_ms if each.window_ms is None else each.window_ms for each in reports]
        calls = [
            self._said("report", each, each.metadata, window)
            for each, window in zip(reports, windows, strict=True)
        ]
        answers = await self._functions.call_all(calls)
        return [answer if isinstance(answer, StoreUnavailable) else answer.decode() for answer in answers]

    async def teach(
        self, words: Sequence[tuple[Report, bytes, int | None]]
    ) -> list[Taught | StoreUnavailable]:
        """Stores what other ways than the agent's said, in its order, in one round trip.

        Each is a report (row `rows.unsaid`, window the agent's), the word, its window (None: the bridge's).

        Raises:
            StoreUnavailable: nobody knows which of them are stored; all may be sent again.
        """
        longest = self._bridge_window_ms
        calls = [
            self._said("teach", each, word, longest if window is None else min(window, longest))
            for each, word, window in words
        ]
        answers = await self._functions.call_all(calls)
        return [answer if isinstance(answer, StoreUnavailable) else answer.decode() for answer in answers]

    def _said(self, verb: str, of: Report, says: bytes, window_ms: int) -> Call:
        """`says` is a report's metadata, or the word of another way."""
        who = (of.row, of.user, of.alias, of.task_type, says)
        times = (window_ms, self._kept_ms(of.window_ms), self._retention_ms)
        keys = user_keys(of.tenant, of.user)
        return Call(f"amp_learning_{verb}_v3", keys, (*who, *times, *beside(of)))

    async def prefer(
        self,
        tenant: Tenant,
        user: str,
        *,
        alias: bytes,
        changes: Mapping[int, int | None],
        lock: Lock,
        metadata: Mapping[str, bytes | None],
    ) -> tuple[Record, Details] | None:
        """Changes preferences (dimension to option, None clears) and metadata; None: too much metadata.

        Raises:
            StoreUnavailable: it was not done, or nobody knows; it may be sent again.
        """
        pairs = bytes(
            byte
            for dimension, option in changes.items()
            for byte in (dimension, 0 if option is None else option + 1)
        )
        merged = [part for key, value in metadata.items() for part in (key, value or b"")]
        reply = await self._functions.call(
            Call(
                "amp_learning_prefer_v3",
                user_keys(tenant, user),
                (user, alias, lock, pairs, *merged),
            )
        )
        if isinstance(reply, bytes):
            return None
        record, details = reply
        return read_record(record), read_details(details)

    async def erase(self, tenant: Tenant, user: str, window_ms: int | None = None) -> None:
        """Forgets the user; what was decided until now will be refused for the longer of the windows.

        Raises:
            StoreUnavailable: it was not done, or nobody knows; it may be sent again.
        """
        arguments = (user, self._kept_ms(window_ms))
        await self._functions.call(Call("amp_learning_erase_v3", user_keys(tenant, user), arguments))

    async def profile(self, tenant: Tenant, user: str) -> tuple[Record, Details]:
        """Everything kept of one user but the log.

        Raises:
            StoreUnavailable: there is no answer.
        """
        keys = user_keys(tenant, user)
        record, details = await self._store.ask_all([("GET", keys.record), ("HGETALL", keys.details)])
        return read_record(record), read_details(details)

    async def events(self, tenant: Tenant, user: str, alias: bytes) -> AsyncIterator[Event]:
        """The user's outcomes in the log, oldest first, and the words that contradict them.

        Raises:
            StoreUnavailable: there is no answer.
        """
        stream, start = user_keys(tenant, user).events, b"-"
        while True:
            page: list[tuple[bytes, list[bytes]]] = await self._store.ask(
                "XRANGE", stream, start, "+", "COUNT", PAGE
            )
            for event_id, flat in page:
                fields = dict(zip(flat[::2], flat[1::2], strict=True))
                if fields.get(b"a") == alias:
                    yield event(event_id, fields)
            if len(page) < PAGE:
                return
            start = b"(" + page[-1][0]

    async def prior_versions(self) -> dict[str, int]:
        """The prior that was last announced, as its version by tenant tag.

        Raises:
            StoreUnavailable: there is no answer.
        """
        flat: list[bytes] = await self._store.ask("HGETALL", PRIOR_VERSIONS)
        return {tag.decode(): int(version) for tag, version in zip(flat[::2], flat[1::2], strict=True)}

    async def prior(self, tag: str, version: int) -> bytes | None:
        """One published prior.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.ask("GET", prior_blob(tag, version))

    async def publish(self, tenant: Tenant, version: int, blob: bytes) -> bool:
        """Makes this the tenant's prior if the version before stands, which then stays as long as the log.

        What stands then is announced, ours or not: in another slot, and made good by the next if it is lost.

        Raises:
            StoreUnavailable: nobody knows whether it is published and announced; it may be published again.
        """
        tag = tenant.tag
        ours, standing = await self._functions.call(
            Call(
                "amp_learning_publish_v3",
                (prior_version(tag), prior_blob(tag, version), prior_blob(tag, version - 1)),
                (version, blob, self._retention_ms),
            )
        )
        await announce(self._store, PRIOR_VERSIONS, tag, standing)
        return bool(ours)

    async def outcomes(self, tenant: Tenant) -> int:
        """How many reports with an effect the tenant's log ever took, trimmed ones included.

        Raises:
            StoreUnavailable: there is no answer.
        """
        replies = await self._store.ask_each(
            [("XINFO", "STREAM", bucket_tag(tenant, number) + b":events") for number in range(BUCKETS)]
        )
        # a bucket without events has no stream, and an error for an answer
        streams: list[list[Any]] = [reply for reply in replies if not isinstance(reply, Exception)]
        return sum(int(stream[stream.index(b"entries-added") + 1]) for stream in streams)

    async def known_users(self, tenant: Tenant) -> list[int]:
        """How many users each bucket knows.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.ask_all(
            [("SCARD", bucket_tag(tenant, number) + b":users") for number in range(BUCKETS)]
        )

    async def sample(self, tenant: Tenant, counts: Sequence[int]) -> list[tuple[str, Record]]:
        """Random users of each bucket, as many as `counts` says, with their records.

        Raises:
            StoreUnavailable: there is no answer.
        """
        drawn: list[list[bytes]] = await self._store.ask_all(
            [
                ("SRANDMEMBER", bucket_tag(tenant, number) + b":users", count)
                for number, count in enumerate(counts)
            ]
        )
        users = [user.decode() for bucket in drawn for user in bucket]
        found: list[tuple[str, Record]] = []
        for start in range(0, len(users), PAGE):
            page = users[start : start + PAGE]
            _, records = await self.read([(tenant, user) for user in page])
            found += zip(page, records, strict=True)
        return found

    async def trim_logs(self, tenant: Tenant) -> None:
        """Drops every event older than the log's retention: a bucket drops its own only when one comes.

        Raises:
            StoreUnavailable: not all of it was done; it may be done again.
        """
        oldest_ms = clock_ms(await self._store.ask("TIME")) - self._retention_ms
        await self._store.ask_all(
            [
                ("XTRIM", bucket_tag(tenant, number) + b":events", "MINID", "=", max(0, oldest_ms))
                for number in range(BUCKETS)
            ]
        )

    async def lease(self, owner: str, held_ms: int) -> bool:
        """Whether this owner leads the refits for the next `held_ms`.

        Raises:
            StoreUnavailable: nobody knows.
        """
        return bool(
            await self._functions.call(Call("amp_learning_lease_v3", (REFIT_LEASE,), (owner, held_ms)))
        )

    async def release(self, owner: str) -> None:
        """Lets another lead at once, if this owner does.

        Raises:
            StoreUnavailable: then the lease ends with its time.
        """
        await self._functions.call(Call("amp_learning_release_v3", (REFIT_LEASE,), (owner,)))


def clock_ms(reply: Sequence[bytes | int]) -> int:
    """The reply to TIME."""
    return int(reply[0]) * 1000 + int(reply[1]) // 1000
