"""What a request says to the fake server, judged as the contract judges it. Contract: amp.md.

The same tests run against this and against the real service, so that the two cannot drift apart.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType

from amp.errors import (
    InvalidInput,
    InvalidParameter,
    InvalidPreference,
    InvalidTask,
    InvalidUserId,
    PayloadTooLarge,
)

Value = TypeVar("Value")
Preference = str | UnsetType | None

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "suggestedFraming": ("achievement", "learning", "micro_task", "challenge"),
    "communicationStyle": ("brief_directive", "detailed_explanatory", "conversational", "technical"),
    "complexity": ("full_solution", "break_into_steps", "hints_only", "high_level"),
    "encouragement": ("high", "moderate", "minimal", "none"),
}
PREFERENCES = {
    "preferredFraming": "suggestedFraming",
    "communicationStyle": "communicationStyle",
    "complexityPreference": "complexity",
    "encouragementLevel": "encouragement",
}
BODY_BYTES, BATCH_BYTES, BATCH_ITEMS = 64 << 10, 1 << 20, 100
METADATA_BYTES, METADATA_DEPTH = 4096, 32

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PATH = re.compile(r" - at `\$\.?(metadata(?=[.\[`])|[^`]*)[^`]*`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_REFUSALS: dict[str, type[InvalidInput]] = {
    "userId": InvalidUserId,
    "task": InvalidTask,
    **dict.fromkeys(PREFERENCES, InvalidPreference),
}


class Asked(Struct, rename="camel"):
    user_id: str
    task: str
    complexity: Literal["low", "medium", "high"] | None = None
    task_type: str | None = None
    metadata: dict[str, Any] | None = None
    exclude: dict[str, list[str]] | None = None


class Reported(Struct, rename="camel"):
    request_id: str
    started: bool
    completed: bool | None = None
    time_to_start: float | None = None
    final: bool | None = None
    step: int | None = None
    flow_state: bool | None = None
    satisfaction: float | None = None
    metadata: dict[str, Any] | None = None


class Changed(Struct, rename="camel"):
    preferred_framing: Preference = UNSET
    communication_style: Preference = UNSET
    complexity_preference: Preference = UNSET
    encouragement_level: Preference = UNSET
    metadata: dict[str, Any] | None = None
    lock: bool | None = None


class Items(Struct):
    items: list[msgspec.Raw]


def parse(body: bytes, kind: type[Value]) -> Value:
    """The body as this type.

    Raises:
        InvalidInput: the field is named.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidParameter("body", "must be a JSON object in UTF-8") from error
    except RecursionError as error:
        raise InvalidParameter("body", "is nested too deeply") from error


def sized(body: bytes, limit: int) -> bytes:
    """The body.

    Raises:
        PayloadTooLarge: it has more bytes.
    """
    if len(body) > limit:
        raise PayloadTooLarge(f"The body is too large: at most {limit} bytes.")
    return body


def batch(body: bytes) -> list[bytes]:
    """The items of a batch; raises as `parse` does."""
    items = parse(sized(body, BATCH_BYTES), Items).items
    if len(items) > BATCH_ITEMS:
        raise InvalidParameter("items", f"may have at most {BATCH_ITEMS} items")
    return [bytes(item) for item in items]


def user_id(raw: str) -> str:
    user = raw.strip()
    if not user or len(user) > 256:
        raise InvalidUserId("userId", "must have 1 to 256 characters")
    if _CONTROL.search(user):
        raise InvalidUserId("userId", "must not contain control characters")
    return user


def asked(body: bytes) -> Asked:
    """A context request; raises as `parse` does."""
    ask = parse(body, Asked)
    ask.user_id = user_id(ask.user_id)
    if not 0 < len(ask.task) <= 8192:
        raise InvalidTask("task", "must have 1 to 8192 characters")
    ask.task_type = (ask.task_type or "").strip().lower()
    if len(ask.task_type) > 64:
        raise InvalidParameter("taskType", "must have at most 64 characters")
    metadata(ask.metadata)
    for name, out in (ask.exclude or {}).items():
        if name not in DIMENSIONS:
            raise InvalidParameter("exclude", f"{name!r} is no dimension; there are {', '.join(DIMENSIONS)}")
        if strangers := set(out) - set(DIMENSIONS[name]):
            known = ", ".join(DIMENSIONS[name])
            raise InvalidParameter("exclude", f"{min(strangers)!r} is no {name}; there are {known}")
        if set(out) >= set(DIMENSIONS[name]):
            raise InvalidParameter("exclude", f"must leave at least one {name}")
    return ask


def reported(body: bytes) -> Reported:
    """A report; raises as `parse` does."""
    report = parse(body, Reported)
    if report.completed and not report.started:
        raise InvalidParameter("completed", "cannot be true when started is false")
    if report.time_to_start is not None and not report.time_to_start >= 0:
        raise InvalidParameter("timeToStart", "must be 0 or more seconds")
    if report.satisfaction is not None and not 0 <= report.satisfaction <= 1:
        raise InvalidParameter("satisfaction", "must be between 0 and 1")
    if not 0 <= (report.step or 0) <= 255:
        raise InvalidParameter("step", "must be 0 to 255")
    metadata(report.metadata)
    return report


def changed(body: bytes) -> tuple[Changed, dict[str, str | None]]:
    """A profile's update, and its preferences by the contract's names; raises as `parse` does."""
    change = parse(body, Changed)
    metadata(change.metadata)
    said: dict[str, str | None] = {}
    for field, name in zip(msgspec.structs.fields(change), PREFERENCES, strict=False):
        option: Preference = getattr(change, field.name)
        if isinstance(option, UnsetType):
            continue
        known = DIMENSIONS[PREFERENCES[name]]
        if option is not None and option not in known:
            raise InvalidPreference(name, f"must be one of {', '.join(known)}")
        said[name] = option
    return change, said


def metadata(said: Mapping[str, Any] | None) -> bytes:
    """As compact sorted JSON; raises InvalidParameter over 4 KiB or 32 levels."""
    if not said:
        return b""
    if _deeper(said, METADATA_DEPTH):
        raise InvalidParameter("metadata", f"may be nested at most {METADATA_DEPTH} levels deep")
    encoded = msgspec.json.encode(said, order="sorted")
    if len(encoded) > METADATA_BYTES:
        raise InvalidParameter("metadata", f"must have at most {METADATA_BYTES} bytes as JSON")
    return encoded


def _deeper(value: Any, levels: int) -> bool:
    inside: list[Any] = []
    if isinstance(value, dict):
        inside = list(cast("dict[str, Any]", value).values())
    elif isinstance(value, list):
        inside = cast("list[Any]", value)
    else:
        return False
    return not levels or any(_deeper(each, levels - 1) for each in inside)


def _refusal(message: str) -> InvalidInput:
    path, missing = _PATH.search(message), _MISSING.search(message)
    where = path.group(1) if path else ""
    if missing:
        field, reason = f"{where}.{missing.group(1)}".strip("."), "is required"
    else:
        told = message[: path.start()] if path else message
        field, reason = where or "body", told[:1].lower() + told[1:]
    return _REFUSALS.get(re.split(r"[.\[]", field)[0], InvalidParameter)(field, reason)
