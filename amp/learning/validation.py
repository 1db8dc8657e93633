"""Which requests are good, and what they mean: trimmed, bounded, in the units of a row.

Contract: amp.md, the rules of each field.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, cast

import msgspec

from amp.errors import InvalidInput, InvalidParameter, InvalidPreference, InvalidTask, InvalidUserId
from amp.learning.approaches import Approaches
from amp.learning.types import LEVELS, Signals
from amp.learning.wire import OutcomeReport

USER_LENGTH_MAX = 256
TASK_LENGTH_MAX = 8192
TASK_TYPE_LENGTH_MAX = 64
METADATA_BYTES_MAX = 4096
METADATA_DEPTH_MAX = 32
"""Objects and lists inside each other: what is kept is read back inside an answer, which is deeper still."""
START_TIME_S_MAX = 1e9
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")

REFUSALS: dict[str, type[InvalidInput]] = {
    "userId": InvalidUserId,
    "task": InvalidTask,
    "preferredFraming": InvalidPreference,
    "communicationStyle": InvalidPreference,
    "complexityPreference": InvalidPreference,
    "encouragementLevel": InvalidPreference,
}
"""Fields whose refusal has a code of its own; every other is INVALID_PARAMETER."""


def user_id(raw: str) -> str:
    """The user that an id means.

    Raises:
        InvalidUserId: empty, too long, or with control characters.
    """
    user = raw.strip()
    if not user:
        raise InvalidUserId("userId", "must not be empty")
    if len(user) > USER_LENGTH_MAX:
        raise InvalidUserId("userId", f"must have at most {USER_LENGTH_MAX} characters")
    if _CONTROL_CHARACTER.search(user):
        raise InvalidUserId("userId", "must not contain control characters")
    return user


def check_task(task: str) -> None:
    """Raises `InvalidTask` unless the task has 1 to `TASK_LENGTH_MAX` characters."""
    if not task:
        raise InvalidTask("task", "must not be empty")
    if len(task) > TASK_LENGTH_MAX:
        raise InvalidTask("task", f"must have at most {TASK_LENGTH_MAX} characters")


def task_type(raw: str | None) -> str:
    """The task type as it is compared; '' is none.

    Raises:
        InvalidParameter: too long.
    """
    name = (raw or "").strip().lower()
    if len(name) > TASK_TYPE_LENGTH_MAX:
        raise InvalidParameter("taskType", f"must have at most {TASK_TYPE_LENGTH_MAX} characters")
    return name


def level(complexity: str | None) -> int:
    """The number that a row keeps for the request's complexity."""
    return LEVELS.index(complexity or "")


def excluded(exclude: Mapping[str, Sequence[str]] | None, approaches: Approaches) -> int:
    """The options that a request rules out, a bit each, numbered over all dimensions.

    Raises:
        InvalidParameter: no such dimension or option, or nothing is left of a dimension.
    """
    mask, known = 0, {dimension.name: dimension for dimension in approaches.dimensions}
    for name in exclude or {}:
        if name not in known:
            raise InvalidParameter("exclude", f"{name!r} is no dimension; there are {', '.join(known)}")
    first = 0
    for name, dimension in known.items():
        out = set((exclude or {}).get(name, ()))
        if strangers := out.difference(dimension.options):
            allowed = ", ".join(dimension.options)
            raise InvalidParameter("exclude", f"{min(strangers)!r} is no {name}; there are {allowed}")
        if out.issuperset(dimension.options[number] for number in dimension.offered):
            raise InvalidParameter("exclude", f"must leave at least one {name}")
        mask |= sum(1 << (first + dimension.options.index(option)) for option in out)
        first += len(dimension.options)
    return mask


def canonical_metadata(metadata: dict[str, Any] | None) -> bytes:
    """The metadata as compact JSON with sorted keys; b'' when there is none.

    Raises:
        InvalidParameter: over 4 KiB, or nested too deeply.
    """
    if not metadata:
        return b""
    try:
        encoded = msgspec.json.encode(metadata, order="sorted")
    except RecursionError as error:
        raise _too_deep() from error
    brackets = encoded.count(b"{") + encoded.count(b"[")  # much faster than the walk, and nearly always few
    if brackets > METADATA_DEPTH_MAX and _nested_deeper(metadata, METADATA_DEPTH_MAX):
        raise _too_deep()
    if len(encoded) > METADATA_BYTES_MAX:
        raise InvalidParameter("metadata", f"must have at most {METADATA_BYTES_MAX} bytes as JSON")
    return encoded


def _too_deep() -> InvalidParameter:
    return InvalidParameter("metadata", f"may be nested at most {METADATA_DEPTH_MAX} levels deep")


def _nested_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        inside = cast("dict[str, Any]", value).values()
    elif isinstance(value, list):
        inside = cast("list[Any]", value)
    else:
        return False
    return not levels or any(_nested_deeper(each, levels - 1) for each in inside)


def signals(report: OutcomeReport) -> Signals:
    """What the report says, in the units of a row.

    Raises:
        InvalidParameter: a value out of its range, or signals that contradict each other.
    """
    if report.completed and not report.started:
        raise InvalidParameter("completed", "cannot be true when started is false")
    seconds, satisfaction = report.time_to_start, report.satisfaction
    if seconds is not None and not seconds >= 0:
        raise InvalidParameter("timeToStart", "must be 0 or more seconds")
    if satisfaction is not None and not 0 <= satisfaction <= 1:
        raise InvalidParameter("satisfaction", "must be between 0 and 1")
    return Signals(
        started=report.started,
        completed=report.completed,
        time_to_start_ms=None if seconds is None else round(min(seconds, START_TIME_S_MAX) * 1000),
        flow_state=report.flow_state,
        satisfaction=satisfaction,
    )


def step(report: OutcomeReport) -> int:
    """Where a staged report stands among those of its request.

    Raises:
        InvalidParameter: not 0 to 255.
    """
    number = report.step or 0
    if not 0 <= number <= 255:
        raise InvalidParameter("step", "must be 0 to 255")
    return number


def fingerprint(report: OutcomeReport, metadata: bytes) -> bytes:
    """Six bytes that tell a retry from a different second report: of the known fields, not of the bytes."""
    known = (
        report.started,
        report.completed,
        _unsigned_zero(report.time_to_start),
        report.flow_state,
        _unsigned_zero(report.satisfaction),
        report.final is not False,
        report.step or 0,
        metadata,
    )
    return blake2b(msgspec.json.encode(known), digest_size=6).digest()


def _unsigned_zero(number: float | None) -> float | None:
    """-0.0 equals 0.0, but JSON writes them differently; their sum is 0.0."""
    return None if number is None else number + 0.0
