"""A decision learns from what others than the agent say of it: a business outcome, or a grade."""

import os
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from amp.errors import InvalidRequestId, StoreUnavailable
from amp.learning import rows, words
from amp.learning.counting import Counting
from amp.learning.policies import Policies
from amp.learning.recent import Recent
from amp.learning.store import LearningStore
from amp.learning.token import Sealer
from amp.learning.types import Signals
from amp.learning.words import Report, Taught, Way
from amp.tenancy import Tenant

Random = Callable[[int], bytes]
Learnt = Taught | Literal["unknown"]
"""Unknown: the requestId is none that this service gave to this tenant."""
_SAID = frozenset({"new", "filled", "agreed", "contradicted", "overruled"})
"""Something was heard of the user."""


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
        recent: Recent,
        random: Random = os.urandom,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._policies = policies
        self._counting = counting
        self._recent = recent
        self._random = random
        self._since_ms = self._earlier_ms = 0

    def widened(self, since_ms: int, earlier_ms: int) -> None:
        """The window holds since then; what was decided before keeps the earlier one, or the agent's.

        An erasure of before may have been forgotten with that: a wider window lets nothing in again.
        """
        self._since_ms, self._earlier_ms = since_ms, earlier_ms

    async def teach(self, lessons: Sequence[Lesson]) -> list[Learnt | StoreUnavailable]:
        """Stores what was said, in its order, in one round trip. Safe to repeat.

        Raises:
            StoreUnavailable: nobody knows which of it is stored; send it again.
        """
        opened = [self._opened(lesson) for lesson in lessons]
        known = [each for each in opened if each]
        answers = iter(await self._store.teach([(each[1], *each[2:]) for each in known]))
        learnt: list[Learnt | StoreUnavailable] = []
        for each in opened:
            verdict = next(answers) if each else "unknown"
            learnt.append(verdict)
            if each and verdict in _SAID:
                self._recent.heard(each[1].tenant, each[1].user)
            if each and verdict == "new":
                self._counting.reported(each[1].tenant, each[0])
        return learnt

    def _opened(self, lesson: Lesson) -> tuple[rows.Decision, Report, bytes, int | None] | None:
        """The decision, its report and the word, and how long it may come if not as long as others."""
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
        early = decision.decided_ms < self._since_ms
        return decision, report, word, max(window_ms, self._earlier_ms) if early else None
