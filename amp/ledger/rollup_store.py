"""What reports are made of, in Redis or Valkey: cells, how far they go, jobs by the time they were made."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from importlib.resources import files
from math import inf
from operator import gt, lt
from typing import Any, NamedTuple

import msgspec

from amp.errors import StoreUnavailable
from amp.ledger.cells import DAY_MS, Cell, Sums, cell_name, named_cell, pack, unpack
from amp.ledger.entries import unpack as entry_of
from amp.ledger.filters import Window
from amp.ledger.fold import Known, Told
from amp.ledger.side import read_side
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.keys import BUCKETS
from amp.store.ledger_keys import (
    bucket_of,
    job_key,
    job_keys,
    ledger_cells,
    ledger_cursors,
    ledger_folding,
    ledger_tag,
    ledger_touched,
    ledger_version,
)
from amp.tenancy import Tenant

LIBRARY = files("amp.ledger").joinpath("rollup.lua").read_text()
LEASE_MS = 5000

_looked: "msgspec.json.Decoder[list[list[str] | bool]]" = msgspec.json.Decoder(list[list[str] | bool])
_FIRST_JOBS, _MORE_JOBS = 8, 32


class Changed(NamedTuple):
    """What the store has that the caller does not."""

    version: int
    cursors: dict[int, int]
    """Entries of each bucket that are in the cells."""
    cells: dict[Cell, Sums]


class RollupStore:
    """Cells of every tenant."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions

    async def read(self, tenant: Tenant, since: int) -> Changed:
        """The cells that changed since this version; all of them since 0.

        Raises:
            StoreUnavailable: there is no answer.
        """
        version, cursors, cells = await self._functions.call(
            Call("amp_ledger_read_v1", _keys(tenant), (since,))
        )
        return Changed(
            int(version),
            _cursors(cursors),
            {named_cell(name): unpack(sums) for name, sums in _pairs(cells)},
        )

    async def version(self, tenant: Tenant) -> int:
        """Moves with every change of the cells.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return int(await self._store.ask("GET", ledger_version(tenant.tag)) or 0)

    async def folded(self, tenant: Tenant) -> int:
        """How many entries are in the cells.

        Raises:
            StoreUnavailable: there is no answer.
        """
        counts: list[bytes] = await self._store.ask("HVALS", ledger_cursors(tenant.tag))
        return sum(map(int, counts))

    async def commit(
        self, tenant: Tenant, expected: int, cursors: Mapping[int, int], cells: Mapping[Cell, Sums]
    ) -> bool:
        """Puts cells and cursors if this version stands still; it is one more then.

        Raises:
            StoreUnavailable: nobody knows whether it is done.
        """
        arguments: list[bytes | str | int] = [expected, len(cursors)]
        for bucket, count in cursors.items():
            arguments += (bucket, count)
        for cell, sums in cells.items():
            arguments += (cell_name(cell), pack(sums))
        ours, _ = await self._functions.call(Call("amp_ledger_commit_v1", _keys(tenant), arguments))
        return bool(ours)

    async def cursors(self, tenant: Tenant) -> dict[int, int]:
        """Entries of each bucket that are in the cells.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return _cursors(await self._store.ask("HGETALL", ledger_cursors(tenant.tag)))

    async def claim(self, tenant: Tenant, owner: str) -> bool:
        """Whether this is the one that folds now: so that machines do not all do the same.

        Raises:
            StoreUnavailable: there is no answer.
        """
        taken = await self._store.ask("SET", ledger_folding(tenant.tag), owner, "NX", "PX", LEASE_MS)
        return taken is not None

    async def release(self, tenant: Tenant) -> None:
        """Lets others fold.

        Raises:
            StoreUnavailable: then the lease ends by itself.
        """
        await self._store.ask("DEL", ledger_folding(tenant.tag))

    async def entries(
        self, tenant: Tenant, after: Mapping[int, int], count: int
    ) -> dict[int, tuple[int, list[Told]]]:
        """The next entries of each bucket, at most `count`, and the position of the last of them.

        Raises:
            StoreUnavailable: there is no answer, or no entry where one must be, which is damage.
        """
        replies: list[list[tuple[bytes, list[bytes]]]] = await self._store.ask_in_turn(
            [
                ("XRANGE", ledger_tag(tenant, number) + b"entries", f"{position + 1}-0", "+", "COUNT", count)
                for number, position in after.items()
            ]
        )
        if not all(replies):
            raise StoreUnavailable("The ledger is damaged: entries are missing before its head.")
        return {
            number: (int(page[-1][0].partition(b"-")[0]), [_told(flat) for _, flat in page])
            for number, page in zip(after, replies, strict=True)
        }

    async def coordinates(self, tenant: Tenant, jobs: Iterable[str]) -> dict[str, Known]:
        """What the store has of these jobs' coordinates.

        Raises:
            StoreUnavailable: there is no answer, or no such job, which is damage.
        """
        names = list(jobs)
        replies: list[list[bytes | None]] = await self._store.ask_in_turn(
            [("HMGET", job_keys(tenant, job).job, "c", "t", "e", "a", "p", "g", "q") for job in names]
        )
        return {job: _known(reply) for job, reply in zip(names, replies, strict=True)}

    async def count(self, tenant: Tenant, window: Window) -> int:
        """How many jobs were made in the window.

        Raises:
            StoreUnavailable: there is no answer.
        """
        low, high = _scores(window)
        counts: list[int] = await self._store.ask_in_turn(
            [("ZCOUNT", _jobs(tenant, number), low, high) for number in range(BUCKETS)]
        )
        return sum(counts)

    async def look(
        self, tenant: Tenant, jobs: Sequence[str], wanted: Mapping[str, str]
    ) -> list[tuple[str, dict[str, str]]]:
        """Those of the jobs whose hash has these fields, in their order; empty: it must not have the field.

        One call a bucket: the store looks, so that what does not pass never travels.

        Raises:
            StoreUnavailable: there is no answer.
        """
        places: dict[int, list[int]] = {}
        for place, job in enumerate(jobs):
            places.setdefault(bucket_of(job), []).append(place)
        words = [word for pair in wanted.items() for word in pair]
        calls = [
            Call("amp_ledger_look_v1", [job_key(tenant, number, jobs[place]) for place in some], words)
            for number, some in places.items()
        ]
        found: dict[int, dict[str, str]] = {}
        for some, reply in zip(places.values(), await self._functions.call_in_turn(calls), strict=True):
            if isinstance(reply, Exception):
                raise reply
            for place, flat in zip(some, _looked.decode(reply), strict=True):
                if isinstance(flat, list):
                    found[place] = dict(zip(flat[::2], flat[1::2], strict=True))
        return [(jobs[place], found[place]) for place in sorted(found)]

    async def jobs(
        self, tenant: Tenant, window: Window, *, oldest_first: bool = False
    ) -> AsyncIterator[list[tuple[int, str]]]:
        """The jobs of the window in order of creation, and when that was, ms since 1970; many at a time.

        Raises:
            StoreUnavailable: there is no answer.
        """
        order = 1 if oldest_first else -1
        waiting: dict[int, list[tuple[float, str]]] = {number: [] for number in range(BUCKETS)}
        taken = dict.fromkeys(waiting, 0)
        last: dict[int, tuple[float, str]] = {}
        wanted, open_ = _FIRST_JOBS, set(waiting)
        while open_ or any(waiting.values()):
            # not only those that have run out, or each page would be as short as the first bucket's rest
            short = {number: taken[number] for number in open_ if 2 * len(waiting[number]) < wanted}
            for number, page in (await self._more(tenant, window, short, wanted, order)).items():
                taken[number] += len(page)
                if found := _unread(page, last.get(number), order):
                    waiting[number] += found
                    last[number] = found[-1]
                if len(page) < wanted:
                    open_.remove(number)
            wanted = min(2 * wanted, _MORE_JOBS)
            if not all(waiting[number] for number in open_):
                continue  # all that came had been read
            # up to where the first bucket runs out: what it has next may come before the others'
            until = min((waiting[number][-1][0] for number in open_), default=inf)
            yield [
                (int(order * score), job)
                for score, job in sorted(
                    each for some in waiting.values() for each in some if each[0] <= until
                )
            ]
            waiting = {number: [each for each in some if each[0] > until] for number, some in waiting.items()}

    async def _more(
        self, tenant: Tenant, window: Window, taken: Mapping[int, int], wanted: int, order: int
    ) -> dict[int, list[tuple[float, str]]]:
        """What comes next in these buckets, as what to sort by and the job."""
        low, high = _scores(window)
        ends = ("ZRANGEBYSCORE", low, high) if order > 0 else ("ZREVRANGEBYSCORE", high, low)
        command, first, last = ends
        replies: list[list[bytes]] = await self._store.ask_in_turn(
            [
                (command, _jobs(tenant, number), first, last, "WITHSCORES", "LIMIT", offset, wanted)
                for number, offset in taken.items()
            ]
        )
        return {
            number: [(order * float(score), job.decode()) for job, score in _pairs(flat)]
            for number, flat in zip(taken, replies, strict=True)
        }


