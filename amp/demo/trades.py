"""What the agents of the three scenarios do: their tasks, models, tools, and how often what comes of it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

Kind = Literal["converted", "deflected", "missed", "escalated", "canceled"]
"""How a job can end."""


class Call(NamedTuple):
    """One call of a model."""

    step: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    duration_ms: int
    cost: Decimal
    """In USD."""


class Use(NamedTuple):
    """One use of a tool, or of a person's time."""

    tool: str
    operation: str
    duration_ms: int
    cost: Decimal | None
    """In USD; None: whoever uses it does not know."""


class Task(NamedTuple):
    """A type of job."""

    type: str
    title: str
    worth: Decimal
    """In USD, when it is done; in support what a person would have cost."""
    calls: tuple[Call, ...]
    uses: tuple[Use, ...]


class Trade(NamedTuple):
    """A scenario."""

    agent: str
    mix: Mapping[Kind, int]
    """Of each 100 jobs."""
    tasks: tuple[Task, ...]
    always_human: bool = False
    """A person's time is metered on every job, not only on escalated ones."""
    human_unmetered_as_shipped: bool = False
    """Its example meters nobody's time, escalated or not."""
    upsell: Decimal | None = None
    """What a converted job is worth where that is not what the task is worth."""


HUMAN = Use("human_escalation", "take_over", 1_800_000, Decimal("2.00"))
_SMALL, _LARGE = ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5")

SALES = Trade(
    agent="sales-agent",
    mix={"converted": 12, "missed": 88},
    tasks=(
        Task(
            "lead_qualification",
            "Lead qualification",
            Decimal("300.00"),
            (
                Call("prospecting", *_SMALL, 2400, 1700, 1900, Decimal("0.0014")),
                Call("qualification", *_SMALL, 1700, 900, 1300, Decimal("0.0008")),
                Call("close", *_LARGE, 4900, 1400, 6200, Decimal("0.0355")),
            ),
            (
                Use("zoominfo", "company_lookup", 640, Decimal("1.00")),
                Use("apollo", "contact_enrichment", 480, Decimal("0.50")),
            ),
        ),
    ),
    always_human=True,
)


def _support(kind: str, title: str, worth: str, *, cost: str) -> Task:
    return Task(
        kind,
        title,
        Decimal(worth),
        (
            Call("classify", *_SMALL, 1100, 160, 700, Decimal("0.0003")),
            Call("answer", *_LARGE, 3800, 900, 4100, Decimal(cost)),
        ),
        (
            Use("kb_search", "search", 210, Decimal("0.01")),
            Use("crm", "read_customer", 260, Decimal("0.02")),
        ),
    )


SUPPORT = Trade(
    agent="support-agent",
    mix={"deflected": 80, "escalated": 8, "converted": 12},
    tasks=(
        _support("ticket_triage", "Ticket triage", "6.00", cost="0.0180"),
        _support("ticket_resolution", "Ticket resolution", "14.00", cost="0.0249"),
        _support("escalation", "Escalation handling", "22.00", cost="0.0318"),
    ),
    human_unmetered_as_shipped=True,
    upsell=Decimal("49.00"),
)


def _coding(kind: str, title: str, worth: str, *, plan: str, work: str, ci: str) -> Task:
    return Task(
        kind,
        title,
        Decimal(worth),
        (
            Call("plan", *_LARGE, 7200, 900, 5200, Decimal(plan)),
            Call("work", *_LARGE, 21_000, 5200, 31_000, Decimal(work)),
            Call("summarize", *_SMALL, 2600, 300, 1200, Decimal("0.0006")),
        ),
        (
            Use("repo_search", "search", 380, Decimal("0.002")),
            Use("ci", "run", 240_000, Decimal(ci)),
            Use("github", "write", 420, Decimal("0.001")),
        ),
    )


CODING = Trade(
    agent="coding-agent",
    mix={"converted": 72, "escalated": 10, "canceled": 18},
    tasks=(
        _coding("pr_review", "PR review", "25.00", plan="0.0351", work="0.1410", ci="0.04"),
        _coding("test_generation", "Test generation", "40.00", plan="0.0351", work="0.2205", ci="0.16"),
        _coding("incident_rca", "Incident root cause", "120.00", plan="0.0612", work="0.4830", ci="0.08"),
        _coding("release_gate", "Release gate", "60.00", plan="0.0282", work="0.0960", ci="0.32"),
        _coding("dependency_risk", "Dependency risk", "35.00", plan="0.0315", work="0.1290", ci="0.04"),
    ),
)
