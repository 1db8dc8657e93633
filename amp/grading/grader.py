"""The role that judges: what it is told, one that calls a model, and how code and judge make a verdict."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from amp.grading import judge
from amp.grading.apart import decided
from amp.grading.checks import parse
from amp.grading.draft import Trouble
from amp.grading.judge import Evidence, Unclear
from amp.grading.model import Ask, Model
from amp.grading.patience import Patience, RoleBroke
from amp.grading.rubric import Judged, Verdict, for_judge, merged
from amp.grading.tools import Folder, documents
from amp.grading.transcript import Line
from amp.grading.types import Criterion, Definition, Usage

AT_ONCE = 4
"""Criteria that are judged at a time, each in a context of its own."""


class Job(NamedTuple):
    """One grading."""

    session: str
    start: str
    """The id of the evaluation's start: the same when it is tried again."""
    definition: Definition
    iteration: int
    messages: Sequence[str]
    """What the agent said in this iteration."""
    folder: Folder
    number: int = 0
    """Which of the session's outcomes it is, from 0."""
    metadata: Mapping[str, str] = {}


class Grader(Protocol):
    """Who judges."""

    async def grade(self, job: Job, criteria: Sequence[Criterion], patience: Patience) -> Judged:
        """Judges these criteria; the others are decided by code.

        Raises:
            RoleBroke: it cannot.
        """
        ...


async def graded(job: Job, grader: Grader, patience: Patience) -> Verdict:
    """The verdict: what code decides first, what is left by the grader, all of it merged and nothing assumed.

    Raises:
        RoleBroke: the grader gives no verdict.
    """
    criteria = job.definition.criteria
    checked = await by_code(job, criteria)
    asked = for_judge(criteria)
    judged = await grader.grade(job, asked, patience) if asked else None
    return merged(criteria, checked, judged)


async def by_code(job: Job, criteria: Sequence[Criterion]) -> dict[int, str]:
    """The gap of every criterion that has a check; empty when it passed."""
    checks = {each.id: each.check for each in criteria if each.check is not None}
    files: dict[str, bytes] = {}
    for text in checks.values():
        for path in _paths(text):
            if path not in files and (data := await job.folder.read(path)) is not None:
                files[path] = data
    return {number: await decided(text, files) for number, text in checks.items()}


def _paths(check: str) -> list[str]:
    try:
        return parse(check).paths
    except ValueError:
        return []


class ModelGrader:
    """Asks a model in a fresh context every time: all criteria at once, or each in one of its own."""

    def __init__(self, model: Model, *, each: bool = False) -> None:
        self._model = model
        self._each = each

    async def grade(self, job: Job, criteria: Sequence[Criterion], patience: Patience) -> Judged:
        evidence = Evidence(
            job.definition.description, job.definition.rubric, job.messages, await documents(job.folder)
        )
        if not self._each:
            return await self.ask(evidence, criteria, patience)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(criterion: Criterion) -> Judged:
            async with room:
                return await self.ask(evidence, [criterion], patience)

        asked = [asyncio.ensure_future(one(each)) for each in criteria]
        try:
            return together(await asyncio.gather(*asked), criteria)
        finally:
            for each in asked:
                each.cancel()

    async def ask(self, evidence: Evidence, criteria: Sequence[Criterion], patience: Patience) -> Judged:
        """One question, put again when the answer is no verdict.

        Raises:
            RoleBroke: three answers were none.
        """
        asked = judge.ask(evidence, criteria, secrets.token_hex(8))
        lines, usage, problem = [Line("user", asked.user)], Usage(), ""
        for _ in range(judge.TRIES):
            question = Ask(asked.system, list(lines))
            answer = await patience.call(lambda question=question: self._model.complete(question))
            usage = usage.plus(answer.usage)
            try:
                return judge.read(answer.text, usage)
            except Unclear as error:
                problem = str(error)
                lines += [Line("assistant", answer.text or "(nothing)"), Line("user", judge.again(problem))]
        told = f"{judge.TRIES} answers of the grader's model were no verdict; of the last: {problem}"
        raise RoleBroke(Trouble("model_request_failed_error", told))


def together(parts: Sequence[Judged], criteria: Sequence[Criterion]) -> Judged:
    """Judgements of one criterion each as one; each part speaks for its own criterion only."""
    passed: dict[int, bool] = {}
    gaps: dict[int, str] = {}
    usage = Usage()
    for part, criterion in zip(parts, criteria, strict=True):
        usage = usage.plus(part.usage)
        if criterion.id in part.passed:
            passed[criterion.id] = part.passed[criterion.id] and part.result == "satisfied"
            gaps[criterion.id] = part.gaps.get(criterion.id, part.explanation)
    told = "\n".join(
        f"{criterion.id}. {part.explanation}"
        for part, criterion in zip(parts, criteria, strict=True)
        if part.explanation
    )
    if all(part.result == "failed" for part in parts):
        return Judged("failed", told, passed, gaps, usage)
    met = all(part.result == "satisfied" for part in parts)
    return Judged("satisfied" if met else "needs_revision", told, passed, gaps, usage)
