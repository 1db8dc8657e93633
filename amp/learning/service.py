"""The room's verbs: load, think, save once."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from amp import observe
from amp.clock import Clock, now_ms
from amp.errors import OutcomeAlreadyReported, RequestExpired, StoreUnavailable
from amp.learning import rows, validation
from amp.learning.counting import Counting
from amp.learning.groups import is_control
from amp.learning.learners import choose
from amp.learning.policies import InForce, Policies
from amp.learning.priors import Priors
from amp.learning.rationale import rationales
from amp.learning.recent import Recent
from amp.learning.record import Record
from amp.learning.rows import Decision
from amp.learning.store import LearningStore
from amp.learning.token import IV_BYTES, Sealer
from amp.learning.types import LEARNING_FROM, OPTIMISED_FROM, Ask, Choice, Context, History
from amp.learning.wire import ContextMetadata, ContextReply, ContextRequest, OutcomeReport, Phase
from amp.learning.words import Report, Verdict
from amp.store.batch import Batch
from amp.tenancy import Tenant

DECIDE_WITHIN_S = 0.08
"""Then the prior answers alone: a context never takes 100 ms."""
STORE_WITHIN_S = 1.2
"""Then an outcome is refused for now; contract: within 1.5 s."""

Random = Callable[[int], bytes]


class _Question(NamedTuple):
    """A context request, checked."""

    tenant: Tenant
    user: str
    task_type: str
    level: int
    zone: str
    exclude: Mapping[str, Sequence[str]] | None = None


class Recommended(NamedTuple):
    """An answer, and what it rests on."""

    reply: ContextReply
    decision: Decision


class Learning:
    """Decides approaches and takes outcomes. Everything of one event-loop tick is decided together."""

    def __init__(
        self,
        store: LearningStore,
        priors: Priors,
        sealer: Sealer,
        *,
        policies: Policies,
        counting: Counting,
        recent: Recent | None = None,
        group_key: bytes,
        clock: Clock = now_ms,
        random: Random = os.urandom,
    ) -> None:
        self._priors = priors
        self._store = store
        self._sealer = sealer
        self._policies = policies
        self._counting = counting
        self._recent = recent
        self._group_key = group_key
        self._clock = clock
        self._random = random
        self._questions: Batch[_Question, Recommended] = Batch(self._decide, deadline_s=DECIDE_WITHIN_S)
        self._reports: Batch[Report, Verdict] = Batch(store.report, deadline_s=STORE_WITHIN_S, flights=2)

    async def recommend(self, tenant: Tenant, request: ContextRequest) -> Recommended:
        """The approach for this user and task; without the store, from the prior alone.

        Raises:
            InvalidInput: the field is named.
        """
        validation.check_task(request.task)
        validation.canonical_metadata(request.metadata)
        if request.exclude:  # once more when decided, by the policy of then: here a refusal holds nobody up
            validation.excluded(request.exclude, self._policies.of(tenant).approaches)
        zone = (request.metadata or {}).get("timezone")
        question = _Question(
            tenant,
            validation.user_id(request.user_id),
            validation.task_type(request.task_type),
            validation.level(request.complexity),
            zone if isinstance(zone, str) else "",
            request.exclude,
        )
        try:
            return await self._questions.submit(question)
        except StoreUnavailable:
            return self._answer([question], [Record()], self._clock(), degraded=True)[0]

    def given(self, tenant: Tenant, recommended: Recommended) -> None:
        """Counts an answer that is certain to be given: too late, or over the limit, it is none."""
        told = recommended.reply.metadata
        how = "shadow" if told.shadow else "explored" if told.exploration_mode else "mean"
        observe.contexts(told.group, "degraded" if told.degraded else how).inc()
        self._counting.decided(tenant, recommended.decision)

    async def report(self, tenant: Tenant, report: OutcomeReport) -> bool:
        """Stores an outcome; whether it was only said again.

        Raises:
            InvalidInput: the field is named.
            InvalidRequestId: the id is not ours, or not this tenant's.
            OutcomeAlreadyReported: another report stands.
            RequestExpired: the window has passed, or the user was erased since.
            StoreUnavailable: nobody knows whether it is stored; send it again.
        """
        signals = validation.signals(report)
        step = validation.step(report)
        metadata = validation.canonical_metadata(report.metadata)
        decision, user, task_type = self._sealer.open(tenant, report.request_id)
        row = rows.pack(
            decision,
            signals,
            fingerprint=validation.fingerprint(report, metadata),
            final=report.final is not False,
            step=step,
        )
        window_ms = self._policies.of(tenant).policy.window_ms(decision.decided_ms)
        beside = (window_ms, decision.excluded, decision.shadow)
        began_s = perf_counter()
        verdict = await self._reports.submit(
            Report(tenant, user, row, self._random(8), task_type, metadata, *beside)
        )
        observe.ACK_SECONDS.observe(perf_counter() - began_s)
        observe.outcomes(verdict).inc()
        if verdict == "new":
            self._counting.reported(tenant, decision)
        if self._recent and verdict in {"new", "replaced"}:
            self._recent.heard(tenant, user)
        if verdict == "conflict":
            raise OutcomeAlreadyReported("A different outcome was already reported for this requestId.")
        if verdict == "expired":
            raise RequestExpired("This requestId no longer takes an outcome: it is too old or was erased.")
        return verdict == "replay"

    async def _decide(self, questions: Sequence[_Question]) -> Sequence[Recommended | Exception]:
        now, records = await self._store.read([(each.tenant, each.user) for each in questions])
        try:
            return self._answer(questions, records, now)
        except Exception:  # noqa: BLE001  a record may be unreadable, or of a policy that we have not seen yet
            await self._policies.refresh()
        return [
            self._alone(question, record, now) for question, record in zip(questions, records, strict=True)
        ]

    def _alone(self, question: _Question, record: Record, now: int) -> Recommended | Exception:
        try:
            return self._answer([question], [record], now)[0]
        except Exception as error:  # noqa: BLE001  one unreadable record must not fail its whole tick
            return error

    def _answer(
        self, questions: Sequence[_Question], records: Sequence[Record], now: int, *, degraded: bool = False
    ) -> list[Recommended]:
        """One answer a question; those of one tenant are decided in one go."""
        by_tenant: dict[Tenant, list[int]] = {}
        for index, question in enumerate(questions):
            by_tenant.setdefault(question.tenant, []).append(index)
        replies: dict[int, Recommended] = {}
        for tenant, indexes in by_tenant.items():
            ruled = self._policies.of(tenant)
            prior = self._priors.of(tenant, ruled.policy)
            versions = ruled.policy.version, prior.version
            entropy = self._random(IV_BYTES * len(indexes))
            ivs = [entropy[start : start + IV_BYTES] for start in range(0, len(entropy), IV_BYTES)]
            histories = rows.unpack_all([records[index].rows for index in indexes])
            asks = [
                self._ask(questions[index], records[index], rows.deciding(history, ruled.policy), iv, ruled)
                for index, history, iv in zip(indexes, histories, ivs, strict=True)
            ]
            choices = choose(asks, prior, *ruled)
            told = rationales(asks, choices, prior, ruled.approaches, ruled.policy)
            for index, iv, ask, choice, why in zip(indexes, ivs, asks, choices, told, strict=True):
                decision = _decision(questions[index], ask, choice, now, versions, degraded=degraded)
                reply = _reply(
                    decision,
                    choice,
                    ruled,
                    request_id=self._sealer.seal(
                        tenant, decision, questions[index].user, questions[index].task_type, iv
                    ),
                    interactions=records[index].interactions,
                    rationale=why,
                )
                replies[index] = Recommended(reply, decision)
        return [replies[index] for index in range(len(questions))]

    def _ask(self, question: _Question, record: Record, history: History, iv: bytes, ruled: InForce) -> Ask:
        return Ask(
            history=history,
            context=Context(rows.task_hash(question.task_type), question.level),
            nonce=int.from_bytes(iv[:8], "little"),
            preferences=ruled.approaches.stated(record.preferences),
            control=is_control(question.tenant, question.user, ruled.policy.control_share, self._group_key),
            excluded=validation.excluded(question.exclude, ruled.approaches) if question.exclude else 0,
        )


def _decision(
    question: _Question, ask: Ask, choice: Choice, now: int, versions: tuple[int, int], *, degraded: bool
) -> Decision:
    """`versions` are the policy's and the prior's."""
    return Decision(
        nonce=ask.nonce,
        decided_ms=now,
        combination=choice.combination,
        task_hash=ask.context.task_hash,
        level=ask.context.level,
        hour=local_hour(now, question.zone),
        policy_version=versions[0],
        prior_version=versions[1],
        control=ask.control,
        floored=choice.floored,
        explored=choice.explored,
        degraded=degraded,
        excluded=ask.excluded,
        shadow=choice.shadow,
    )


def _reply(
    decision: Decision,
    choice: Choice,
    ruled: InForce,
    *,
    request_id: str,
    interactions: int,
    rationale: str,
) -> ContextReply:
    group = "control" if decision.control else "learned"
    return ruled.approaches.reply(
        request_id,
        *ruled.approaches.names(choice.combination),
        round(choice.confidence, 4),
        rationale,
        ContextMetadata(
            profile_phase=phase(interactions),
            interaction_count=interactions,
            exploration_mode=choice.explored,
            dimension_confidence=dict(
                zip(ruled.approaches.confidence_names, choice.dimension_confidence, strict=True)
            ),
            user_weight=round(choice.user_weight, 4),
            group=group,
            policy_version=decision.policy_version,
            degraded=decision.degraded,
            shadow=decision.shadow is not None,
        ),
    )


def phase(interactions: int) -> Phase:
    """Contract: amp.md, Phases."""
    if interactions < LEARNING_FROM:
        return "cold_start"
    return "learning" if interactions < OPTIMISED_FROM else "optimised"


def local_hour(at_ms: int, zone: str) -> int:
    """The hour on the user's clock; UTC where the zone is not said or not known."""
    return datetime.fromtimestamp(at_ms / 1000, _zone(zone)).hour if zone else at_ms // 3_600_000 % 24


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, a path that leaves the database, a folder in it
        return UTC
