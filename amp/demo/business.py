"""Three agents do a day's jobs: they ask for an approach, work, and say what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from amp.client import AMP, AmpError, Outcome
from amp.clock import now_ms
from amp.demo import plain, through
from amp.demo.calls import PATIENCE_S, Place, call
from amp.demo.day import Day
from amp.demo.ledger import decisions
from amp.demo.through import Told
from amp.exits import CommandFailed

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


def play(place: Place, day: Day, told: Told) -> Business:
    """The whole day.

    Raises:
        CommandFailed: the server cannot be used, or it has seen these jobs.
    """
    followed = decisions(place, day.asking)
    _say_done(place, [followed[job] for job in sorted(day.sure) if job in followed])
    by_client = find_spec("revenium_middleware") is not None
    if by_client:
        client = through.sdk(place.key, place.url)
        through.play(client, place, day.works, followed, now_ms=now_ms(), make=True, told=told)
    else:
        plain.play(place, day.works, followed, now_ms=now_ms(), told=told)
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
