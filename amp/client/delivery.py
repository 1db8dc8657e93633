"""One delivery: entries as requests, and what became of each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from amp.client import calls, metering, wire
from amp.client.entries import Entry, Kind
from amp.client.failures import Unexpected, Unreachable, worth_retrying
from amp.client.wire import Reply, Request
from amp.errors import (
    AmpError,
    Forbidden,
    Internal,
    InvalidParameter,
    JobExists,
    MethodNotAllowed,
    NotFound,
    QuotaExceeded,
    RateLimitExceeded,
    StoreUnavailable,
    Unauthorized,
)

Post = Callable[[Request], Reply]
ATTEMPTS = 8
"""Of a report that the server fails on; a server that is away or busy is waited for."""


class Result(NamedTuple):
    """What one attempt came to, for one entry or for all of one request."""

    entries: Sequence[Entry]
    error: AmpError | None
    """None: they have arrived."""
    whole: bool = False
    """The error was the answer to a whole request."""


def deliver(post: Post, entries: Sequence[Entry]) -> Iterator[Result]:
    """Sends all of them, each kind in its own requests; the results come as the answers do."""
    kinds: dict[Kind, list[tuple[Entry, bytes]]] = {"outcome": [], "metering": [], "job": []}
    for entry in entries:
        try:
            kinds[entry.kind].append((entry, entry.body()))
        except AmpError as refused:
            yield Result([entry], refused)
        except Exception as odd:  # noqa: BLE001  whatever the host queued must not end the thread
            yield Result([entry], InvalidParameter("body", f"is no report: {type(odd).__name__}"))
    yield from _batched(post, kinds["outcome"], calls.outcomes)
    yield from _batched(post, kinds["metering"], metering.records)
    for entry, body in kinds["job"]:
        error = _job(post, body)
        yield Result([entry], error, whole=is_away(error) or is_strange(error))


def is_away(error: AmpError | None) -> bool:
    """Whether nobody is there to judge what was sent, or nobody has the time."""
    away = isinstance(error, Unreachable | StoreUnavailable | RateLimitExceeded)
    return away and not isinstance(error, QuotaExceeded)


def is_strange(error: AmpError | None) -> bool:
    """Whether it is what another program than amp would say to anything."""
    return isinstance(error, Unexpected | Internal | NotFound | MethodNotAllowed)


def is_locked_out(error: AmpError) -> bool:
    """Whether it is the key that is refused, not what was sent."""
    return isinstance(error, Unauthorized | Forbidden | QuotaExceeded)


def may_succeed(entry: Entry, error: AmpError, arrived: int) -> bool:
    """Whether the server failed, and not yet so often that it is the entry's fault.

    An answer that is none of amp's says nothing of the entry until others have `arrived` meanwhile.
    """
    tried_out = entry.attempts >= ATTEMPTS and (not isinstance(error, Unexpected) or arrived > entry.since)
    return worth_retrying(error) and not tried_out


def _batched(
    post: Post, found: Sequence[tuple[Entry, bytes]], call: Callable[[Sequence[bytes]], wire.Call[list[Any]]]
) -> Iterator[Result]:
    start = 0
    for bodies in wire.batches([body for _, body in found]):
        entries = [entry for entry, _ in found[start : start + len(bodies)]]
        start += len(bodies)
        asked = call(bodies)
        try:
            told = wire.result(asked, post(asked.request))
        except AmpError as error:
            yield Result(entries, error, whole=True)
            continue
        refused = [isinstance(each, AmpError) for each in told]
        yield Result([entry for entry, bad in zip(entries, refused, strict=True) if not bad], None)
        for entry, each in zip(entries, told, strict=True):
            if isinstance(each, AmpError):
                yield Result([entry], each)


def _job(post: Post, body: bytes) -> AmpError | None:
    """Makes the job if there is none, then says what came of it."""
    try:
        for call in metering.job(body):
            with suppress(JobExists):  # as every job that has metered something
                wire.result(call, post(call.request))
    except AmpError as error:
        return None if metering.stands(body, error) else error
    return None
