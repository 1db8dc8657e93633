"""Raw signals to evidence: one number between 0 and 1 that says how well an outcome went.

raw = never started | started, not completed | completed, plus flow, plus speed * 2^(-time to start / half
life), plus satisfaction * (2 * answer - 1); reward = (raw + 1) / 2. A signal that was not said adds 0. So a
start whose completion is unknown is neutral, and what is said beside `started: false` changes nothing.
Source: learning.md section 1, Reward.
"""

from functools import lru_cache

import numpy as np

from amp.learning import rows
from amp.learning.types import Floats, History, Signals, Weights


def rewards(history: History, weights: Weights) -> Floats:
    """The reward of each row; shape (n,)."""
    constant, speed, satisfaction = _by_signals(weights).take(history["signals"], axis=0).T
    half_lives = rows.start_ms(history) * (-1e-3 / weights.speed_half_life_s)
    return constant + speed * np.exp2(half_lives) + satisfaction * history["satisfaction"]


def reward(signals: Signals, weights: Weights) -> float:
    """The reward of one outcome."""
    if not signals.started:
        return (weights.never_started + 1.0) / 2.0
    raw = 0.0
    if signals.completed is not None:
        raw += weights.completed if signals.completed else weights.started
    if signals.flow_state:
        raw += weights.flow
    if signals.time_to_start_ms is not None:
        raw += weights.speed * 2.0 ** (-signals.time_to_start_ms / (1e3 * weights.speed_half_life_s))
    if signals.satisfaction is not None:
        raw += weights.satisfaction * (2.0 * signals.satisfaction - 1.0)
    return (raw + 1.0) / 2.0


@lru_cache(maxsize=256)
def _by_signals(weights: Weights) -> Floats:
    """For each value of a row's `signals` byte: constant, factor of speed, factor of packed satisfaction."""
    return np.array([_terms(bits, weights) for bits in range(256)])


def _terms(bits: int, weights: Weights) -> tuple[float, float, float]:
    def said(bit: int) -> bool:
        return bool(bits & bit)

    started = Signals(
        started=said(rows.STARTED),
        completed=said(rows.COMPLETED) if said(rows.COMPLETED_SAID) else None,
        flow_state=said(rows.FLOW_SAID) and said(rows.FLOW),
    )
    constant = reward(started, weights)
    if not started.started:
        return constant, 0.0, 0.0
    speed = weights.speed / 2.0 if said(rows.START_TIME_SAID) else 0.0
    if not said(rows.SATISFACTION_SAID):
        return constant, speed, 0.0
    return constant - weights.satisfaction / 2.0, speed, weights.satisfaction / rows.SATISFACTION_SCALE
