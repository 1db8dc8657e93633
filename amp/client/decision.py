"""One decision as a block: its context, what was used, and what came of it.

    with amp.decision("user-42", "Refactor the billing module") as d:
        answer = agent(system=d.prompt)
        d.meter_completion("openai", "gpt-4o", input_tokens=812, output_tokens=230)

What the block meters goes to the ledger, under a job of its own that says which decision it follows.
Everything is sent in the background; amp being down changes nothing for the block.
"""

import asyncio
import re
from datetime import UTC, datetime
from hashlib import blake2b
from types import TracebackType
from typing import Any, Generic, Protocol, Self, Unpack

from amp.client import metering
from amp.client.entries import Fields, Kind
from amp.client.fallback import is_local
from amp.client.metering import Completion, Money, ToolUse
from amp.client.prompt import prompt
from amp.client.signals import Receipt, Signals
from amp.client.tracking import Track
from amp.client.types import Ask, Context, Hints

_JOB = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")
_INTERRUPTED = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)
"""Somebody ended the block from outside: that says nothing of the approach."""


class Puts(Protocol):
    """The reporter of a client."""

    def put(self, kind: Kind, fields: Fields) -> bool: ...


class Block(Generic[Receipt]):
    """What both kinds of block have; `context` is there once the block was entered."""

    context: Context[Receipt]

    def __init__(self, puts: Puts, ask: Ask, *, job: str | None, job_type: str | None) -> None:
        if job is not None and not _JOB.fullmatch(job):
            raise ValueError("job must be 1 to 255 of A-Z a-z 0-9 . _ -, a letter or digit first")
        self._puts = puts
        self._asked = ask
        self._named = job
        self._type = job_type or ask.get("task_type")
        self._said: Signals = {}
        self._started: bool | None = None
        self._track: Track[Receipt] | None = None
        self._business: dict[str, Any] | None = None

    @property
    def prompt(self) -> str:
        """The approach as text for the agent's system prompt."""
        return prompt(self.context)

    @property
    def job(self) -> str:
        """The id of the ledger's job: the one given, else one that belongs to the decision."""
        if self._named is None:
            self._named = "d-" + blake2b(self.context.request_id.encode(), digest_size=16).hexdigest()
        return self._named

    def track(self) -> Track[Receipt]:
        """Watches what the user does: what it has seen by the end of the block is reported then."""
        self._track = self.context.track()
        return self._track

    def meter_completion(self, provider: str, model: str, **said: Unpack[Completion]) -> bool:
        """Queue the record of an AI call; false when it was not queued.

        Raises:
            TypeError: a keyword is unknown.
        """
        return self._metered(metering.completion(provider, model, said, datetime.now(UTC)))

    def meter_tool(self, tool_id: str, **said: Unpack[ToolUse]) -> bool:
        """Queue the record of a tool's use, or of a person's (ids that begin with `human_`); see above."""
        return self._metered(metering.tool_use(tool_id, said, datetime.now(UTC)))

    def outcome(self, *, started: bool = True, **signals: Unpack[Signals]) -> None:
        """Say what the end of the block is to report, instead of or beside what it would say by itself."""
        self._started = started
        self._said = {**self._said, **signals}

    def converted(
        self, value: Money | None = None, currency: str | None = None, *, reason: str | None = None
    ) -> None:
        """The job did what it was for, worth `value`: a business outcome for the ledger."""
        self._business = _business("SUCCESS", "CONVERTED", value, currency, reason)

    def escalated(
        self, value: Money | None = None, currency: str | None = None, *, reason: str | None = None
    ) -> None:
        """A person took over: the block then counts as started, not completed."""
        self._business = _business("SUCCESS", "ESCALATED", value, currency, reason)
        self._said = {"completed": False, **self._said}

    def _metered(self, record: dict[str, Any]) -> bool:
        return self._puts.put("metering", record | self._coordinates())

    def _coordinates(self) -> dict[str, Any]:
        """The job, and the decision that it follows: none of ours, when amp gave none."""
        told: dict[str, Any] = {"agenticJobId": self.job}
        if self._type:
            told["agenticJobType"] = self._type
        return told | self._follows()

    def _follows(self) -> dict[str, str]:
        request_id = self.context.request_id
        return {} if is_local(request_id) else {"amp_request_id": request_id}

    def _ended(self, error: BaseException | None) -> None:
        if self._business is not None:
            made = {"agenticJobId": self.job, "type": self._type, **self._follows()}
            told = self._business | self._follows()
            self._puts.put("job", {"id": self.job, "job": made, "outcome": told})
        if self._started is not None or not isinstance(error, _INTERRUPTED):
            self._puts.put("outcome", self._report(error))

    def _report(self, error: BaseException | None) -> dict[str, Any]:
        """What was said of it, over what was seen of the user, over what the end of the block means."""
        seen: Signals = {} if self._track is None else self._track.signals()
        started = self._started
        if started is None:
            started = error is not None or self._track is None or self._track.started
        meant: Signals = {"completed": error is None} if started else {}
        if error is not None:
            seen["completed"] = False
        return {"request_id": self.context.request_id, "started": started, **meant, **seen, **self._said}


class Asks(Protocol[Receipt]):
    """The sync client."""

    def get_context(self, user_id: str, task: str, **hints: Unpack[Hints]) -> Context[Receipt]: ...


class Decision(Block[Receipt]):
    """The block of ordinary code."""

    def __init__(self, client: "Asks[Receipt]", puts: Puts, ask: Ask, **job: Any) -> None:
        super().__init__(puts, ask, **job)
        self._client = client

    def __enter__(self) -> Self:
        self.context = self._client.get_context(**self._asked)
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self._ended(error)


class AsksAsync(Protocol[Receipt]):
    """The client for asyncio."""

    async def get_context(self, user_id: str, task: str, **hints: Unpack[Hints]) -> Context[Receipt]: ...


class AsyncDecision(Block[Receipt]):
    """The block of a coroutine."""

    def __init__(self, client: "AsksAsync[Receipt]", puts: Puts, ask: Ask, **job: Any) -> None:
        super().__init__(puts, ask, **job)
        self._client = client

    async def __aenter__(self) -> Self:
        self.context = await self._client.get_context(**self._asked)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self._ended(error)


def _business(
    status: str, kind: str, value: Money | None, currency: str | None, reason: str | None
) -> dict[str, Any]:
    told = {
        "executionStatus": status,
        "outcomeType": kind,
        "outcomeValue": value,
        "outcomeCurrency": currency,
        "outcomeReason": reason,
    }
    return {name: said for name, said in told.items() if said is not None}
