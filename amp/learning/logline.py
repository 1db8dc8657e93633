"""One line of the exported log: a decision with an outcome, in the words of the API."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
from msgspec import Struct

from amp.learning import reward, rows
from amp.learning.approaches import Approaches
from amp.learning.layouts import Names
from amp.learning.replay import Reason, Remembered
from amp.learning.types import LEVELS, Ask, Floats, Ints, Signals, Weights

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


class LogContext(Struct, rename="camel"):
    """What the request said of the task."""

    task_type: str | None
    complexity: str | None
    hour: int
    """On the user's clock."""


class LogSignals(Struct, rename="camel"):
    """What was reported; null is "not said"."""

    started: bool
    completed: bool | None
    time_to_start: float | None
    """Seconds."""
    flow_state: bool | None
    satisfaction: float | None


class LogLine(Struct, rename="camel", kw_only=True):
    """One decision with the report that stands."""

    user: str
    """The user's random alias in the log, never the user's id."""
    decided_at: datetime
    reported_at: datetime
    context: LogContext
    approach: dict[str, str]
    """What was served: option by dimension."""
    offered: dict[str, list[str]] = {}
    """Options that could be shown, by dimension: paused ones are out. Empty: not known, or all."""
    exclude: dict[str, list[str]] = {}
    """Options that the request ruled out, by dimension."""
    locked: list[str] = []
    """Dimensions that were locked to what was served; known where the propensity is."""
    group: Literal["learned", "control"]
    floored: bool
    explored: bool
    degraded: bool
    propensity: float | None
    """Probability of this approach in this decision."""
    propensity_reason: Reason | None
    """Why there is none."""
    signals: LogSignals
    reward: float
    """Under the policy now in force."""
    final: bool
    step: int
    policy_version: int
    prior_version: int
    nonce: str
    """64 bits, in decimal: too wide for a JSON number."""
    shadow: dict[str, str] | None = None
    """What would have been served where the operator's baseline was."""


def line(
    alias: bytes,
    made: Remembered,
    probabilities: Floats | None,
    reason: Reason | None,
    approaches: Approaches,
    *,
    then: Approaches | None,
    weights: Weights,
) -> LogLine:
    """The line of a decision; no `probabilities` for a `reason`, no `then` if what was offered is unknown."""
    row, combination = made.row[0], int(made.row["combination"][0])
    bits, version = int(row["circumstance"]), int(row["policy_version"])
    decided = _EPOCH + timedelta(milliseconds=made.decided_ms)
    return LogLine(
        user=alias.hex(),
        decided_at=decided,
        reported_at=decided + timedelta(milliseconds=int(row["reported_after_ms"])),
        context=_context(made),
        approach=approaches.told(version, combination),
        offered={} if then is None else _offered(then),
        exclude=_excluded(made.report.excluded, approaches.layout_at(version)),
        locked=[] if made.ask is None or reason else _locked(made.ask, approaches),
        group="control" if bits & rows.CONTROL else "learned",
        floored=bool(bits & rows.FLOORED),
        explored=bool(bits & rows.EXPLORED),
        degraded=bool(bits & rows.DEGRADED),
        propensity=None if probabilities is None else float(probabilities[combination]),
        propensity_reason=reason,
        signals=signals_of(row),
        reward=float(reward.rewards(made.row, weights)[0]),
        final=bool(row["final"]),
        step=int(row["step"]),
        policy_version=version,
        prior_version=int(row["prior_version"]),
        nonce=str(int(row["nonce"])),
        shadow=None if made.report.shadow is None else approaches.told(version, made.report.shadow),
    )


def _context(made: Remembered) -> LogContext:
    row = made.row[0]
    level = LEVELS[int(row["circumstance"]) & rows.LEVEL_MASK]
    return LogContext(made.report.task_type or None, level or None, int(row["hour"]))


