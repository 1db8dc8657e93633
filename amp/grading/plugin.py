"""Roles played by a callable of the operator's own: `python:pkg.mod:fn`, from the allow-list only.

An agent is `async def fn(turn) -> str | Reply`, a grader `async def fn(job, criteria) -> dict | Judged`, the
dict as a judge's JSON: result, explanation, criteria.
"""

import importlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import msgspec

from amp.grading import judge
from amp.grading.agent import Reply, Turn
from amp.grading.draft import Message, Trouble
from amp.grading.grader import Job
from amp.grading.judge import Unclear
from amp.grading.patience import Patience, RoleBroke
from amp.grading.rubric import Judged
from amp.grading.types import Criterion, Usage


class Plugin:
    """A callable by its name, which is looked up when it is first used."""

    def __init__(self, name: str, allowed: Collection[str]) -> None:
        self._name = name
        self._allowed = allowed

    async def act(self, turn: Turn, patience: Patience) -> Reply:
        del patience
        answer = await self._run(turn)
        if isinstance(answer, Reply):
            return answer
        if isinstance(answer, str):
            return Reply([Message(answer)])
        raise self._broke("it returned neither text nor a Reply")

    async def grade(self, job: Job, criteria: Sequence[Criterion], patience: Patience) -> Judged:
        del patience
        answer = await self._run(job, criteria)
        if isinstance(answer, Judged):
            return answer
        try:
            return judge.read(msgspec.json.encode(answer).decode(), Usage())
        except (Unclear, TypeError, ValueError) as error:
            raise self._broke(f"it returned no verdict: {error}") from error

    async def _run(self, *given: Any) -> Any:
        call = self._found()
        try:
            return await call(*given)
        except RoleBroke:
            raise
        except Exception as error:  # whatever it raises, it is the role that broke
            raise self._broke(f"it raised {type(error).__name__}: {error}") from error

    def _found(self) -> Callable[..., Awaitable[Any]]:
        if self._name not in self._allowed:
            raise self._broke("the operator's list AMP_GRADING_PLUGINS does not have it")
        module, _, name = self._name.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise self._broke(f"it is not there: {error}") from error

    def _broke(self, why: str) -> RoleBroke:
        return RoleBroke(Trouble("unknown_error", f"python:{self._name}: {why}"))
