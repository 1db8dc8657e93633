"""One decision in process: from a user's packed rows to the answer's bytes, without network or store."""

import os
import time
from collections.abc import Callable, Sequence
from random import Random
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np

from amp.clock import now_ms
from amp.http.body import encoded
from amp.learning import choice, prior, rows
from amp.learning.approaches import PUBLISHED
from amp.learning.fit import fit
from amp.learning.prior import Prior
from amp.learning.rationale import rationales
from amp.learning.rows import Decision
from amp.learning.token import IV_BYTES, Sealer
from amp.learning.types import Ask, Choice, Context, Policy
from amp.learning.wire import ContextMetadata, ContextReply
from benchmarks import world
from benchmarks.report import Section, Target

AIM_ROWS = 20
AIMS_US = {1: 50.0, 16: 20.0}
"""Of rows to combination, by the size of the batch; with effects."""
CONFIDENCE_AIM_US = 15.0
_HISTORIES = (0, AIM_ROWS, 200)
_BATCHES = (1, 16, 64)
_POLICY = Policy()
_SEALER = Sealer(b"a secret of the benchmarks, long enough for keys")


def run(*, quick: bool) -> Section:
    """Each step at each length of history, alone and in batches."""
    repeats = 5 if quick else 40
    shipped, fitted = prior.shipped(PUBLISHED), _fitted()
    found: dict[str, list[float]] = {}
    for history in _HISTORIES:
        for batch in _BATCHES:
            found[_label(history, batch)] = _steps(shipped, history, batch, repeats)
    for batch in _BATCHES:
        found[f"{_label(AIM_ROWS, batch)}, effects"] = _steps(fitted, AIM_ROWS, batch, repeats)
    note = (
        "Microseconds a decision on one thread, median. A combination is posterior, Thompson draw and pick; "
        "the confidence of its four dimensions, the sentence, the sealed requestId and the JSON come apart. "
        "The shipped prior, or one fitted to users for whom the task matters: it adds effects of contexts."
    )
    aimed = {batch: f"{_label(AIM_ROWS, batch)}, effects" for batch in AIMS_US}
    targets = [
        Target(f"rows to combination, {name}", found[name][0], AIMS_US[batch], "us")
        for batch, name in aimed.items()
    ]
    targets += [
        Target(f"its confidence, {name}", found[name][1], CONFIDENCE_AIM_US, "us") for name in aimed.values()
    ]
    columns = ["us a decision", "combination", "confidence", "rationale", "token", "reply", "all"]
    table: list[list[str | float]] = [[name, *steps] for name, steps in found.items()]
    return Section("One decision in process", columns, table, targets, note)


def _label(history: int, batch: int) -> str:
    return f"{history} rows, " + (f"batch of {batch}" if batch > 1 else "alone")


def _fitted() -> Prior:
    """The prior of a population in which the task type matters."""
    rng = Random(1)
    histories = [rows.unpack(_packed(rng, AIM_ROWS, rng.choice(world.TASK_TYPES))) for _ in range(400)]
    return fit(histories, prior.shipped(PUBLISHED), _POLICY, PUBLISHED, np.random.default_rng(0)).prior


def _packed(rng: Random, history: int, task_type: str) -> bytes:
    """Rows in the order of arrival, a second apart."""
    at_ms = now_ms()
    return b"".join(
        world.random_row(rng, at_ms - before * 1000, task_type) for before in range(history, 0, -1)
    )


def _steps(crowd: Prior, history: int, batch: int, repeats: int) -> list[float]:
    """Combination, confidence, rationale, token, reply and their sum, each in microseconds a decision."""
    rng = Random(0)
    packed = [_packed(rng, history, world.TASK_TYPES[0]) for _ in range(batch)]
    nonces = [rng.getrandbits(64) for _ in range(batch)]
    asks = _asks(packed, nonces)
    chosen = choice.choose(asks, crowd, _POLICY, PUBLISHED)
    whole, confidence = _choosing(crowd, packed, nonces, repeats)
    told = rationales(asks, chosen, crowd, PUBLISHED)
    decisions = [_decision(ask, each) for ask, each in zip(asks, chosen, strict=True)]
    sealed = _seal(decisions)
    steps = [
        whole - confidence,
        confidence,
        _timed(lambda: rationales(asks, chosen, crowd, PUBLISHED), repeats),
        _timed(lambda: _seal(decisions), repeats),
        _timed(lambda: _replies(chosen, sealed, told), repeats),
    ]
    each_us = [step / batch for step in steps]
    return [*each_us, sum(each_us)]


def _choosing(
    crowd: Prior, packed: Sequence[bytes], nonces: Sequence[int], repeats: int
) -> tuple[float, float]:
    """Microseconds from rows to choices, and how many of them went into confidence."""
    spent_us: list[float] = []
    confidences: Callable[..., Any] = vars(choice)["_confidences"]

    def clocked(*arguments: Any) -> Any:
        began = time.perf_counter_ns()
        answer = confidences(*arguments)
        spent_us.append((time.perf_counter_ns() - began) / 1000)
        return answer

    with patch.object(choice, "_confidences", clocked):
        whole = _timed(lambda: choice.choose(_asks(packed, nonces), crowd, _POLICY, PUBLISHED), repeats)
    return whole, median(spent_us)


def _timed(work: Callable[[], Any], repeats: int) -> float:
    """Median microseconds of one call, after a warm-up."""
    work()
    taken_us: list[float] = []
    for _ in range(repeats * 10):
        began = time.perf_counter_ns()
        work()
        taken_us.append((time.perf_counter_ns() - began) / 1000)
    return median(taken_us)


def _asks(packed: Sequence[bytes], nonces: Sequence[int]) -> list[Ask]:
    context = Context(rows.task_hash("coding"), 2)
    histories = rows.unpack_all(packed)
    return [Ask(history, context, nonce) for history, nonce in zip(histories, nonces, strict=True)]


def _decision(ask: Ask, chosen: Choice) -> Decision:
    return Decision(
        nonce=ask.nonce,
        decided_ms=now_ms(),
        combination=chosen.combination,
        task_hash=ask.context.task_hash,
        level=ask.context.level,
        hour=12,
        policy_version=1,
        prior_version=0,
    )


def _seal(decisions: Sequence[Decision]) -> list[str]:
    return [
        _SEALER.seal(world.TENANT, each, "user-000042", "coding", os.urandom(IV_BYTES)) for each in decisions
    ]


def _replies(chosen: Sequence[Choice], sealed: Sequence[str], told: Sequence[str]) -> list[bytes]:
    return [
        encoded(
            ContextReply(
                request_id,
                framing,
                style,
                complexity,
                encouragement,
                round(each.confidence, 4),
                why,
                ContextMetadata(
                    profile_phase="optimised",
                    interaction_count=20,
                    exploration_mode=each.explored,
                    dimension_confidence=dict(
                        zip(PUBLISHED.confidence_names, each.dimension_confidence, strict=True)
                    ),
                    user_weight=round(each.user_weight, 4),
                    group="learned",
                    policy_version=1,
                ),
            )
        )
        for each, request_id, why in zip(chosen, sealed, told, strict=True)
        for framing, style, complexity, encouragement in [PUBLISHED.names(each.combination)]
    ]
