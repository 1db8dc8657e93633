"""The client for asyncio: `sync.py` with its waits awaited; what each call does is said there."""

import asyncio
import os
import time
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, Self, TypeVar, Unpack

import httpx

from amp.client import calls
from amp.client.base import Base
from amp.client.decision import AsyncDecision
from amp.client.ending import EXIT_S
from amp.client.transport import send_async
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
Receiving = Coroutine[Any, Any, OutcomeReceipt]


class AsyncAMP(Base[Receiving]):
    """AMP for one event loop. Background reports leave by a thread, so they outlive the loop."""

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(
            api_key,
            base_url,
            timeout_s=timeout_s,
            context_deadline_s=context_deadline_s,
            queue_size=queue_size,
            spool=spool,
            flush_on_sigterm=flush_on_sigterm,
            background_transport=transport if isinstance(transport, httpx.BaseTransport) else None,
        )
        self._transport = transport
        self._http = httpx.AsyncClient(**self._settings, transport=transport)

    async def get_context(self, user_id: str, task: str, **hints: Unpack[Hints]) -> Context[Receiving]:
        return await self._run(self._context({"user_id": user_id, "task": task, **hints}))

    async def get_contexts(self, items: Iterable[Ask]) -> list[Context[Receiving]]:
        return await self._run(self._contexts(items))

    async def report_outcome(
        self, request_id: str, *, started: bool, **signals: Unpack[Signals]
    ) -> OutcomeReceipt:
        return await self._run(self._outcome({"request_id": request_id, "started": started, **signals}))

    async def report_outcomes(self, items: Iterable[Outcome]) -> list[OutcomeReceipt | AmpError]:
        return await self._run(self._outcomes(items))

    def decision(
        self,
        user_id: str,
        task: str,
        *,
        job: str | None = None,
        job_type: str | None = None,
        **hints: Unpack[Hints],
    ) -> AsyncDecision[Receiving]:
        ask: Ask = {"user_id": user_id, "task": task, **hints}
        return AsyncDecision(self, self._reporter, ask, job=job, job_type=job_type)

    async def update_profile(self, user_id: str, **changes: Unpack[Changes]) -> Profile:
        return await self._run(self._exchange(calls.update_profile(user_id, changes), self._waited))

    async def get_profile(self, user_id: str) -> Profile:
        return await self._run(self._exchange(calls.get_profile(user_id), self._waited))

    async def delete_profile(self, user_id: str) -> None:
        await self._run(self._exchange(calls.delete_profile(user_id), self._waited))

    async def export_profile(self, user_id: str) -> dict[str, Any]:
        return await self._run(self._exchange(calls.export_profile(user_id), self._waited))

    async def get_posterior(self, user_id: str) -> Posterior:
        return await self._run(self._exchange(calls.get_posterior(user_id), self._waited))

    async def flush(self, timeout_s: float = 10.0) -> bool:
        return await asyncio.to_thread(self._reporter.flush, timeout_s)

    async def close(self, timeout_s: float = EXIT_S) -> None:
        self._closed = True
        self._later.close()
        await asyncio.to_thread(self._reporter.close, timeout_s)
        self._background.close()
        with suppress(RuntimeError):  # connections of an event loop that is over hung up with it
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _connect(self) -> object:
        before, self._http = self._http, httpx.AsyncClient(**self._settings, transport=self._transport)
        return before

    async def _run(self, exchange: Exchange[T]) -> T:
        try:
            attempt = next(exchange)
            while True:
                attempt = exchange.send(await self._carry_out(attempt))
        except StopIteration as finished:
            return finished.value

    async def _carry_out(self, attempt: Attempt) -> Answer:
        began_s = time.monotonic()
        await asyncio.sleep(attempt.pause_s)
        try:
            result = await send_async(self._http, attempt.request, attempt.timeout_s)
        except AmpError as error:
            result = error
        return Answer(result, time.monotonic() - began_s)
