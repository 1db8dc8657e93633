"""What a walk over all chains reads: pages of many buckets, and hashes of jobs at one moment.

A little at a time: the store answers nobody else in a turn, which is 1 ms or so.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from amp.errors import StoreUnavailable
from amp.ledger.audit import stored_page
from amp.ledger.chain import Head, Stored, read_head
from amp.ledger.types import NO_JOB
from amp.store.connection import AT_ONCE, Store
from amp.store.keys import BUCKETS
from amp.store.ledger_keys import job_keys, ledger_tag
from amp.store.line import Command
from amp.tenancy import Tenant, tenant

ATTEMPTS = 5
_WAIT_S = 0.5
_KEYS_AT_ONCE = 10_000
_PAGES_AT_ONCE = 2
"""Each of hundreds of entries."""
_NAME = re.compile(rb"\{([a-z0-9-]+):(live|test):\d+\}:l:(?:entries|chain)")


class Size(NamedTuple):
    """A bucket before the walk."""

    head: Head
    entries: int


class Moment(NamedTuple):
    """Some jobs of a bucket, and where its chain ended just after they were read."""

    jobs: int
    """How many the bucket's list has."""
    hashes: list[dict[str, str]]
    head: Head


class AuditStore:
    """Reads for `verify`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tenants(self) -> set[Tenant]:
        """All that have entries or a head.

        Raises:
            StoreUnavailable: there is no answer.
        """
        found: set[Tenant] = set()
        for node in (await self._store.nodes()).values():
            for kind in (b"entries", b"chain"):
                found |= await self._owners(node, kind)
        return found

    async def _owners(self, node: Store, kind: bytes) -> set[Tenant]:
        """Of the keys of this kind on one server."""
        found: set[Tenant] = set()
        cursor = b"0"
        while True:
            command = ("SCAN", cursor, "MATCH", b"*}:l:" + kind, "COUNT", _KEYS_AT_ONCE)
            ((cursor, names),) = await _asked(node, [command])
            matches = filter(None, map(_NAME.fullmatch, names))
            found |= {tenant(each[1].decode(), each[2].decode()) for each in matches}
            if cursor == b"0":
                return found

    async def sizes(self, owner: Tenant) -> list[Size]:
        """The head of each bucket, and how many entries it has.

        Raises:
            StoreUnavailable: there is no answer.
        """
        tags = [ledger_tag(owner, number) for number in range(BUCKETS)]
        asked = [each for tag in tags for each in (("GET", tag + b"chain"), ("XLEN", tag + b"entries"))]
        replies = await _asked(self._store, asked)
        return [
            Size(read_head(head), int(count)) for head, count in zip(replies[::2], replies[1::2], strict=True)
        ]

    async def pages(self, owner: Tenant, after: Mapping[int, int], count: int) -> list[list[Stored]]:
        """At most `count` entries of each bucket, those that come after this position.

        Raises:
            StoreUnavailable: there is no answer.
        """
        replies = await _asked(
            self._store,
            [
                ("XRANGE", ledger_tag(owner, number) + b"entries", b"(%d-0" % position, "+", "COUNT", count)
                for number, position in after.items()
            ],
            at_once=_PAGES_AT_ONCE,
        )
        return [stored_page(page) for page in replies]

    async def moment(self, owner: Tenant, bucket: int, jobs: Sequence[str]) -> Moment:
        """These jobs of the bucket; those without a job have a hash in common.

        Raises:
            StoreUnavailable: there is no answer.
        """
        tag = ledger_tag(owner, bucket)
        head: Command = ("GET", tag + b"chain")
        hashes: list[Command] = [
            ("HGETALL", job_keys(owner, job).job if job != NO_JOB else tag + b"none") for job in jobs
        ]
        count, *found, end = await _asked(self._store, [("ZCARD", tag + b"jobs"), *hashes, head])
        return Moment(int(count), [_pairs(each) for each in found], read_head(end))


async def _asked(store: Store, commands: Sequence[Command], *, at_once: int = AT_ONCE) -> list[Any]:
    """The replies; a store that is slow is asked again, for nothing is written here."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await store.ask_in_turn(commands, at_once=at_once)
        except StoreUnavailable:
            await asyncio.sleep(_WAIT_S)
    return await store.ask_in_turn(commands, at_once=at_once)


def _pairs(flat: Sequence[bytes]) -> dict[str, str]:
    words = [word.decode(errors="replace") for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))
