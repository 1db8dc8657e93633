"""Requests out, replies in, again or not: everything but sockets, clocks and chance, which are given.

A call is an *exchange*: a generator that yields `Attempt`s and is sent an `Answer` to each, until it returns
the result or raises an `AmpError`. The sync and the async client only carry its attempts out.
"""

import itertools
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from amp.client.failures import Unexpected, refusal, worth_retrying
from amp.errors import AmpError

T = TypeVar("T")

BATCH_ITEMS = 100
BATCH_BYTES = 1 << 20
RETRY_AFTER_S_MAX = 86_400
"""Whatever an answer asks for: neither negative nor more than a clock can carry."""
_ENVELOPE = (b'{"items":[', b",", b"]}")


class Request(NamedTuple):
    method: str
    path: str
    body: bytes | None = None


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Names in lower case, or case-insensitive."""
    body: bytes


class Attempt(NamedTuple):
    """Wait `pause_s`, then send; hear the answer within `timeout_s` or give up."""

    request: Request
    pause_s: float
    timeout_s: float


class Answer(NamedTuple):
    result: Reply | AmpError
    took_s: float
    """The pause included."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often a call is tried."""

    deadline_s: float
    """For all attempts and pauses together."""
    attempts: int
    backoff_s: float
    """Ceiling of the first pause; doubles with every attempt."""
    backoff_s_max: float = 8.0


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    request: Request
    read: Callable[[Reply], T]
    """Of a 2xx reply."""


Exchange = Generator[Attempt, Answer, T]


def exchange(call: Call[T], patience: Patience, chance: Callable[[], float]) -> Exchange[T]:
    """One call with its retries; `chance` gives numbers in [0, 1).

    Raises:
        AmpError: the last refusal or failure, when it is final or patience has run out.
    """
    left_s, pause_s = patience.deadline_s, 0.0
    for attempt in itertools.count(1):
        answer = yield Attempt(call.request, pause_s, left_s - pause_s)
        left_s -= answer.took_s
        try:
            return result(call, answer.result)
        except AmpError as error:
            pause_s = backoff_s(patience, attempt, error.retry_after_s, chance())
            if not worth_retrying(error) or attempt >= patience.attempts or pause_s >= left_s:
                raise
    raise AssertionError("itertools.count ends never")


def result(call: Call[T], heard: Reply | AmpError) -> T:
    """What one attempt of the call came to."""
    if isinstance(heard, AmpError):
        raise heard
    if not 200 <= heard.status < 300:
        raise _refused(heard)
    return call.read(heard)


def backoff_s(patience: Patience, attempt: int, retry_after_s: int | None, chance: float) -> float:
    """Full jitter under a doubling ceiling, after the `Retry-After` when there is one.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    ceiling_s = min(patience.backoff_s * 2.0 ** min(attempt - 1, 30), patience.backoff_s_max)
    asked_s = min(max(retry_after_s or 0, 0), RETRY_AFTER_S_MAX)
    return asked_s + chance * ceiling_s


def batches(items: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Encoded items in order, in runs that fit one batch call."""
    opening, comma, closing = map(len, _ENVELOPE)
    start, size = 0, opening + closing
    for index, item in enumerate(items):
        if index > start and (index - start == BATCH_ITEMS or size + len(item) + comma > BATCH_BYTES):
            yield items[start:index]
            start, size = index, opening + closing
        size += len(item) + comma
    if items:
        yield items[start:]


def batch(path: str, items: Sequence[bytes], read_one: Callable[[bytes], T]) -> Call[list[T | AmpError]]:
    """A batch call: one result an item, in order, each as the single call would have answered or refused."""
    opening, comma, closing = _ENVELOPE

    def read(reply: Reply) -> list[T | AmpError]:
        answered = decode(reply.body, _Batch).items
        if len(answered) != len(items):
            raise Unexpected(f"{len(items)} items were sent and {len(answered)} answered.")
        return [_item(item, read_one) for item in answered]

    return Call(Request("POST", path, opening + comma.join(items) + closing), read)


def decode(body: bytes, kind: type[T]) -> T:
    """Typed JSON.

    Raises:
        Unexpected: not JSON, or not what the contract says.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError) as error:
        raise Unexpected(f"The answer is not a {kind.__name__}; is this amp at the base URL?") from error


class _Error(msgspec.Struct):
    code: str
    message: str = ""
    details: dict[str, Any] | None = None

    def refusal(self, status: int, retry_after_s: int | None = None) -> AmpError:
        details = self.details or {}
        if retry_after_s is None and isinstance(seconds := details.get("retryAfter"), int):
            retry_after_s = seconds
        return refusal(self.code, status, self.message or self.code, details, retry_after_s)


class _Told(msgspec.Struct):
    """An answer that may be a refusal: in the envelope, or flat as the ledger's are."""

    error: _Error | str | None = None
    code: str = ""
    message: str = ""
    details: dict[str, Any] | None = None

    def refused(self) -> _Error | None:
        if isinstance(self.error, str) and self.code:
            return _Error(self.code.upper(), self.message, self.details)
        return self.error if isinstance(self.error, _Error) else None


class _Batch(msgspec.Struct):
    items: list[msgspec.Raw]


def _item(raw: msgspec.Raw, read: Callable[[bytes], T]) -> T | AmpError:
    try:
        refused = decode(bytes(raw), _Told).refused()
        return read(bytes(raw)) if refused is None else refused.refusal(status=400)
    except AmpError as error:
        return error


def _refused(reply: Reply) -> AmpError:
    retry_after_s = _retry_after_s(reply.headers)
    told = None
    with suppress(Unexpected):
        told = decode(reply.body, _Told).refused()
    if told is not None:
        return told.refusal(reply.status, retry_after_s)
    message = f"HTTP {reply.status} without amp's error envelope; is this amp at the base URL?"
    return refusal(None, reply.status, message, {}, retry_after_s)


def _retry_after_s(headers: Mapping[str, str]) -> int | None:
    """Of the header's two forms, a date is read against the reply's own `Date`: the clocks may differ."""
    said = headers.get("retry-after", "").strip()
    try:
        if said.isdecimal():
            return int(said)
        wait = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("date", ""))
        return max(0, round(wait.total_seconds()))
    except (TypeError, ValueError):  # neither form, or no Date; TypeError: only one of them has a zone
        return None
