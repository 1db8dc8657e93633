"""Three agents do a day's jobs: they ask for an approach, work, and say what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from amp.client import AMP, AmpError, Context, Outcome
from amp.clock import now_ms
from amp.demo import plain, through
from amp.demo.calls import PATIENCE_S, Place, call
from amp.demo.day import Day, Decision, suited
from amp.demo.ledger import decided
from amp.demo.scenarios import Work
from amp.demo.through import Told
from amp.exits import CommandFailed

Suits = Callable[[str, Context[Any]], float]
"""What an approach does for a customer, in log odds: only a simulation knows."""

_SURE = 0.9
"""How satisfied an agent says the user is."""


@dataclass(frozen=True)
class Business:
    """What there is to tell of it."""

    jobs: int
    records: int
    decided: int
    """Jobs that followed a decision."""
    corrected: int
    through_client: bool
    """Metered through revenium-python-sdk; else by plain HTTP."""
    total: dict[str, Any]
    """Of the report, as it came."""


def play(place: Place, day: Day, suits: Suits, seed: int, told: Told) -> Business:
    """The whole day.

    Raises:
        CommandFailed: the server cannot be used, or it has seen these jobs.
    """
    decisions = _decisions(place, day.asking, suits, seed)
    followed = {job: each.request_id for job, each in decisions.items()}
    works = [
        each._replace(customer=decisions[each.job].customer) if each.job in decisions else each
        for each in day.works
    ]
    _say_done(place, [followed[job] for job in sorted(day.sure) if job in followed])
    by_client = find_spec("revenium_middleware") is not None
    if by_client:
        client = through.sdk(place.key, place.url)
        through.play(client, place, works, followed, now_ms=now_ms(), make=True, told=told)
    else:
        plain.play(place, works, followed, now_ms=now_ms(), told=told)
    for job, changes in day.corrections:
        call(place, f"{plain.JOBS}/{job}/outcome", _by_a_person(changes), method="PATCH")
    return Business(
        jobs=len(day.works),
        records=sum(len(work.records) for work in day.works),
        decided=len(followed),
        corrected=len(day.corrections),
        through_client=by_client,
        total=call(place, "/v1/ledger/report")["total"],
    )


def _decisions(place: Place, asking: Sequence[Work], suits: Suits, seed: int) -> dict[str, Decision]:
    """What each of these jobs follows."""
    found = decided(place, asking)
    made = [
        Decision(work.customer, context.request_id, suits(work.customer, context)) for work, context in found
    ]
    works = [work for work, _ in found]
    followed = suited(works, made, np.random.default_rng([seed, len(works)]))
    return {work.job: each for work, each in zip(works, followed, strict=True)}


def _by_a_person(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {**changes, "reportedBy": "operations"}


def _say_done(place: Place, request_ids: list[str]) -> None:
    """What agents say of their own work, before the business speaks."""
    reports = [
        Outcome(request_id=each, started=True, completed=True, satisfaction=_SURE) for each in request_ids
    ]
    with AMP(place.key, place.url, timeout_s=PATIENCE_S) as amp:
        for receipt in amp.report_outcomes(reports):
            if isinstance(receipt, AmpError):
                raise CommandFailed(f"An agent's report was refused: {receipt.message}")
