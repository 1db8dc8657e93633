"""From the bytes of a request to a typed value, or to a refusal that names the field."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from amp.errors import InvalidInput, InvalidParameter, PayloadTooLarge

BODY_BYTES_MAX = 64 * 1024
BATCH_BYTES_MAX = 1024 * 1024

Value = TypeVar("Value")
# The field of the body and the place in it; what lies in metadata has the caller's own names.
_PATH = re.compile(r" - at `\$\.?(metadata(?=[.\[`])|[^`]*)[^`]*`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")


def parse(
    body: bytes | msgspec.Raw,
    decoder: "msgspec.json.Decoder[Value]",
    refusals: Mapping[str, type[InvalidInput]],
) -> Value:
    """The body as the decoder's type.

    Raises:
        InvalidInput: not JSON, not an object, a field missing or of a wrong type; with the class that
            `refusals` has for the field, else InvalidParameter.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), refusals) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise no_json() from error
    except RecursionError as error:
        raise InvalidParameter("body", "is nested too deeply") from error


def _refusal(message: str, refusals: Mapping[str, type[InvalidInput]]) -> InvalidInput:
    path = _PATH.search(message)
    missing = _MISSING.search(message)
    where = path.group(1) if path else ""
    if missing:
        field, reason = f"{where}.{missing.group(1)}".strip("."), "is required"
    else:
        field, reason = where or "body", _reason(message[: path.start()] if path else message)
    return refusals.get(re.split(r"[.\[]", field)[0], InvalidParameter)(field, reason)


def _reason(message: str) -> str:
    """The words of msgspec, as the end of a sentence that begins with the field."""
    return message[:1].lower() + message[1:]


def no_json() -> InvalidParameter:
    """The refusal of a body that cannot be read at all."""
    return InvalidParameter("body", "must be a JSON object in UTF-8")


def too_large() -> PayloadTooLarge:
    """The refusal of a body over its limit, whatever is in it."""
    return PayloadTooLarge(
        f"The body is too large: at most {BODY_BYTES_MAX} bytes, {BATCH_BYTES_MAX} in a batch."
    )


def encoded(value: Any) -> bytes:
    """The value as JSON."""
    return msgspec.json.encode(value)