def _offered(approaches: Approaches) -> dict[str, list[str]]:
    return {each.name: [each.options[number] for number in each.offered] for each in approaches.dimensions}


def packed(told: LogLine, approaches: Approaches) -> bytes:
    """The row that a line was told from, but for its fingerprint and when it was reported.

    Raises:
        ValueError: it is of other dimensions or options.
    """
    signals, context = told.signals, told.context
    seconds = signals.time_to_start
    decision = rows.Decision(
        nonce=int(told.nonce),
        decided_ms=(told.decided_at - _EPOCH) // timedelta(milliseconds=1),
        combination=numbered(told.approach, approaches),
        task_hash=rows.task_hash(context.task_type or ""),
        level=LEVELS.index(context.complexity or ""),
        hour=context.hour,
        policy_version=told.policy_version,
        prior_version=told.prior_version,
        control=told.group == "control",
        floored=told.floored,
        explored=told.explored,
        degraded=told.degraded,
        shadow=None if told.shadow is None else numbered(told.shadow, approaches),
    )
    reported = Signals(
        started=signals.started,
        completed=signals.completed,
        time_to_start_ms=None if seconds is None else round(1000 * seconds),
        flow_state=signals.flow_state,
        satisfaction=signals.satisfaction,
    )
    return rows.pack(decision, reported, fingerprint=bytes(6), final=told.final, step=told.step)


def _excluded(mask: int, layout: Names) -> dict[str, list[str]]:
    """Options by dimension, from a bit for each option of all dimensions."""
    told: dict[str, list[str]] = {}
    for name, options in layout:
        out = [option for place, option in enumerate(options) if mask >> place & 1]
        mask >>= len(options)
        if out:
            told[name] = out
    return told


def numbered(approach: dict[str, str], approaches: Approaches) -> int:
    """The combination with these options, one for each dimension.

    Raises:
        ValueError: a dimension or an option is unknown, or one is missing.
    """
    known = {each.name: each.options for each in approaches.dimensions}
    for name, option in approach.items():
        if option not in known.get(name, ()):
            raise ValueError(f"{name}: {option!r} is not an option")
    if missing := known.keys() - approach.keys():
        raise ValueError(f"{', '.join(sorted(missing))}: missing, for an approach has every dimension")
    options = tuple(each.options.index(approach[each.name]) for each in approaches.dimensions)
    return approaches.combination(options)


def allowed(line: LogLine, approaches: Approaches) -> Mask:
    """The combinations that were offered and that no lock or exclusion forbade; shape (combinations,)."""
    options: Ints = approaches.options_of
    mask = np.ones(approaches.count, bool)
    for index, dimension in enumerate(approaches.dimensions):
        offered = line.offered.get(dimension.name) or [dimension.options[each] for each in dimension.offered]
        for number, option in enumerate(dimension.options):
            if option not in offered:
                mask &= options[:, index] != number
        if dimension.name in line.locked:
            mask &= options[:, index] == dimension.options.index(line.approach[dimension.name])
        for option in line.exclude.get(dimension.name, []):
            mask &= options[:, index] != dimension.options.index(option)
    return mask


def _locked(ask: Ask, approaches: Approaches) -> list[str]:
    """Dimensions whose lock held; one on an option that the request ruled out did not."""
    locked: list[str] = []
    first = 0
    for dimension, preference in zip(approaches.dimensions, ask.preferences, strict=False):
        if preference and preference.locked and not ask.excluded >> (first + preference.option) & 1:
            locked.append(dimension.name)
        first += len(dimension.options)
    return locked


def signals_of(row: np.void) -> LogSignals:
    """What a row says."""
    told = rows.signals(row)
    start_ms = told.time_to_start_ms
    return LogSignals(
        started=told.started,
        completed=told.completed,
        time_to_start=None if start_ms is None else start_ms / 1000,
        flow_state=told.flow_state,
        satisfaction=told.satisfaction,
    )
