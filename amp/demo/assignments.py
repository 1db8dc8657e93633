"""Tasks with a stated outcome and how each of them goes: a plan for the scripted roles, no model is asked.

What the rubric has code decide is decided by code on the files that are delivered.
"""

import json
from typing import Any, NamedTuple

SATISFIED, REVISE, FAILED = "satisfied", "needs_revision", "failed"


class Assignment(NamedTuple):
    """One graded session."""

    title: str
    task_type: str
    agent: str
    task: str
    rubric: tuple[str, ...]
    files: dict[str, str]
    """What the agent delivers, by path."""
    verdicts: tuple[str, ...]
    """Of each evaluation; the last repeats."""
    iterations_max: int = 3
    work_s: float = 0.1
    """Of each turn."""
    interrupted: bool = False
    """Somebody stops it once it revises."""

    @property
    def script(self) -> str:
        """The plan as the session's metadata take it."""
        plan = {"v": self.verdicts, "a": self.work_s, "g": 0.1, "files": self.files}
        return json.dumps([plan], separators=(",", ":"))

    @property
    def outcome(self) -> dict[str, Any]:
        """The event that states it."""
        rubric = "\n".join(f"- {each}" for each in self.rubric)
        return {
            "type": "user.define_outcome",
            "description": self.task,
            "rubric": {"type": "text", "content": rubric},
            "max_iterations": self.iterations_max,
        }


_SALES = "region,orders,euros\nnorth,41,12300\nsouth,29,8700\nwest,18,5400\n"
_NOTES = "# Release 2.4\n\n- Imports are twice as fast\n- Invoices add up again\n\nUpgrade: run `migrate`.\n"
_GUIDE = (
    "# From 1 to 2\n\n1. Back up\n2. `migrate --check`\n3. `migrate`\n\n## Roll back\n\nRestore the backup.\n"
)
_ANSWER = "You may return the lamp within 30 days. The refund is 49 euros, paid within a week.\n"
_MAIL = "Welcome, Ada!\n\nYour first step: connect a calendar. It takes two minutes.\n"
_OVERVIEW = "Three rivals: one is cheaper, one is faster, one is older.\n"

ASSIGNMENTS = (
    Assignment(
        "Weekly sales report",
        "reporting",
        "analyst",
        "Sum up last week's sales by region",
        (
            "sales.csv has euros for each region `check: csv_column sales.csv euros numeric`",
            "report.md names the total `check: contains report.md 26400`",
            "The report says which region fell behind",
        ),
        {"sales.csv": _SALES, "report.md": "Total: 26400 euros. West fell behind.\n"},
        (SATISFIED,),
    ),
    Assignment(
        "Refund answer",
        "support_reply",
        "writer",
        "Answer a customer who wants to return a lamp",
        (
            "answer.md names the refund `check: contains answer.md 49 euros`",
            "It is friendly and under 60 words",
        ),
        {"answer.md": _ANSWER},
        (SATISFIED,),
    ),
    Assignment(
        "Release notes 2.4",
        "writing",
        "writer",
        "Write the notes of release 2.4",
        (
            "notes.md says how to upgrade `check: contains notes.md Upgrade`",
            "Every change is told by what users gain",
            "No internal names",
        ),
        {"notes.md": _NOTES},
        (REVISE, SATISFIED),
    ),
    Assignment(
        "Onboarding mail",
        "writing",
        "writer",
        "Write the first mail that a new customer gets",
        ("mail.txt names one first step `check: contains mail.txt first step`", "It promises nothing else"),
        {"mail.txt": _MAIL},
        (REVISE, SATISFIED),
    ),
    Assignment(
        "Migration guide",
        "writing",
        "engineer",
        "Write the guide from version 1 to 2",
        (
            "guide.md says how to roll back `check: contains guide.md Roll back`",
            "Each step names its command",
            "It says what to check before",
        ),
        {"guide.md": _GUIDE},
        (REVISE, REVISE, SATISFIED),
    ),
    Assignment(
        "Competitor overview",
        "research",
        "analyst",
        "Compare us with three rivals",
        (
            "overview.md has 60 words `check: min_words overview.md 60`",
            "Every claim names its source",
            "Prices are compared in a table",
        ),
        {"overview.md": _OVERVIEW},
        (REVISE,),
    ),
    Assignment(
        "Load test plan",
        "coding",
        "engineer",
        "Plan a load test of the checkout",
        ("plan.md names a target in requests a second", "It says which traffic is real"),
        {"plan.md": "The target and the traffic are unknown: there is nothing to plan with.\n"},
        (FAILED,),
    ),
    Assignment(
        "Price list import",
        "coding",
        "engineer",
        "Import the supplier's price list",
        (
            "prices.csv has a price for each article `check: csv_column prices.csv price numeric`",
            "Duplicates are merged",
        ),
        {"prices.csv": "article,price\nlamp,49\ndesk,190\n"},
        (REVISE,),
        iterations_max=20,
        work_s=0.8,
        interrupted=True,
    ),
)
LIVE = Assignment(
    "Quarterly forecast",
    "reporting",
    "analyst",
    "Forecast next quarter's sales by region",
    (
        "forecast.csv has euros for each region `check: csv_column forecast.csv euros numeric`",
        "The assumptions are named",
        "The range is given, not only the mean",
    ),
    {"forecast.csv": _SALES},
    (REVISE, REVISE, REVISE, REVISE, REVISE, SATISFIED),
    iterations_max=8,
    work_s=45.0,
)
"""One that is still at work while people look."""
