"""The calls of the contract: each a request, and how its reply is read.

Contract: amp.md. The values themselves are judged by the server; refused here is only what JSON cannot carry.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct, UnsetType

from amp.client.types import (
    Changes,
    Context,
    OutcomeReceipt,
    Posterior,
    Profile,
    approach_in,
    preferences_in,
)
from amp.client.wire import Call, Reply, Request, batch, decode
from amp.errors import AmpError, InvalidParameter, InvalidUserId, PayloadTooLarge

T = TypeVar("T")

BODY_BYTES = 64 << 10
_ENCODER = msgspec.json.Encoder(decimal_format="number")  # money as it is, never by way of a float


class _Ask(Struct, rename="camel", kw_only=True, omit_defaults=True):
    user_id: str
    task: str
    complexity: str | None = None
    task_type: str | None = None
    metadata: dict[str, Any] | None = None
    exclude: Mapping[str, Sequence[str]] | None = None


class _Outcome(Struct, rename="camel", kw_only=True, omit_defaults=True):
    request_id: str
    started: bool
    completed: bool | None = None
    time_to_start: float | None = None
    flow_state: bool | None = None
    satisfaction: float | None = None
    final: bool | None = None
    step: int | None = None
    metadata: dict[str, Any] | None = None


class _Changes(Struct, rename="camel", kw_only=True):
    preferred_framing: str | UnsetType | None = UNSET
    communication_style: str | UnsetType | None = UNSET
    complexity_preference: str | UnsetType | None = UNSET
    encouragement_level: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    lock: bool | UnsetType = UNSET


def ask_body(fields: Mapping[str, Any]) -> bytes:
    """The body of POST /v1/context.

    Raises:
        TypeError: a field is missing or unknown.
        AmpError: JSON cannot carry it, or it is over 64 KiB.
    """
    return _encoded(_Ask(**fields))


def outcome_body(fields: Mapping[str, Any]) -> bytes:
    """The body of POST /v1/outcome; raises as `ask_body` does."""
    body = _Outcome(**fields)
    _must_be_finite("timeToStart", body.time_to_start)
    _must_be_finite("satisfaction", body.satisfaction)
    return _encoded(body)


def context(body: bytes) -> Call[Context[Any]]:
    return Call(Request("POST", "/v1/context", body), lambda reply: _context(reply.body))


def outcome(body: bytes) -> Call[OutcomeReceipt]:
    def read(reply: Reply) -> OutcomeReceipt:
        receipt = decode(reply.body, OutcomeReceipt)
        replayed = reply.headers.get("idempotent-replay", "").lower() == "true"
        return OutcomeReceipt(receipt.success, receipt.message, replayed)

    return Call(Request("POST", "/v1/outcome", body), read)


def contexts(bodies: Sequence[bytes]) -> Call[list[Context[Any] | AmpError]]:
    return batch("/v1/context/batch", bodies, _context)


def outcomes(bodies: Sequence[bytes]) -> Call[list[OutcomeReceipt | AmpError]]:
    return batch("/v1/outcome/batch", bodies, lambda body: decode(body, OutcomeReceipt))


def update_profile(user_id: str, changes: Changes) -> Call[Profile]:
    said: dict[str, Any] = dict(changes)
    own = said.pop("preferences", None)
    body = _encoded(_Changes(**said), own)
    return Call(Request("PUT", _profile_path(user_id), body), lambda reply: _profile(reply.body))


def get_profile(user_id: str) -> Call[Profile]:
    return Call(Request("GET", _profile_path(user_id)), lambda reply: _profile(reply.body))


def delete_profile(user_id: str) -> Call[None]:
    return Call(Request("DELETE", _profile_path(user_id)), lambda _: None)


def export_profile(user_id: str) -> Call[dict[str, Any]]:
    request = Request("GET", _profile_path(user_id) + "/export")
    return Call(request, lambda reply: decode(reply.body, dict[str, Any]))


def get_posterior(user_id: str) -> Call[Posterior]:
    request = Request("GET", _profile_path(user_id) + "/posterior")
    return Call(request, lambda reply: decode(reply.body, Posterior))


def _context(body: bytes) -> Context[Any]:
    return decode(body, Context[Any]).of(approach_in(decode(body, dict[str, Any])))


def _profile(body: bytes) -> Profile:
    return decode(body, Profile).of(preferences_in(decode(body, dict[str, Any])))


def _profile_path(user_id: str) -> str:
    if not isinstance(user_id, str) or not user_id.strip():  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all typed
        raise InvalidUserId("userId", "must be a string that is not blank")
    try:
        # Dots too: as path segments, "." and ".." would be resolved on the way.
        return "/v1/profile/" + quote(user_id, safe="").replace(".", "%2E")
    except UnicodeEncodeError:
        raise InvalidUserId("userId", "must be text that UTF-8 can carry") from None


def _must_be_finite(field: str, number: float | None) -> None:
    # JSON has no NaN or infinity: encoded they would be null, which is "not said".
    if isinstance(number, float) and not math.isfinite(number):
        raise InvalidParameter(field, "must be a finite number")


def body(fields: Mapping[str, Any]) -> bytes:
    """Any body, as the wire's fields name it; raises as `ask_body` does."""
    return _encoded(fields)


def _encoded(body: Struct | Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> bytes:
    """As JSON, with the fields `beside` it."""
    try:
        encoded = _ENCODER.encode({**msgspec.to_builtins(body), **beside} if beside else body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidParameter("body", f"JSON cannot carry it: {error}") from error
    if len(encoded) > BODY_BYTES:
        raise PayloadTooLarge(f"The body has {len(encoded)} bytes; {BODY_BYTES} are allowed.")
    return encoded
