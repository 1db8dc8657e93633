"""The client for ordinary code: it waits for its answers."""

import os
import time
from collections.abc import Iterable
from typing import Any, Self, TypeVar, Unpack

import httpx

from amp.client import calls
from amp.client.base import Base
from amp.client.decision import Decision
from amp.client.ending import EXIT_S
from amp.client.transport import send_within
from amp.client.types import (
    Ask,
    Changes,
    Context,
    Hints,
    Outcome,
    OutcomeReceipt,
    Posterior,
    Profile,
    Signals,
)
from amp.client.wire import Answer, Attempt, Exchange
from amp.errors import AmpError

T = TypeVar("T")


class AMP(Base[OutcomeReceipt]):
    """Asks amp how to help a user, and tells it what came of it. Safe to share between threads.

    `api_key` and `base_url` default to AMP_API_KEY and AMP_BASE_URL (http://127.0.0.1:8000).
    `timeout_s` is for a whole call with its retries, `context_deadline_s` the same for `get_context`,
    `queue_size` how many background reports may wait; `transport` replaces the network (httpx.MockTransport).

    Raises:
        Unauthorized: there is no key.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout_s: float = 10.0,
        context_deadline_s: float = 0.25,
        queue_size: int = 10_000,
        spool: str | os.PathLike[str] | None = None,
        flush_on_sigterm: bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(
            api_key,
            base_url,
            timeout_s=timeout_s,
            context_deadline_s=context_deadline_s,
            queue_size=queue_size,
            spool=spool,
            flush_on_sigterm=flush_on_sigterm,
            background_transport=transport,
        )
        self._transport = transport
        self._http = httpx.Client(**self._settings, transport=transport)

    def get_context(self, user_id: str, task: str, **hints: Unpack[Hints]) -> Context[OutcomeReceipt]:
        """How to help this user with this task.

        Never raises for what amp, the network or the values do: `metadata.fallback` then says what it was.
        """
        return self._run(self._context({"user_id": user_id, "task": task, **hints}))

    def get_contexts(self, items: Iterable[Ask]) -> list[Context[OutcomeReceipt]]:
        """Contexts in the order of the items, a fallback where need be; one request for each hundred."""
        return self._run(self._contexts(items))

    def report_outcome(self, request_id: str, *, started: bool, **signals: Unpack[Signals]) -> OutcomeReceipt:
        return self._run(self._outcome({"request_id": request_id, "started": started, **signals}))

    def report_outcomes(self, items: Iterable[Outcome]) -> list[OutcomeReceipt | AmpError]:
        """What became of each item, in order; refusals are returned, not raised."""
        return self._run(self._outcomes(items))

    def decision(
        self,
        user_id: str,
        task: str,
        *,
        job: str | None = None,
        job_type: str | None = None,
        **hints: Unpack[Hints],
    ) -> Decision[OutcomeReceipt]:
        """A block for one decision, `with amp.decision(user, task) as d:`: see decision.py.

        It asks for the context, meters what `d.meter_completion` and `d.meter_tool` are told under a job, and
        reports at its end: completed, or what `d.outcome` says, or after an exception started, not completed.
        `job` names the ledger's job, else the decision does; `job_type` is its type, else `task_type`.
        """
        ask: Ask = {"user_id": user_id, "task": task, **hints}
        return Decision(self, self._reporter, ask, job=job, job_type=job_type)

    def update_profile(self, user_id: str, **changes: Unpack[Changes]) -> Profile:
        """Change what is given and nothing else; None clears a preference."""
        return self._run(self._exchange(calls.update_profile(user_id, changes), self._waited))

    def get_profile(self, user_id: str) -> Profile:
        return self._run(self._exchange(calls.get_profile(user_id), self._waited))

    def delete_profile(self, user_id: str) -> None:
        """Erase the user and all that was learned of them."""
        self._run(self._exchange(calls.delete_profile(user_id), self._waited))

    def export_profile(self, user_id: str) -> dict[str, Any]:
        """Everything kept about the user, as JSON."""
        return self._run(self._exchange(calls.export_profile(user_id), self._waited))

    def get_posterior(self, user_id: str) -> Posterior:
        """What is believed of each option for this user, beside the population."""
        return self._run(self._exchange(calls.get_posterior(user_id), self._waited))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until every background report is settled; false when time ran out."""
        return self._reporter.flush(timeout_s)

    def close(self, timeout_s: float = EXIT_S) -> None:
        """Flush within `timeout_s`, then hang up; contexts are fallbacks from then on."""
        self._closed = True
        self._later.close()
        self._reporter.close(timeout_s)
        self._background.close()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> object:
        before, self._http = self._http, httpx.Client(**self._settings, transport=self._transport)
        return before

    def _run(self, exchange: Exchange[T]) -> T:
        try:
            attempt = next(exchange)
            while True:
                attempt = exchange.send(self._carry_out(attempt))
        except StopIteration as finished:
            return finished.value

    def _carry_out(self, attempt: Attempt) -> Answer:
        began_s = time.monotonic()
        time.sleep(attempt.pause_s)
        try:
            result = send_within(self._http, attempt.request, attempt.timeout_s)
        except AmpError as error:
            result = error
        return Answer(result, time.monotonic() - began_s)
