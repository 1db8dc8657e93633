"""The words under which a session is listed: what it does, and what its newest outcome has come to."""

from typing import get_args

from amp.grading.types import Result, State, Status

STATUSES: tuple[Status, ...] = get_args(Status)
RESULTS: tuple[Result, ...] = get_args(Result)
OF_OUTCOME = "outcome."


def words_of(state: State) -> list[str]:
    """The status first, then the result of the newest outcome if there is one."""
    told: list[str] = [state.status]
    return [*told, OF_OUTCOME + state.outcomes[-1].result] if state.outcomes else told
