"""Events as callers may send them. Contract: graded-outcomes.md, section 3.

What is not in a type is refused, not ignored: a misspelt `max_iteration` must not become the default.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from amp.errors import InvalidParameter
from amp.grading.rubric import blank
from amp.grading.types import (
    BATCH_MAX,
    DESCRIPTION_LENGTH_MAX,
    ITERATIONS,
    ITERATIONS_MAX,
    RUBRIC_LENGTH_MAX,
    Event,
)

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Tokens = Annotated[int, Meta(ge=0, le=2**53)]
INITIAL = ("user.message", "user.define_outcome")
"""What a session may begin with."""
_AFTER = ("user.message", "user.tool_result", "user.custom_tool_result", "user.tool_confirmation")
_OF_WORKER = ("agent.", "span.")


class Strict(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A body that may hold nothing but its fields; what was left out stays out."""


class Base64Source(Strict, tag="base64", tag_field="type"):
    """Bytes."""

    media_type: str
    data: str


class UrlSource(Strict, tag="url", tag_field="type"):
    """Something at a URL."""

    url: str


class FileSource(Strict, tag="file", tag_field="type"):
    """A file that was uploaded."""

    file_id: str


class TextSource(Strict, tag="text", tag_field="type"):
    """Text as a document."""

    media_type: Literal["text/plain"]
    data: str


class TextBlock(Strict, tag="text", tag_field="type"):
    """Text."""

    text: str


class ImageBlock(Strict, tag="image", tag_field="type"):
    """An image."""

    source: Base64Source | UrlSource | FileSource


class DocumentBlock(Strict, tag="document", tag_field="type"):
    """A document."""

    source: Base64Source | TextSource | UrlSource | FileSource
    title: str | None = None
    context: str | None = None


class SearchResultBlock(Strict, tag="search_result", tag_field="type"):
    """What a search found."""

    source: str
    title: str
    content: list[TextBlock]
    citations: dict[str, Any] | None = None


Blocks = Annotated[list[TextBlock | ImageBlock | DocumentBlock], Meta(min_length=1, max_length=100)]
Texts = Annotated[list[TextBlock], Meta(min_length=1, max_length=100)]
ResultBlocks = Annotated[
    list[TextBlock | ImageBlock | DocumentBlock | SearchResultBlock], Meta(max_length=100)
]


class TextRubric(Strict, tag="text", tag_field="type"):
    """A rubric as it is written."""

    content: Annotated[str, Meta(min_length=1, max_length=RUBRIC_LENGTH_MAX)]


class FileRubric(Strict, tag="file", tag_field="type"):
    """A rubric that was uploaded; its text is taken when the outcome is defined."""

    file_id: str


class DefineOutcome(Strict, tag="user.define_outcome", tag_field="type"):
    """Says what done looks like; the agent begins at once."""

    description: Annotated[str, Meta(min_length=1, max_length=DESCRIPTION_LENGTH_MAX)]
    rubric: TextRubric | FileRubric
    max_iterations: Annotated[int, Meta(ge=1, le=ITERATIONS_MAX)] | None = None


class UserMessage(Strict, tag="user.message", tag_field="type"):
    """A word to the agent; it waits while the agent works."""

    content: Blocks


class UserInterrupt(Strict, tag="user.interrupt", tag_field="type"):
    """Stops what is under way."""

    session_thread_id: str | None = None


class ToolConfirmation(Strict, tag="user.tool_confirmation", tag_field="type"):
    """Lets the agent use a tool, or not."""

    tool_use_id: Name
    result: Literal["allow", "deny"]
    deny_message: str | None = None
    session_thread_id: str | None = None


class ToolResult(Strict, tag="user.tool_result", tag_field="type"):
    """What a tool in the caller's own environment gave."""

    tool_use_id: Name
    content: ResultBlocks | None = None
    is_error: bool | None = None
    session_thread_id: str | None = None


class CustomToolResult(Strict, tag="user.custom_tool_result", tag_field="type"):
    """What the caller's own tool gave."""

    custom_tool_use_id: Name
    content: ResultBlocks | None = None
    is_error: bool | None = None
    session_thread_id: str | None = None


class SystemMessage(Strict, tag="system.message", tag_field="type"):
    """Goes along with the message before it."""

    content: Texts


