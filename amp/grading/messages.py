"""Anthropic's Messages API."""

from collections.abc import Iterable
from typing import Any

import httpx

from amp.grading.model import TOKENS_MAX, Answer, Ask, garbled, post, tokens
from amp.grading.transcript import Line, ToolCall
from amp.grading.types import Usage

BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"


class MessagesModel:
    """A model by its name."""

    def __init__(self, client: httpx.AsyncClient, base_url: str, api_key: str, name: str) -> None:
        self._client = client
        self._url = f"{base_url.rstrip('/')}/v1/messages"
        self._headers = {
            "content-type": "application/json",
            "anthropic-version": VERSION,
            "x-api-key": api_key,
        }
        self._name = name

    async def complete(self, ask: Ask) -> Answer:
        body: dict[str, Any] = {
            "model": self._name,
            "max_tokens": TOKENS_MAX,
            "system": ask.system,
            "messages": _joined(ask.lines),
        }
        if ask.tools:
            body["tools"] = [
                {"name": each.name, "description": each.description, "input_schema": each.schema}
                for each in ask.tools
            ]
        answer = await post(self._client, self._url, self._headers, body)
        try:
            blocks: list[Any] = list(answer["content"])
            text = "".join(each["text"] for each in blocks if each["type"] == "text")
            calls = [
                ToolCall(each["id"], each["name"], each["input"])
                for each in blocks
                if each["type"] == "tool_use"
            ]
        except (KeyError, TypeError) as error:
            raise garbled(self._url, "no content") from error
        if not (text or calls):
            raise garbled(self._url, "neither text nor tool calls")
        return Answer(text, calls, _usage(answer.get("usage")))


def _joined(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Messages whose roles alternate, as the service wants them."""
    messages: list[dict[str, Any]] = []
    for line in lines:
        role = "assistant" if line.role == "assistant" else "user"
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += _blocks(line)
        else:
            messages.append({"role": role, "content": _blocks(line)})
    return messages


def _blocks(line: Line) -> list[dict[str, Any]]:
    if line.role == "tool":
        return [
            {
                "type": "tool_result",
                "tool_use_id": line.call,
                "content": line.text,
                "is_error": line.is_error,
            }
        ]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": line.text}] if line.text.strip() else []
    blocks += [
        {"type": "tool_use", "id": each.id, "name": each.name, "input": each.input} for each in line.calls
    ]
    return blocks or [{"type": "text", "text": "(nothing)"}]


def _usage(told: Any) -> Usage:
    return Usage(
        tokens(told, "input_tokens"),
        tokens(told, "output_tokens"),
        tokens(told, "cache_creation_input_tokens"),
        tokens(told, "cache_read_input_tokens"),
    )
