"""What the sync and the async client share: all of it but carrying out an attempt.

Every call is an exchange (wire.py) with this client's patience, its counters and its fallback around it.
"""

import os
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, Unpack

import httpx

from amp import __version__
from amp.client import calls, forking, wire
from amp.client.backlog import Memory
from amp.client.failures import ClientClosed
from amp.client.fallback import NOT_SENT, fallback, is_local
from amp.client.later import Ask as LaterAsk
from amp.client.later import Later
from amp.client.reporter import Reporter
from amp.client.spool import Spool
from amp.client.tally import Counters, Tally
from amp.client.transport import Background
from amp.client.types import Ask, Context, Outcome, OutcomeReceipt, Receipt, Signals
from amp.client.wire import Call, Exchange, Patience
from amp.errors import AmpError, Unauthorized

T = TypeVar("T")
Result = TypeVar("Result", OutcomeReceipt, OutcomeReceipt | AmpError)

DEFAULT_URL = "http://127.0.0.1:8000"


class Base(ABC, Generic[Receipt]):
    """The calls as exchanges, the fallback, the background reporter and the counters."""

    def __init__(
        self,
        api_key: str | None,
        base_url: str | None,
        *,
        timeout_s: float,
        context_deadline_s: float,
        queue_size: int,
        spool: str | os.PathLike[str] | None,
        flush_on_sigterm: bool,
        background_transport: httpx.BaseTransport | None,
    ) -> None:
        url = _base_url(base_url or os.environ.get("AMP_BASE_URL") or DEFAULT_URL)
        self._settings: dict[str, Any] = {
            "base_url": url,
            # Certificates take 0.1 s to load, the interpreter held meanwhile: not where nobody checks one.
            "verify": url.startswith("https://"),
            "headers": _headers(api_key or os.environ.get("AMP_API_KEY") or ""),
            "timeout": timeout_s,
        }
        self._waited = Patience(timeout_s, attempts=4, backoff_s=0.25)
        # The second attempt is for a kept connection that the server closed meanwhile.
        self._asked = Patience(context_deadline_s, attempts=2, backoff_s=0.02)
        self._tally = Tally()
        self._background = Background({**self._settings, "transport": background_transport})
        backlog = Memory(queue_size) if spool is None else Spool(spool, self._tally, memory=queue_size)
        self._reporter = Reporter(self._background.post, self._tally, backlog, sigterm=flush_on_sigterm)
        self._later = Later(lambda said: self.report_outcome_background(**said), self._tally)
        self._closed = False
        self._inherited: list[object] = []
        forking.watch(self)

    def before_fork(self) -> None:
        pass

    def after_fork(self) -> None:
        pass

    def in_child(self) -> None:
        """Connections are the parent's: two processes on one would read each other's answers."""
        self._inherited.append(self._connect())

    @abstractmethod
    def _connect(self) -> object:
        """Opens connections of its own; gives those that there were, which nobody may touch any more."""

    @property
    def counters(self) -> Counters:
        """A snapshot of what this client sent, dropped, replaced and could not deliver."""
        return self._tally.counters(self._reporter.queued)

    @abstractmethod
    def report_outcome(self, request_id: str, *, started: bool, **signals: Unpack[Signals]) -> Receipt:
        """Report what came of a context, and wait until the server has it.

        Retried within the client's `timeout_s`; an identical report counts once, so trying again is safe.

        Raises:
            AmpError: the refusal, or Unreachable.
        """

    def report_outcome_background(
        self, request_id: str, *, started: bool, **signals: Unpack[Signals]
    ) -> bool:
        """Queue the report and return at once; false when it was not queued. Never raises.

        What becomes of it is seen in `counters`.
        """
        return self._reporter.put("outcome", {"request_id": request_id, "started": started, **signals})

    def report_outcome_later(self, request_id: str, delay_s: float, ask: LaterAsk) -> None:
        """Ask `ask` for the report after `delay_s` seconds, and queue what it tells. Never raises.

        `ask` gives the signals (`{"started": True, "completed": False}`), or None for nothing; it runs in a
        thread of the client, and may be a coroutine function, which runs in an event loop of its own there.
        Say what is known now with `final=False`: what is told later replaces it. What is not due when the
        client is closed or the process ends is not asked, and counted as dropped; the staged report stands.
        """
        self._later.put(request_id, delay_s, ask)

    def _context(self, fields: Ask) -> Exchange[Context[Receipt]]:
        try:
            answer = yield from self._exchange(calls.context(calls.ask_body(fields)), self._asked)
        except AmpError as trouble:
            answer = self._fallback(trouble)
        return answer.bind(self)

    def _contexts(self, items: Iterable[Ask]) -> Exchange[list[Context[Receipt]]]:
        bodies = [_encoded(calls.ask_body, item) for item in items]
        answers = yield from self._batched(bodies, calls.contexts, self._asked)
        return [
            (self._fallback(answer) if isinstance(answer, AmpError) else answer).bind(self)
            for answer in answers
        ]

    def _outcome(self, fields: Outcome) -> Exchange[OutcomeReceipt]:
        if is_local(fields["request_id"]):
            return self._counted(NOT_SENT)
        try:
            receipt = yield from self._exchange(calls.outcome(calls.outcome_body(fields)), self._waited)
        except AmpError as refusal:
            self._counted(refusal)
            raise
        return self._counted(receipt)

    def _outcomes(self, items: Iterable[Outcome]) -> Exchange[list[OutcomeReceipt | AmpError]]:
        bodies = [
            NOT_SENT if is_local(item.get("request_id")) else _encoded(calls.outcome_body, item)
            for item in items
        ]
        receipts = yield from self._batched(bodies, calls.outcomes, self._waited)
        return [self._counted(receipt) for receipt in receipts]

    def _batched(
        self,
        bodies: Sequence[bytes | T | AmpError],
        call: Callable[[Sequence[bytes]], Call[list[T | AmpError]]],
        patience: Patience,
    ) -> Exchange[list[T | AmpError]]:
        """One result an item, in order; what is no body is its own result already."""
        sendable = [body for body in bodies if isinstance(body, bytes)]
        results: list[T | AmpError] = []
        for batch in wire.batches(sendable):
            try:
                results += yield from self._exchange(call(batch), patience)
            except AmpError as trouble:  # what stops one batch stops the rest: nobody waits once for each
                results += [trouble] * (len(sendable) - len(results))
                break
        arrived = iter(results)
        return [next(arrived) if isinstance(body, bytes) else body for body in bodies]

    def _exchange(self, call: Call[T], patience: Patience) -> Exchange[T]:
        if self._closed:
            raise ClientClosed("This client was closed.")
        return (yield from wire.exchange(call, patience, random.random))

    def _fallback(self, trouble: AmpError) -> Context[Any]:
        context = fallback(trouble)
        self._tally.fell_back(trouble.code.lower())
        return context

    def _counted(self, receipt: Result) -> Result:
        if isinstance(receipt, AmpError):
            self._tally.failed(receipt.code)
        elif receipt is NOT_SENT:
            self._tally.add("dropped_local")
        else:
            self._tally.add("sent")
            self._tally.add("replayed", int(receipt.replayed))
        return receipt


def _encoded(encode: Callable[[Mapping[str, Any]], bytes], item: Mapping[str, Any]) -> bytes | AmpError:
    try:
        return encode(item)
    except AmpError as refusal:
        return refusal


def _base_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"base_url must start with http:// or https://, not {url!r}")
    return url


def _headers(api_key: str) -> dict[str, str]:
    key = api_key.strip()
    if not key:
        raise Unauthorized("No API key: pass api_key=... or set AMP_API_KEY.")
    if not (key.isascii() and key.isprintable()):
        raise Unauthorized("The API key holds characters that no key has; was it copied whole?")
    return {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "User-Agent": f"amp-python/{__version__}",
    }