class Posted(Strict, tag_field="type"):
    """What a worker says of the job it has leased: a stale outcome and iteration are refused."""

    outcome_id: str | None = None
    iteration: Annotated[int, Meta(ge=0, lt=ITERATIONS_MAX)] | None = None


class AgentMessage(Posted, tag="agent.message", tag_field="type", kw_only=True):
    """What the agent says."""

    content: Texts


class AgentThinking(Posted, tag="agent.thinking", tag_field="type"):
    """A sign of progress."""


class AgentToolUse(Posted, tag="agent.tool_use", tag_field="type", kw_only=True):
    """A tool that the agent uses; an `id` names it for its result."""

    name: Name
    input: dict[str, Any]
    id: Name | None = None
    evaluated_permission: Literal["allow", "ask", "deny"] | None = None


class AgentToolResult(Posted, tag="agent.tool_result", tag_field="type", kw_only=True):
    """What the tool gave."""

    tool_use_id: Name
    content: ResultBlocks | None = None
    is_error: bool | None = None


class TokenUsage(Strict):
    """Tokens of a model."""

    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_creation_input_tokens: Tokens = 0
    cache_read_input_tokens: Tokens = 0


class GivenMark(Strict, kw_only=True):
    """A verdict on one criterion."""

    id: int
    passed: bool
    name: str = ""
    gap: str = ""


class TurnEnd(Posted, tag="span.model_request_end", tag_field="type", kw_only=True):
    """The agent's turn is over; what it has made will be graded."""

    model_usage: TokenUsage | None = None
    is_error: bool | None = None
    model_request_start_id: str | None = None


class EvaluationOngoing(Posted, tag="span.outcome_evaluation_ongoing", tag_field="type"):
    """The grader is at work still."""


class EvaluationEnd(Posted, tag="span.outcome_evaluation_end", tag_field="type", kw_only=True):
    """A worker's verdict."""

    result: Literal["satisfied", "needs_revision", "failed"]
    explanation: Annotated[str, Meta(max_length=DESCRIPTION_LENGTH_MAX)] = ""
    criteria: list[GivenMark] = []
    usage: TokenUsage | None = None
    outcome_evaluation_start_id: str | None = None


UserInput = (
    DefineOutcome
    | UserMessage
    | UserInterrupt
    | ToolConfirmation
    | ToolResult
    | CustomToolResult
    | SystemMessage
)
WorkerPost = (
    AgentMessage
    | AgentThinking
    | AgentToolUse
    | AgentToolResult
    | TurnEnd
    | EvaluationOngoing
    | EvaluationEnd
)


class Batch(Strict):
    """POST /v1/sessions/{id}/events."""

    events: Annotated[list[UserInput | WorkerPost], Meta(min_length=1, max_length=BATCH_MAX)]


InitialEvents = Annotated[list[DefineOutcome | UserMessage], Meta(max_length=BATCH_MAX)]


def of_worker(event: Event) -> bool:
    """Whether only a worker may say this."""
    return event["type"].startswith(_OF_WORKER)


def checked(given: Sequence[UserInput | WorkerPost]) -> list[Event]:
    """A batch as events: without ids and times, every outcome with its `max_iterations`.

    Raises:
        InvalidParameter: the events cannot stand together, or say nothing.
    """
    events: list[Event] = [msgspec.to_builtins(each) for each in given]
    for number, event in enumerate(events):
        where = f"events[{number}]"
        if event["type"] == "user.define_outcome":
            _outcome(where, event)
        elif event["type"] == "system.message" and (
            number != len(events) - 1 or number == 0 or events[number - 1]["type"] not in _AFTER
        ):
            raise InvalidParameter(
                where, "a system.message comes last, right after a message or a tool's result"
            )
    if sum(event["type"] == "user.define_outcome" for event in events) > 1:
        raise InvalidParameter("events", "may define one outcome at a time")
    if len({of_worker(event) for event in events}) > 1:
        raise InvalidParameter("events", "of a worker and of a user cannot come in one batch")
    return events


def _outcome(where: str, event: Event) -> None:
    event["max_iterations"] = event.get("max_iterations") or ITERATIONS
    if blank(event["description"]):
        raise InvalidParameter(f"{where}.description", "must say something")
    if event["rubric"]["type"] == "text" and blank(event["rubric"]["content"]):
        raise InvalidParameter(f"{where}.rubric.content", "must say something")