def _keys(tenant: Tenant) -> tuple[bytes, ...]:
    tag = tenant.tag
    return (ledger_version(tag), ledger_cells(tag), ledger_cursors(tag), ledger_touched(tag))


def _jobs(tenant: Tenant, number: int) -> bytes:
    return ledger_tag(tenant, number) + b"jobs"


def _unread(
    page: list[tuple[float, str]], last: tuple[float, str] | None, order: int
) -> list[tuple[float, str]]:
    """Without what was read before: a job that is made meanwhile moves the others on by one."""
    if last is None:
        return page
    score, job = last
    later = gt if order > 0 else lt
    return [each for each in page if each[0] > score or (each[0] == score and later(each[1], job))]


def _scores(window: Window) -> tuple[str, str]:
    return str(window.start_ms), f"({window.end_ms}"


def _known(reply: Sequence[bytes | None]) -> Known:
    made_ms, *rest = reply
    if made_ms is None:
        raise StoreUnavailable("The ledger is damaged: a job that has entries is missing.")
    return Known(int(made_ms) // DAY_MS, *(None if each is None else each.decode() for each in rest))


def _told(flat: Sequence[bytes]) -> Told:
    of = dict(_pairs(flat))
    try:
        return Told(entry_of(of[b"e"]), read_side(of[b"s"]))
    except (msgspec.DecodeError, LookupError, ValueError) as error:
        raise StoreUnavailable("The ledger is damaged: an entry cannot be read.") from error


def _cursors(flat: Sequence[bytes]) -> dict[int, int]:
    return {int(bucket): int(count) for bucket, count in _pairs(flat)}


def _pairs(flat: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
