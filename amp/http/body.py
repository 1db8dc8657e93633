"""From the bytes of a request to a typed value, or to a refusal that names the field."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from amp.errors import InvalidInput, InvalidParameter, PayloadTooLarge
from amp.parse import NO_NUMBER, NUMBER

BODY_BYTES_MAX = 64 * 1024
BATCH_BYTES_MAX = 1024 * 1024

Value = TypeVar("Value")
# The field of the body and the place in it; what lies in metadata has the caller's own names.
_PATH = re.compile(r" - at `\$\.?(metadata(?=[.\[`])|[^`]*)[^`]*`$")
_Number = float | Annotated[str, msgspec.Meta(pattern=NUMBER)]
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
        return _read(body, decoder)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), refusals) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise no_json() from error
    except RecursionError as error:
        raise InvalidParameter("body", "is nested too deeply") from error


def _read(body: bytes | msgspec.Raw, decoder: "msgspec.json.Decoder[Value]") -> Value:
    value = decoder.decode(body)
    numbers = _numbers(decoder.type)
    if numbers is not None:
        numbers.decode(body)
    return value


@lru_cache(maxsize=256)
def _numbers(kind: Any) -> "msgspec.json.Decoder[Any] | None":
    """Reads a body's exact numbers again: they may be text, but only in plain digits; None without any.

    A decoder takes for a Decimal whatever text Python does, and the number no longer tells.
    """
    like = _like(kind)
    return None if like is None else msgspec.json.Decoder(like)


def _like(kind: Any) -> Any:
    """The type with nothing in it but its exact numbers; None without any."""
    if kind is Decimal:
        return _Number
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        found = [(each, _like(each.type)) for each in msgspec.structs.fields(kind)]
        fields = [
            (each.name, like | None, msgspec.field(name=each.encode_name, default=None))
            for each, like in found
            if like is not None
        ]
        return msgspec.defstruct(kind.__name__, fields) if fields else None
    parts = [like for each in get_args(kind) if (like := _like(each)) is not None]
    if not parts:
        return None
    return list[parts[0]] if get_origin(kind) is list else parts[0]


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
    if repr(NUMBER) in message or message.startswith("Invalid decimal"):
        return NO_NUMBER
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
