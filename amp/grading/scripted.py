"""Roles that play a plan, for tests and demonstrations; never in production. Contract: section 10.

The plan stands in the session's metadata `outcome_script`: JSON, a list with one part for each outcome in
order, of {"v": [verdict of each evaluation; the last repeats; "error" breaks the grader], "a": seconds of
work, "g": seconds of grading, "h": seconds between heartbeats, "files": {path: text}}.
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from amp.grading.agent import Reply, Turn
from amp.grading.checks import normal
from amp.grading.draft import Message, Trouble
from amp.grading.grader import Job
from amp.grading.patience import Patience, RoleBroke
from amp.grading.rubric import Judged
from amp.grading.types import Criterion

PLAN = "outcome_script"
_JUDGEMENTS = ("satisfied", "needs_revision", "failed")


class Part(Struct):
    """The plan of one outcome."""

    v: list[str] = []
    """Empty: satisfied."""
    a: float = 0.05
    g: float = 0.05
    h: float | None = None
    files: dict[str, str] = {}

    def verdict(self, iteration: int) -> str:
        return self.v[min(iteration, len(self.v) - 1)] if self.v else "satisfied"


_plan = msgspec.json.Decoder(list[Part])


def part_of(metadata: Mapping[str, str], number: int) -> Part:
    """The plan of the n-th outcome, from 0; the last part repeats.

    Raises:
        RoleBroke: the plan cannot be read.
    """
    try:
        parts = _plan.decode(metadata.get(PLAN) or "[]")
    except msgspec.DecodeError as error:
        raise RoleBroke(Trouble("unknown_error", f"metadata.{PLAN} is no plan: {error}")) from error
    return parts[min(number, len(parts) - 1)] if parts else Part()


class ScriptAgent:
    """Works as planned."""

    async def act(self, turn: Turn, patience: Patience) -> Reply:
        del patience
        part = part_of(turn.metadata, turn.number)
        await asyncio.sleep(part.a)
        if turn.kind == "turn":
            for path, text in part.files.items():
                await turn.folder.write(_normal(path), text.encode())
        return Reply([Message(_words(turn))])


class ScriptGrader:
    """Judges as planned."""

    async def grade(self, job: Job, criteria: Sequence[Criterion], patience: Patience) -> Judged:
        del patience
        part = part_of(job.metadata, job.number)
        await asyncio.sleep(part.g)
        verdict = part.verdict(job.iteration)
        if verdict not in _JUDGEMENTS:
            raise RoleBroke(Trouble("unknown_error", f"the script's verdict is {verdict!r}"))
        passed = dict.fromkeys((each.id for each in criteria), verdict == "satisfied")
        if verdict == "satisfied":
            return Judged("satisfied", "", passed, {})
        told = f"Evaluation {job.iteration} of {job.definition.outcome_id}"
        gaps = {each.id: f"{told} finds criterion {each.id} not met." for each in criteria}
        result = "failed" if verdict == "failed" else "needs_revision"
        return Judged(result, f"{told}: {verdict.replace('_', ' ')}.", passed, gaps)


def _words(turn: Turn) -> str:
    if turn.kind == "chat":
        return "Understood."
    if not turn.gaps and not turn.explanation:
        return f"Worked on: {turn.description}"
    told = [turn.explanation, *(f"{each.id}. {each.name}: {each.gap}" for each in turn.gaps)]
    before = "What is still missing" if turn.kind == "closing" else "Revised after these gaps"
    return f"{before}:\n" + "\n".join(told)


def _normal(path: str) -> str:
    try:
        return normal(path)
    except ValueError as error:
        raise RoleBroke(Trouble("unknown_error", f"a file of the script: {error}")) from error
