"""What a session allows now, and whom."""

from collections.abc import Sequence

from amp.errors import Forbidden, InvalidParameter
from amp.grading.types import EVENTS_MAX, EVENTS_OF_LOOP_MAX, SESSION_BYTES_MAX, Event, Session
from amp.tenancy import Access

BUSY = ("running", "rescheduling")
ANSWERS = {
    "user.tool_confirmation": "tool_use_id",
    "user.tool_result": "tool_use_id",
    "user.custom_tool_result": "custom_tool_use_id",
}
"""Events that answer a tool use, and the field that names it."""
_ENDS = frozenset({"user.interrupt", "span.model_request_end", "span.outcome_evaluation_end"})


def full(session: Session) -> bool:
    """Whether its agent may begin nothing more."""
    return session.seq >= EVENTS_OF_LOOP_MAX or session.bytes >= SESSION_BYTES_MAX


def fit(session: Session, events: Sequence[Event], size: int) -> None:
    """Refuses what a session has no room for; what runs may always come to its end."""
    if session.state.status in BUSY and all(each["type"] in _ENDS for each in events):
        return
    if session.seq + len(events) > EVENTS_MAX:
        raise InvalidParameter("events", f"of a session may be at most {EVENTS_MAX}; begin another session")
    if session.bytes + size > SESSION_BYTES_MAX:
        told = f"of a session may have at most {SESSION_BYTES_MAX >> 20} MiB together; begin another session"
        raise InvalidParameter("events", told)


def permit(access: Access, session: Session, *, by_worker: bool) -> None:
    """Only a worker of the session's environment says what agents and graders say; users say the rest."""
    if by_worker:
        if not access.has("worker") or access.environment != session.head.environment_id:
            raise Forbidden(
                "Only a worker's key of this environment may post this.", details={"scope": "worker"}
            )
    else:
        access.require("sessions")


def at_rest(session: Session, verb: str) -> None:
    if session.state.status in BUSY:
        raise InvalidParameter(
            "session_id", f"a session that is {session.state.status} cannot be {verb}; interrupt it"
        )
