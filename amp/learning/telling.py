"""From what was summed and counted to what the API tells of it."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from amp.learning import verdict
from amp.learning.approaches import Approaches
from amp.learning.insights import (
    DayReply,
    DifferenceReply,
    LeftOutReply,
    LiftReply,
    Metric,
    NeededReply,
    OptionReply,
    PlaceReply,
    RateReply,
    ReportingReply,
    Snapshot,
    WarningReply,
)
from amp.learning.lift import ALPHA, USERS_MIN, Difference, Lift, Needed, compare
from amp.learning.reporting import Counted, Rate, together, warnings
from amp.learning.sums import Sums
from amp.learning.types import PHASES
from amp.learning.where import Place, places

DAY_MS = 86_400_000


class Occasion(NamedTuple):
    """What a measurement is of, beside the users and the counts."""

    computed_at: str
    now_ms: int
    window_ms: int
    outcomes: int
    users_known: int
    users_seen: int
    control_share: float
    approaches: Approaches
    task_names: Mapping[int, str]


def told(sums: Sums, days: Mapping[int, Counted], of: Occasion) -> Snapshot:
    """Everything; `days` are counts by UTC day since 1970."""
    counted, closed = _totals(days, of)
    warned = [
        WarningReply(*each)
        for each in warnings(counted, closed, sums.reports, _mean_rewards(sums, of.approaches))
    ]
    return Snapshot(_lift(sums, of, warned), _reporting(sums, days, of, warned))


def _totals(days: Mapping[int, Counted], of: Occasion) -> tuple[Counted, Counted]:
    """Of the days whose window has passed, or of all when none has; and of those days alone."""
    closed = together([counted for day, counted in days.items() if not _is_open(day, of)])
    return closed if closed.all.decided else together(list(days.values())), closed


def _is_open(day: int, of: Occasion) -> bool:
    return (day + 1) * DAY_MS + of.window_ms > of.now_ms


def _lift(sums: Sums, of: Occasion, warned: list[WarningReply]) -> LiftReply:
    lift = compare(sums.sums, sums.numbers, sums.control)
    timed = sums.numbers[:, 3] > 0
    told_time = int(np.sum(timed & ~sums.control)), int(np.sum(timed & sums.control))
    return LiftReply(
        verdict=verdict.overall(lift),
        reason=verdict.why_not(lift, of.control_share),
        computed_at=of.computed_at,
        alpha=ALPHA,
        outcomes=of.outcomes,
        users_known=of.users_known,
        users_seen=of.users_seen,
        sampled=of.users_seen < of.users_known,
        learned_users=lift.learned_users,
        control_users=lift.control_users,
        left_out=LeftOutReply(sums.preferring, sums.mixed),
        differences=_differences(lift, told_time),
        where=[_place(each, of.task_names) for each in places(sums)],
        warnings=warned,
    )


def _differences(lift: Lift, told_time: tuple[int, int]) -> list[DifferenceReply]:
    """`told_time` users (learned, control) told a time to start."""
    rates: tuple[tuple[Metric, Difference | None, str], ...] = (
        ("reward", lift.reward, "reward"),
        ("start", lift.start_rate, "starts"),
        ("completion", lift.completion_rate, "completion"),
    )
    users = lift.learned_users, lift.control_users
    told = [_difference(metric, each, verdict.of_rate(each, what), users) for metric, each, what in rates]
    return [*told, _time(lift.time_to_start, told_time)]


def _difference(
    metric: Metric, of: Difference | None, sentence: str, users: tuple[int, int]
) -> DifferenceReply:
    needed = of.needed if of else Needed(*(max(0, USERS_MIN - count) for count in users))
    return DifferenceReply(
        metric,
        of and of.learned,
        of and of.control,
        of and of.estimate,
        of and of.low,
        of and of.high,
        of is not None and of.shown,
        sentence,
        *users,
        needed and NeededReply(*needed),
    )


def _time(of: Difference | None, users: tuple[int, int]) -> DifferenceReply:
    reply = _difference("timeToStart", of, verdict.of_time(of), users)
    if of is not None:
        reply.learned, reply.control = math.exp(of.learned), math.exp(of.control)
        reply.difference, reply.low, reply.high = map(verdict.ratio, (of.estimate, of.low, of.high))
    return reply


def _place(place: Place, task_names: Mapping[int, str]) -> PlaceReply:
    of = place.reward
    name = PHASES[place.phase] if place.by == "phase" else task_names.get(place.task) if place.task else ""
    return PlaceReply(
        place.by,
        name,
        *place.users,
        of and of.learned,
        of and of.control,
        of and of.estimate,
        of and of.low,
        of and of.high,
        place.alpha,
        shown=of is not None and of.shown,
        verdict=verdict.of_rate(of, "reward"),
    )


def _reporting(
    sums: Sums, days: Mapping[int, Counted], of: Occasion, warned: list[WarningReply]
) -> ReportingReply:
    counted, closed = _totals(days, of)
    rewards = _mean_rewards(sums, of.approaches)
    return ReportingReply(
        of.computed_at,
        not closed.all.decided,
        _rate(counted.all),
        _rate(counted.learned),
        _rate(counted.control),
        [
            DayReply(
                str(np.datetime64(day, "D")), _is_open(day, of), _rate(each.learned), _rate(each.control)
            )
            for day, each in sorted(days.items())
        ],
        [
            OptionReply(
                dimension,
                option,
                rate.decided,
                rate.reported,
                rate.rate,
                rewards.get(dimension, {}).get(option),
                _rate(counted.control_options.get(dimension, {}).get(option, Rate())),
            )
            for dimension, shown in counted.options.items()
            for option, rate in shown.items()
        ],
        warned,
    )


def _rate(of: Rate) -> RateReply:
    return RateReply(of.decided, of.reported, of.rate)


def _mean_rewards(sums: Sums, approaches: Approaches) -> dict[str, dict[str, float]]:
    """Of what was reported, by dimension and option."""
    means: dict[str, dict[str, float]] = {}
    for index, dimension in enumerate(approaches.dimensions):
        option = approaches.options_at[:, index]
        has = option >= 0
        worth, number = (
            np.bincount(option[has], each[has], minlength=len(dimension.options)) for each in sums.by_point
        )
        means[dimension.name] = {
            name: float(worth[at] / number[at]) for at, name in enumerate(dimension.options) if number[at]
        }
    return means
