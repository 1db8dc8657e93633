"""Graded sessions as people look at them: GET /v1/insights/sessions."""

from msgspec import Struct

from amp.grading.types import Result, Status


class TokensReply(Struct, rename="camel"):
    """What a session or a grading used, in tokens."""

    input: int
    """Cached ones included."""
    output: int


class SessionRow(Struct, rename="camel"):
    """One session in a list; what is said of an outcome is of the newest."""

    id: str
    title: str | None
    status: Status
    archived_at: str | None
    agent_name: str
    model: str
    outcomes: int
    result: Result | None
    iterations: int
    """That were begun."""
    max_iterations: int | None
    criteria_met: int
    """Of the newest grading."""
    criteria: int
    tokens: TokensReply
    active_seconds: float
    created_at: str
    updated_at: str


class SessionCounts(Struct, rename="camel"):
    """How many sessions there are of each kind."""

    all: int
    statuses: dict[str, int]
    results: dict[str, int]
    """By the newest outcome."""


class SessionsReply(Struct, rename="camel"):
    """GET /v1/insights/sessions: the newest first."""

    sessions: list[SessionRow]
    counts: SessionCounts
    next_page: str | None
    previous_page: str | None


class CriterionReply(Struct, rename="camel"):
    """One criterion of the frozen rubric."""

    id: int
    name: str
    check: str | None
    """What decides it by code; null: the grader does."""


class MarkReply(Struct, rename="camel"):
    """What one grading says of one criterion."""

    id: int
    name: str
    passed: bool
    gap: str


class EvaluationReply(Struct, rename="camel"):
    """One grading."""

    iteration: int
    """From 0."""
    result: str | None
    """Null while it is under way; else `needs_revision` or how the outcome ended."""
    explanation: str | None
    started_at: str | None
    ended_at: str | None
    tokens: TokensReply
    marks: list[MarkReply]


class GradedOutcomeReply(Struct, rename="camel"):
    """One outcome with all its gradings."""

    outcome_id: str
    description: str
    rubric: str
    """As it was frozen when the outcome was defined."""
    criteria: list[CriterionReply]
    result: Result
    iteration: int
    max_iterations: int
    explanation: str | None
    error: str | None
    completed_at: str | None
    evaluations: list[EvaluationReply]


class FileReply(Struct, rename="camel"):
    """A file that the session delivered; its bytes are at GET /v1/files/{id}/content."""

    id: str
    filename: str
    mime_type: str
    size_bytes: int
    created_at: str


class GradedReply(Struct, rename="camel"):
    """GET /v1/insights/sessions/{id}."""

    session: SessionRow
    environment_id: str
    outcomes: list[GradedOutcomeReply]
    """The newest 20, in their order."""
    earlier_outcomes: int
    """That are not told."""
    files: list[FileReply]
    events: int
    """In its log: GET /v1/sessions/{id}/events has them."""
