"""Any service that speaks OpenAI's chat completions: hosted ones, vLLM, Ollama, LiteLLM."""

from contextlib import suppress
from typing import Any, cast

import httpx
import msgspec

from amp.grading.model import TOKENS_MAX, Answer, Ask, garbled, post, tokens
from amp.grading.transcript import Line, ToolCall
from amp.grading.types import Usage


class OpenAIModel:
    """A model by its name at `base_url`, which ends where `/chat/completions` begins."""

    def __init__(self, client: httpx.AsyncClient, base_url: str, api_key: str | None, name: str) -> None:
        self._client = client
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"content-type": "application/json"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"
        self._name = name

    async def complete(self, ask: Ask) -> Answer:
        body: dict[str, Any] = {
            "model": self._name,
            "max_tokens": TOKENS_MAX,
            "messages": [{"role": "system", "content": ask.system}, *map(_message, ask.lines)],
        }
        if ask.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": each.name,
                        "description": each.description,
                        "parameters": each.schema,
                    },
                }
                for each in ask.tools
            ]
        answer = await post(self._client, self._url, self._headers, body)
        try:
            message = answer["choices"][0]["message"]
            text = message.get("content") or ""
            calls = [_call(each) for each in message.get("tool_calls") or ()]
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise garbled(self._url, "no choices[0].message") from error
        if not isinstance(text, str) or not (text or calls):
            raise garbled(self._url, "neither text nor tool calls")
        return Answer(text, calls, _usage(answer.get("usage")))


def _message(line: Line) -> dict[str, Any]:
    if line.role == "tool":
        return {"role": "tool", "tool_call_id": line.call, "content": line.text}
    if not line.calls:
        return {"role": line.role, "content": line.text}
    calls = [
        {
            "id": each.id,
            "type": "function",
            "function": {"name": each.name, "arguments": msgspec.json.encode(each.input).decode()},
        }
        for each in line.calls
    ]
    return {"role": "assistant", "content": line.text or None, "tool_calls": calls}


def _call(given: Any) -> ToolCall:
    """A call; arguments that are no JSON object go on as one that no tool takes, and the model is told so."""
    function = given["function"]
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        with suppress(msgspec.DecodeError, RecursionError):
            arguments = msgspec.json.decode(arguments or "{}")
    if not isinstance(arguments, dict):
        arguments = {"not_an_object": str(cast("object", arguments))[:1000]}
    return ToolCall(str(given.get("id") or ""), str(function["name"]), cast("dict[str, Any]", arguments))


def _usage(told: Any) -> Usage:
    details = cast("dict[str, Any]", told).get("prompt_tokens_details") if isinstance(told, dict) else None
    cached = tokens(details, "cached_tokens")
    return Usage(max(tokens(told, "prompt_tokens") - cached, 0), tokens(told, "completion_tokens"), 0, cached)
