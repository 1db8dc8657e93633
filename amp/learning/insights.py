"""What is measured of a tenant, as the API tells it: GET /v1/insights/lift and /v1/insights/reporting.

Names are the wire's in camelCase. Shares and rewards lie between 0 and 1.
"""

from typing import Literal

from msgspec import Struct

Metric = Literal["reward", "start", "completion", "timeToStart"]


class NeededReply(Struct, rename="camel"):
    """Users still to come: until anything can be said, or until the estimate, if it is so, is shown."""

    learned: int
    control: int


class DifferenceReply(Struct, rename="camel"):
    """Learned against control in one measure.

    Of `timeToStart` the groups' values are geometric means in seconds, and the difference is relative:
    -0.2 is a fifth less time.
    """

    metric: Metric
    learned: float | None
    control: float | None
    difference: float | None
    low: float | None
    high: float | None
    shown: bool
    """The interval leaves out 0."""
    verdict: str
    learned_users: int
    control_users: int
    users_needed: NeededReply | None
    """Null when it is shown, or when no crowd would settle it."""


class PlaceReply(Struct, rename="camel"):
    """Learned against control in one phase or task type, in reward."""

    by: Literal["phase", "taskType"]
    name: str | None
    """Empty: no task type was told. Null: a type whose users told more of them than are named."""
    learned_users: int
    control_users: int
    learned: float | None
    control: float | None
    difference: float | None
    low: float | None
    high: float | None
    alpha: float
    """How often the interval may miss the truth; all places together with at most the answer's alpha."""
    shown: bool
    verdict: str


class WarningReply(Struct):
    """What to know before believing what was learned."""

    code: str
    says: str
    do: str


class LeftOutReply(Struct, rename="camel"):
    """Users of neither group."""

    with_preference: int
    in_both_groups: int


class LiftReply(Struct, rename="camel"):
    """GET /v1/insights/lift."""

    verdict: str
    reason: str | None
    """Why nothing can be said yet."""
    computed_at: str | None
    """Null: not yet."""
    alpha: float
    outcomes: int
    """Reports with an effect, as many as the log ever took."""
    users_known: int
    users_seen: int
    """Fewer than are known when they are sampled."""
    sampled: bool
    learned_users: int
    control_users: int
    left_out: LeftOutReply
    differences: list[DifferenceReply]
    where: list[PlaceReply]
    warnings: list[WarningReply]


class RateReply(Struct):
    """Decisions, and how many of them were reported."""

    decided: int
    reported: int
    rate: float | None


class DayReply(Struct, rename="camel"):
    """Decisions of one UTC day."""

    day: str
    window_open: bool
    """Outcomes of it may still come."""
    learned: RateReply
    control: RateReply


class OptionReply(Struct, rename="camel"):
    """Decisions that showed one option."""

    dimension: str
    option: str
    decided: int
    reported: int
    rate: float | None
    mean_reward: float | None
    """Of what was reported."""
    control: RateReply
    """The control group's part of these decisions."""


class ReportingReply(Struct, rename="camel"):
    """GET /v1/insights/reporting."""

    computed_at: str | None
    """Null: not yet."""
    window_open: bool
    """The totals hold days whose outcomes may still come, because no day is over yet."""
    all: RateReply
    learned: RateReply
    control: RateReply
    by_day: list[DayReply]
    by_option: list[OptionReply]
    warnings: list[WarningReply]


class Snapshot(Struct):
    """What is kept of one measurement."""

    lift: LiftReply
    reporting: ReportingReply


def nothing_yet() -> Snapshot:
    """Before the first measurement."""
    none = RateReply(0, 0, None)
    return Snapshot(
        LiftReply(
            verdict="no outcomes yet",
            reason=None,
            computed_at=None,
            alpha=0.05,
            outcomes=0,
            users_known=0,
            users_seen=0,
            sampled=False,
            learned_users=0,
            control_users=0,
            left_out=LeftOutReply(0, 0),
            differences=[],
            where=[],
            warnings=[],
        ),
        ReportingReply(None, True, none, none, none, [], [], []),
    )
