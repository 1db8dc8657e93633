"""A served instance as a policy: the simulated users ask and report over HTTP, through the Python client."""

import time
from typing import Any

import numpy as np

from amp.client import AMP, AmpError, Ask, Context, Outcome
from amp.errors import Forbidden
from amp.exits import CommandFailed
from amp.learning import rows as packed
from amp.learning.approaches import Approaches
from amp.learning.types import LEVELS, History, Ints, Signals
from amp.simulate.streams import Turn
from amp.simulate.worlds import TASK_TYPES

_TASK_TYPE_OF = {packed.task_hash(task): task for task in TASK_TYPES}


GROWTH, FIRST_AT = 2.0, 20
"""When the background fit is waited for: play is far faster than life, and would leave the fit behind."""
_FIT_S = 2.0
"""For the service to look, fit and publish, and its workers to notice; many a fit is not worth publishing."""
_POLL_S = 0.05
_ASKED_AGAIN = 5
"""A machine that is busy with something else now and then takes longer than a context may."""


class Served:
    """Decides by `/v1/context` and learns by `/v1/outcome`; the fit is the service's own."""

    def __init__(self, amp: AMP, run: str, approaches: Approaches) -> None:
        """`run` begins the user ids, so that nobody is known from an earlier run."""
        self._amp, self._run, self._approaches = amp, run, approaches
        self._asked: list[Context[Any]] = []
        self._somebody = ""
        self._outcomes = self._waited_at = 0
        self._prior_version: int | None = 0
        self.controls = 0
        """Decisions for users of the control group, who get the default."""

    def decide(self, turn: Turn) -> Ints:
        """Raises `CommandFailed` unless the service itself decided, its store in reach."""
        self._somebody = f"{self._run}-{turn.users[0]}"
        self._asked = self._decided([self._ask(turn, *each) for each in turn.each()])
        self.controls += sum(context.metadata.group == "control" for context in self._asked)
        return np.array([combination_of(context, self._approaches) for context in self._asked])

    def _decided(self, asks: list[Ask]) -> list[Context[Any]]:
        """What the service decided; it is asked again where it could not in time.

        Raises:
            CommandFailed: it never could.
        """
        contexts = list(self._amp.get_contexts(asks))
        for _ in range(_ASKED_AGAIN):
            late = [place for place, context in enumerate(contexts) if _trouble(context)]
            if not late:
                return contexts
            again = self._amp.get_contexts([asks[place] for place in late])
            for place, context in zip(late, again, strict=True):
                contexts[place] = context
        for trouble in filter(None, map(_trouble, contexts)):
            raise CommandFailed(f"The service did not decide ({trouble}); nothing was scored.")
        return contexts

    def hear(self, turn: Turn, rows: History) -> None:  # noqa: ARG002  a Player's; we know what we asked
        """Raises `CommandFailed` unless every outcome is acknowledged, which means stored."""
        reports = [
            report(context.request_id, packed.signals(row))
            for context, row in zip(self._asked, rows, strict=True)
        ]
        for receipt in self._amp.report_outcomes(reports):
            if isinstance(receipt, AmpError):
                raise CommandFailed(f"An outcome was not acknowledged: {receipt.message}") from receipt
        self._outcomes += len(reports)

    def rest(self) -> None:
        """Waits for the next prior, when outcomes have grown enough; without the scope `read` it cannot."""
        if self._outcomes < max(FIRST_AT, GROWTH * self._waited_at) or self._prior_version is None:
            return
        self._waited_at = self._outcomes
        before, until_s = self._prior_version, time.monotonic() + _FIT_S
        while (now := self._published()) == before and time.monotonic() < until_s:
            time.sleep(_POLL_S)
        self._prior_version = now

    def _published(self) -> int | None:
        try:
            return self._amp.get_posterior(self._somebody).prior_version
        except Forbidden:
            return None

    def _ask(self, turn: Turn, user: int, context: int, _: int) -> Ask:
        task_hash, level = turn.among[context]
        task_type = _TASK_TYPE_OF[task_hash]
        return Ask(
            user_id=f"{self._run}-{user}",
            task=f"A {LEVELS[level]} {task_type} task",
            task_type=task_type,
            complexity=LEVELS[level],
        )


def _trouble(context: Context[Any]) -> str | None:
    return context.metadata.fallback or ("degraded" if context.metadata.degraded else None)


def combination_of(context: Context[Any], approaches: Approaches) -> int:
    """The combination that an answer of the service shows."""
    shown = (
        context.suggested_framing,
        context.communication_style,
        context.complexity,
        context.encouragement,
    )
    options = (each.options.index(option) for each, option in zip(approaches.dimensions, shown, strict=True))
    return approaches.combination(tuple(options))


def report(request_id: str, signals: Signals) -> Outcome:
    """The report of what was seen."""
    start_ms = signals.time_to_start_ms
    return Outcome(
        request_id=request_id,
        started=signals.started,
        completed=signals.completed,
        time_to_start=None if start_ms is None else start_ms / 1000,
        flow_state=signals.flow_state,
        satisfaction=signals.satisfaction,
    )
