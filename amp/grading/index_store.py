"""Which sessions there are: by the time they were made, and those that run."""

from collections.abc import Sequence

from amp.grading.log_store import EventLog
from amp.store.grading_keys import GRADING_TENANTS, SESSION_BUCKETS, grading_tag
from amp.tenancy import Tenant

_TENANTS_AT_ONCE = 50
"""Tenants whose sessions are asked for in one round trip."""


class SessionIndex(EventLog):
    """The lists of sessions of all tenants."""

    async def made(
        self, tenant: Tenant, *, low_us: int, high_us: int, newest_first: bool, count: int
    ) -> list[tuple[int, str]]:
        """The first `count` of each bucket's sessions made in this time, with both ends, in one order.

        Raises:
            StoreUnavailable: there is no answer.
        """
        ends = ("ZREVRANGEBYSCORE", high_us, low_us) if newest_first else ("ZRANGEBYSCORE", low_us, high_us)
        commands = [
            (
                ends[0],
                grading_tag(tenant.tag, number) + b"sessions",
                *ends[1:],
                "WITHSCORES",
                "LIMIT",
                0,
                count,
            )
            for number in range(SESSION_BUCKETS)
        ]
        found: list[tuple[int, str]] = []
        for flat in await self._store.ask_in_turn(commands):
            found += [(int(float(at)), name.decode()) for name, at in zip(flat[::2], flat[1::2], strict=True)]
        return sorted(found, reverse=newest_first)

    async def running(self, tags: Sequence[str]) -> list[tuple[str, str]]:
        """The sessions that are running of the tenants with these tags, each with its tag, for a sweep.

        Raises:
            StoreUnavailable: there is no answer.
        """
        found: list[tuple[str, str]] = []
        for start in range(0, len(tags), _TENANTS_AT_ONCE):
            places = [
                (tag, number)
                for tag in tags[start : start + _TENANTS_AT_ONCE]
                for number in range(SESSION_BUCKETS)
            ]
            replies = await self._store.ask_in_turn(
                [("SMEMBERS", grading_tag(tag, number) + b"running") for tag, number in places]
            )
            for (tag, _), members in zip(places, replies, strict=True):
                found += [(tag, name.decode()) for name in members]
        return found

    async def tenants(self) -> list[str]:
        """The tags of tenants that ever made a session.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return [tag.decode() for tag in await self._store.ask("SMEMBERS", GRADING_TENANTS)]
