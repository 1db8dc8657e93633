"""People ask amp how to help them, try it, and report what came of it: over HTTP, through the SDK."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from amp.client import AmpError, Ask, AsyncAMP, Outcome
from amp.demo.people import TASKS, People
from amp.exits import CommandFailed
from amp.learning.types import Signals
from amp.simulate.served import combination_of, report

PAGE = 50
"""People in one batch call; several are under way at once."""
PATIENCE_S = 20.0

Told = Callable[[int], None]
"""Called with the number of interactions just made."""


class Interaction(NamedTuple):
    """One decision and what came of it."""

    person: int
    nth: int
    """Of this person, from 0."""
    combination: int
    control: bool
    signals: Signals


@dataclass(frozen=True)
class Played:
    """Everything that happened."""

    interactions: list[Interaction] = field(default_factory=list[Interaction])
    troubles: Counter[str] = field(default_factory=Counter[str])
    """Answers that were not what they should have been, by what was wrong with them."""


def name(person: int) -> str:
    """The user id."""
    return f"person-{person + 1:04}"


async def play(amp: AsyncAMP, people: People, told: Told) -> Played:
    """Everybody's whole stay, round after round: all who are there act once, then the next round begins.

    Raises:
        CommandFailed: the service has stopped answering.
    """
    played = Played()
    for now in range(people.rounds):
        present = people.present(now)
        pages = [present[start : start + PAGE] for start in range(0, len(present), PAGE)]
        await asyncio.gather(*(_page(amp, people, page, now, played) for page in pages))
        told(len(present))
    return played


async def _page(amp: AsyncAMP, people: People, page: Sequence[int], now: int, played: Played) -> None:
    turns = [(person, now - int(people.arrives[person])) for person in page]
    contexts = await amp.get_contexts([_ask(people, *turn) for turn in turns])
    if all(context.metadata.fallback for context in contexts):
        raise CommandFailed(f"The service has stopped answering ({contexts[0].metadata.fallback}).")
    tried: list[Interaction] = []
    reports: list[Outcome] = []
    for (person, nth), context in zip(turns, contexts, strict=True):
        if trouble := context.metadata.fallback or (context.metadata.degraded and "degraded"):
            played.troubles[trouble] += 1
        if context.metadata.fallback:
            continue
        combination = combination_of(context, people.approaches)
        signals = people.signals(person, nth, combination)
        tried.append(Interaction(person, nth, combination, context.metadata.group == "control", signals))
        reports.append(report(context.request_id, signals))
    receipts = await amp.report_outcomes(reports)
    played.troubles.update(receipt.code for receipt in receipts if isinstance(receipt, AmpError))
    played.interactions.extend(tried)


def _ask(people: People, person: int, nth: int) -> Ask:
    task = TASKS[people.task(person, nth)]
    return Ask(user_id=name(person), task=task.text, task_type=task.task_type, complexity=task.complexity)
