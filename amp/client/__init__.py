"""The Python client: `AMP` for ordinary code, `AsyncAMP` for asyncio.

    with AMP() as amp:
        context = amp.get_context("user-42", "Refactor the billing module", task_type="coding")
        answer = agent(system=prompt(context))
        context.report_background(started=True, completed=True, time_to_start=12.0)

Refusals are the classes of `amp.errors`; what can go wrong on the way is added here.
"""

from msgspec import UNSET

from amp.client.aio import AsyncAMP
from amp.client.decision import AsyncDecision, Decision
from amp.client.failures import ClientClosed, TimedOut, Unexpected, Unreachable
from amp.client.prompt import prompt
from amp.client.sync import AMP
from amp.client.tally import Counters
from amp.client.tracking import Track, detect_flow, satisfaction_from_stars
from amp.client.types import (
    Ask,
    Changes,
    Context,
    ContextMetadata,
    DimensionPosterior,
    Hints,
    HourPattern,
    OptionPosterior,
    Outcome,
    OutcomeReceipt,
    Posterior,
    Profile,
    Signals,
)
from amp.errors import AmpError

__all__ = [
    "AMP",
    "UNSET",
    "AmpError",
    "Ask",
    "AsyncAMP",
    "AsyncDecision",
    "Changes",
    "ClientClosed",
    "Context",
    "ContextMetadata",
    "Counters",
    "Decision",
    "DimensionPosterior",
    "Hints",
    "HourPattern",
    "OptionPosterior",
    "Outcome",
    "OutcomeReceipt",
    "Posterior",
    "Profile",
    "Signals",
    "TimedOut",
    "Track",
    "Unexpected",
    "Unreachable",
    "detect_flow",
    "prompt",
    "satisfaction_from_stars",
]
