"""A decision learns from what others than the agent say of it: a business outcome, or a grade."""

import os
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from amp.errors import InvalidRequestId, StoreUnavailable
from amp.learning import rows, words
from amp.learning.counting import Counting
from amp.learning.policies import Policies
from amp.learning.store import LearningStore
from amp.learning.token import Sealer
from amp.learning.types import Signals
from amp.learning.words import Report, Taught, Way
from amp.tenancy import Tenant

Random = Callable[[int], bytes]
Learnt = Taught | Literal["unknown"]
"""Unknown: the requestId is none that this service gave to this tenant."""


class Lesson(NamedTuple):
    """What one source says of one decision."""

    tenant: Tenant
    request_id: str
    way: Way
    source: str
    """The job, or the graded outcome."""
    first_ms: int
    """When the source first said something, as far as this word knows."""
    step: int
    """A source's higher step replaces its lower; one that comes again changes nothing."""
    signals: Signals | None
    """None: it says nothing (any more)."""


class Teaching:
    """The verb of the other ways."""

    def __init__(
        self,
        store: LearningStore,
        sealer: Sealer,
        *,
        policies: Policies,
        counting: Counting,
        random: Random = os.urandom,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._policies = policies
        self._counting = counting
        self._random = random

    async def teach(self, lessons: Sequence[Lesson]) -> list[Learnt | StoreUnavailable]:
        """Stores what was said, in its order, in one round trip. Safe to repeat.

        Raises:
            StoreUnavailable: nobody knows which of it is stored; send it again.
        """
        opened = [self._opened(lesson) for lesson in lessons]
        known = [each for each in opened if each]
        answers = iter(await self._store.teach([(report, word) for _, report, word in known]))
        learnt: list[Learnt | StoreUnavailable] = []
        for each in opened:
            verdict = next(answers) if each else "unknown"
            learnt.append(verdict)
            if each and verdict == "new":
                self._counting.reported(each[1].tenant, each[0])
        return learnt

    def _opened(self, lesson: Lesson) -> tuple[rows.Decision, Report, bytes] | None:
        try:
            decision, user, task_type = self._sealer.open(lesson.tenant, lesson.request_id)
        except InvalidRequestId:
            return None
        window_ms = self._policies.of(lesson.tenant).policy.window_ms(decision.decided_ms)
        beside = (window_ms, decision.excluded, decision.shadow)
        row = rows.unsaid(decision)
        report = Report(lesson.tenant, user, row, self._random(8), task_type, b"", *beside)
        word = words.packed(
            lesson.way, lesson.source, lesson.signals, first_ms=lesson.first_ms, step=lesson.step
        )
        return decision, report, word
