"""What is measured, in the store: workers' counts by day, and the newest measurement of each tenant."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Self

import msgspec

from amp.learning.insights import Snapshot
from amp.learning.policies import Policies
from amp.learning.reporting import Counted, together
from amp.settings import Settings
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.keys import BUCKETS, bucket_tag, counts, snapshot, user_keys
from amp.tenancy import Tenant

LIBRARY = files("amp.learning").joinpath("insights.lua").read_text()
DAY_MS = 86_400_000
DAYS_MAX = 90
"""Days that are told, if the log is kept that long."""
PAGE = 1000

_COUNTED = msgspec.json.Decoder(Counted)
_SNAPSHOT = msgspec.json.Decoder(Snapshot)


class InsightStore:
    """Counts and measurements in Redis or Valkey."""

    def __init__(
        self,
        store: Store,
        functions: Functions,
        *,
        policies: Policies,
        retention_ms: int,
        bridge_window_ms: int = 0,
    ) -> None:
        self._store = store
        self._functions = functions
        self._policies = policies
        self._retention_ms = retention_ms
        self._bridge_window_ms = bridge_window_ms

    @classmethod
    def of(cls, settings: Settings, store: Store, functions: Functions, policies: Policies) -> Self:
        """With the retention and the window that the settings say."""
        return cls(
            store,
            functions,
            policies=policies,
            retention_ms=settings.log_retention_ms,
            bridge_window_ms=settings.bridge_window_ms,
        )

    def open_ms(self, tenant: Tenant) -> int:
        """How long after a decision something may be said of it, in whatever way."""
        policy = self._policies.of(tenant).policy
        return max(policy.outcome_window_ms, policy.earlier_window_ms, self._bridge_window_ms)

    def _kept_ms(self, tenant: Tenant) -> int:
        """How long after its end a day is kept: as long as it may still be reported."""
        return max(self.open_ms(tenant), self._retention_ms)

    async def count(self, worker: str, days: Iterable[tuple[Tenant, int, Counted]]) -> None:
        """Writes what this worker has counted of some days, in place of what it wrote before.

        Raises:
            StoreUnavailable: not all of it is written; all may be written again.
        """
        answers = await self._functions.call_all(
            [
                Call(
                    "amp_insights_count_v1",
                    (counts(tenant, day),),
                    (worker, msgspec.json.encode(counted), (day + 1) * DAY_MS + self._kept_ms(tenant)),
                )
                for tenant, day, counted in days
            ]
        )
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer

    async def counted(self, tenant: Tenant, now_ms: int) -> dict[int, Counted]:
        """What all workers counted, by UTC day since 1970.

        Raises:
            StoreUnavailable: there is no answer.
        """
        today = now_ms // DAY_MS
        # decisions that were made without the store bear another clock's time
        days = range(today - min(DAYS_MAX, self._kept_ms(tenant) // DAY_MS + 1), today + 2)
        hashes: list[list[bytes]] = await self._store.ask_all(
            [("HGETALL", counts(tenant, day)) for day in days]
        )
        return {
            day: together([_COUNTED.decode(each) for each in flat[1::2]])
            for day, flat in zip(days, hashes, strict=True)
            if flat
        }

    async def publish(self, tenant: Tenant, measured: Snapshot) -> None:
        """Makes this the tenant's newest measurement.

        Raises:
            StoreUnavailable: nobody knows whether it is.
        """
        await self._store.ask("SET", snapshot(tenant), msgspec.json.encode(measured))

    async def newest(self, tenant: Tenant) -> Snapshot | None:
        """The newest measurement; None before the first, or when another release wrote it.

        Raises:
            StoreUnavailable: there is no answer.
        """
        raw: bytes | None = await self._store.ask("GET", snapshot(tenant))
        try:
            return _SNAPSHOT.decode(raw) if raw else None
        except msgspec.ValidationError:
            return None

    async def users(self, tenant: Tenant) -> AsyncIterator[list[str]]:
        """The names of all known users, many at a time; one that comes meanwhile may come twice or not.

        Raises:
            StoreUnavailable: there is no answer.
        """
        cursors = dict.fromkeys(range(BUCKETS), b"0")
        while cursors:
            pages: list[tuple[bytes, list[bytes]]] = await self._store.ask_in_turn(
                [
                    ("SSCAN", bucket_tag(tenant, number) + b":users", cursor, "COUNT", PAGE)
                    for number, cursor in cursors.items()
                ]
            )
            yield [name.decode() for _, names in pages for name in names]
            cursors = {
                number: cursor for number, (cursor, _) in zip(cursors, pages, strict=True) if int(cursor)
            }

    async def task_names(self, tenant: Tenant, users: Sequence[tuple[int, str]]) -> Mapping[int, str]:
        """Names of task types, from their hashes, each with a user who had it; only those that are found.

        Raises:
            StoreUnavailable: there is no answer.
        """
        names: list[bytes | None] = await self._store.ask_in_turn(
            [("HGET", user_keys(tenant, user).details, f"t:{task}") for task, user in users]
        )
        return {task: name.decode() for (task, _), name in zip(users, names, strict=True) if name}
