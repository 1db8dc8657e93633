"""What a difference says, in a sentence."""

import math
from collections.abc import Sequence

from amp.learning.lift import USERS_MIN, Difference, Lift

NO_OUTCOMES = "no outcomes yet"
NOT_YET = "no effect shown yet"


def of_rate(difference: Difference | None, what: str) -> str:
    """Of values between 0 and 1, in points of a hundred."""
    if difference is None or not difference.shown:
        return NOT_YET
    return f"learned users do {_better(difference.low > 0.0)}: {_points(difference)} of {what}"


def of_time(difference: Difference | None) -> str:
    """Of log seconds, as a share of the time."""
    if difference is None or not difference.shown:
        return NOT_YET
    return f"learned users start {_time(difference)}"


def overall(lift: Lift) -> str:
    """The verdict: by reward, what learning is for; then the others in turn, as long as each is shown.

    Judged in this order, all that it claims is wrong in at most alpha of the cases together.
    """
    if not lift.learned_users and not lift.control_users:
        return NO_OUTCOMES
    reward = lift.reward
    if reward is None or not reward.shown:
        return NOT_YET
    told = [f"{_points(reward)} of reward"]
    for difference, what in ((lift.completion_rate, "completion"), (lift.start_rate, "starts")):
        if difference is None or not difference.shown:
            return _sentence(reward, told)
        told.append(f"{_points(difference)} of {what}")
    if lift.time_to_start is not None and lift.time_to_start.shown:
        told.append(f"starting {_time(lift.time_to_start)}")
    return _sentence(reward, told)


def why_not(lift: Lift, control_share: float) -> str | None:
    """Why nothing can be said yet; None when something can, shown or not."""
    if lift.reward is not None or not (lift.learned_users or lift.control_users):
        return None
    if not lift.control_users and not control_share:
        return "there is no control group: the control share is 0, and test keys have none"
    short = [
        f"{name} has {count} of the {USERS_MIN} users that each group needs"
        for name, count in (
            ("the learned group", lift.learned_users),
            ("the control group", lift.control_users),
        )
        if count < USERS_MIN
    ]
    return ", ".join(short)


def ratio(log: float) -> float:
    """A difference of logs as a relative change: -0.2 is a fifth less."""
    return math.expm1(log)


def _sentence(reward: Difference, told: Sequence[str]) -> str:
    return f"learned users do {_better(reward.low > 0.0)}: " + ", ".join(told)


def _better(higher: bool) -> str:
    return "better" if higher else "worse"


def _points(difference: Difference) -> str:
    return f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f} points"


def _time(difference: Difference) -> str:
    low, high = sorted(abs(ratio(bound)) for bound in (difference.low, difference.high))
    return f"{low:.0%} to {high:.0%} {'sooner' if difference.high < 0.0 else 'later'}"
