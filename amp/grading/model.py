"""What both model services have in common: a question, an answer, and one way to be asked over HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import httpx
import msgspec

from amp.grading.draft import Trouble
from amp.grading.patience import MayPass, RoleBroke
from amp.grading.tools import Tool
from amp.grading.transcript import Line, ToolCall
from amp.grading.types import Usage

TOKENS_MAX = 8192
"""Of one answer."""
_BODY_BYTES_MAX = 16 << 20
_TRANSIENT = frozenset({408, 409, 425, 429, 529})
_OVERLOADED = frozenset({503, 529})
_KEYS = frozenset({"authorization", "x-api-key"})


class Ask(NamedTuple):
    """A question to a model."""

    system: str
    lines: Sequence[Line]
    tools: Sequence[Tool] = ()


class Answer(NamedTuple):
    """What it says, and which tools it wants to use."""

    text: str
    calls: Sequence[ToolCall] = ()
    usage: Usage = Usage()


class Model(Protocol):
    """A model of some service."""

    async def complete(self, ask: Ask) -> Answer:
        """One answer, asked for once.

        Raises:
            MayPass: there is none now.
            RoleBroke: there will be none.
        """
        ...


async def post(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON object that a service answers with.

    Raises:
        MayPass: no answer, an error that may pass, or one that is no JSON.
        RoleBroke: the service refuses the request itself.
    """
    try:
        answer = await client.post(url, headers=dict(headers), content=msgspec.json.encode(body))
    except httpx.TimeoutException as error:
        raise _may_pass("model_request_failed_error", f"{_host(url)} did not answer in time") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _may_pass("model_request_failed_error", f"{_host(url)} cannot be reached: {error}") from error
    if answer.status_code != 200:
        raise _refusal(url, headers, answer)
    return _object(url, answer.content)


def garbled(url: str, why: str) -> MayPass:
    """An answer that is not in the service's form."""
    return _may_pass("model_request_failed_error", f"{_host(url)} answered what is no answer: {why}")


def _object(url: str, content: bytes) -> dict[str, Any]:
    if len(content) > _BODY_BYTES_MAX:
        raise garbled(url, f"{len(content):,} bytes")
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise garbled(url, "no JSON") from error
    if not isinstance(value, dict):
        raise garbled(url, "no JSON object")
    return cast("dict[str, Any]", value)


def _refusal(url: str, headers: Mapping[str, str], answer: httpx.Response) -> RoleBroke:
    status, said = answer.status_code, answer.text[:4000]
    for name in _KEYS & headers.keys():  # a service may repeat it, and the session's owner reads this
        said = said.replace(headers[name].removeprefix("Bearer "), "[key]")
    said = " ".join(said[:300].split())
    message = f"{_host(url)} answered {status}: {said}"
    if status == 429:
        kind = "model_rate_limited_error"
    else:
        kind = "model_overloaded_error" if status in _OVERLOADED else "model_request_failed_error"
    if status in _TRANSIENT or status >= 500:
        return MayPass(Trouble(kind, message), _asked_s(answer.headers))
    return RoleBroke(Trouble(kind, message))


def _asked_s(headers: httpx.Headers) -> float | None:
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return None


def _may_pass(kind: str, message: str) -> MayPass:
    return MayPass(Trouble(kind, message))


def _host(url: str) -> str:
    parts = httpx.URL(url)
    return f"the model service at {parts.host}{f':{parts.port}' if parts.port else ''}"


def tokens(usage: Any, name: str) -> int:
    """A count that a service told; 0 when it did not."""
    value = cast("dict[str, Any]", usage).get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
