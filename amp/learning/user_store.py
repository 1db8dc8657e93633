"""A tenant's users in the store: who was heard of last, and a bounded look through the ids of all."""

from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.keys import BUCKETS, bucket, bucket_tag, recent_users, record_key
from amp.tenancy import Tenant

LIBRARY = files("amp.learning").joinpath("users.lua").read_text()

RECENT_A_BUCKET = 8
"""More than one bucket has of the newest twenty users but once in a million times."""
PAGE = 1000
"""Ids read in one command: the store answers others in between."""


class Place(NamedTuple):
    """Where a look goes on: a bucket, and a cursor of the store's in it."""

    bucket: int = 0
    cursor: int = 0


class Seen(NamedTuple):
    """A user who was heard of."""

    tenant: Tenant
    user: str
    at_ms: int


class Looked(NamedTuple):
    """What a look found."""

    found: list[str]
    looked_at: int
    known: int
    """How many users there are."""
    next: Place | None
    """None: every id was looked at."""


class UserStore:
    """Ids of users in Redis or Valkey."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions

    async def remember(self, seen: Sequence[Seen]) -> None:
        """Lists these users as heard of; who has no profile, or was erased since, is left out.

        Raises:
            StoreUnavailable: not all are listed; it may be done again.
        """
        answers = await self._functions.call_all(
            [
                Call(
                    "amp_users_seen_v1",
                    (
                        record_key(each.tenant, each.user),
                        recent_users(each.tenant, bucket(each.user.encode())),
                    ),
                    (each.user, each.at_ms, RECENT_A_BUCKET),
                )
                for each in seen
            ]
        )
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer

    async def forget(self, tenant: Tenant, user: str) -> None:
        """Takes an erased user off the list.

        Raises:
            StoreUnavailable: nobody knows; it may be done again.
        """
        await self._store.ask("ZREM", recent_users(tenant, bucket(user.encode())), user)

    async def recent(self, tenant: Tenant, most: int) -> list[str]:
        """The users who were heard of last, the newest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        last = min(most, RECENT_A_BUCKET) - 1
        buckets: list[list[bytes]] = await self._store.ask_in_turn(
            [("ZREVRANGE", recent_users(tenant, number), 0, last, "WITHSCORES") for number in range(BUCKETS)]
        )
        found = [
            (-float(at), user) for flat in buckets for user, at in zip(flat[::2], flat[1::2], strict=True)
        ]
        return [user.decode() for _, user in sorted(found)[:most]]

    async def look(self, tenant: Tenant, prefix: str, begin: Place, *, enough: int, budget: int) -> Looked:
        """Ids that begin so, among some `budget` of them from a place on, or fewer once `enough` are found.

        Raises:
            StoreUnavailable: there is no answer.
        """
        sizes: list[int] = await self._store.ask_in_turn(
            [("SCARD", bucket_tag(tenant, number) + b":users") for number in range(BUCKETS)]
        )
        wanted, found, looked_at = prefix.encode(), dict[str, None](), 0
        place: Place | None = begin
        while place is not None and looked_at < budget and len(found) < enough:
            names, place = await self._page(tenant, place, sizes)
            looked_at += len(names)
            found |= dict.fromkeys(name.decode() for name in names if name.startswith(wanted))
        return Looked(list(found), looked_at, sum(sizes), place)

    async def _page(
        self, tenant: Tenant, place: Place, sizes: Sequence[int]
    ) -> tuple[list[bytes], Place | None]:
        """Some `PAGE` ids: small buckets whole and several at once, of a large one a part."""
        number, total = place.bucket, 0
        while not place.cursor and number < BUCKETS and total + sizes[number] <= PAGE:
            total += sizes[number]
            number += 1
        if number == place.bucket:
            key = bucket_tag(tenant, number) + b":users"
            cursor, names = await self._store.ask("SSCAN", key, place.cursor, "COUNT", PAGE)
            return names, Place(number, int(cursor)) if int(cursor) else _bucket(number + 1)
        some = [each for each in range(place.bucket, number) if sizes[each]]
        pages: list[list[bytes]] = await self._store.ask_in_turn(
            [("SMEMBERS", bucket_tag(tenant, each) + b":users") for each in some]
        )
        return [name for names in pages for name in names], _bucket(number)


def _bucket(number: int) -> Place | None:
    return Place(number) if number < BUCKETS else None
