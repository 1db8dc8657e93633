"""Plays jobs by plain HTTP where the ledger's own client is not installed; the words are the same."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from amp.demo import telling
from amp.demo.calls import Place, call
from amp.demo.scenarios import Work
from amp.demo.through import PAGE, THREADS, Told
from amp.demo.trades import Call
from amp.exits import CommandFailed
from amp.ledger.answers import API

JOBS = f"{API}/jobs"


def play(
    place: Place, works: Sequence[Work], decisions: Mapping[str, str], *, now_ms: int, told: Told
) -> None:
    """Every job: made, metered, and its outcome reported; `decisions` as in `through.play`.

    Raises:
        CommandFailed: the server refused something, or does not answer.
    """

    def one(work: Work) -> None:
        call(place, JOBS, _job(work))
        receipts = call(place, "/v1/ledger/meter/batch", {"items": records(work, now_ms)})["items"]
        if refused := next((each["error"] for each in receipts if "error" in each), None):
            raise CommandFailed(f"A record of {work.job} was refused: {refused}")
        call(place, f"{JOBS}/{work.job}/outcome", telling.outcome(work, now_ms, decisions.get(work.job)))

    with ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, len(works), PAGE):
            page = works[start : start + PAGE]
            list(threads.map(one, page))
            told(len(page))


def records(work: Work, now_ms: int) -> list[dict[str, Any]]:
    """What the job used."""
    return [
        telling.completion(work, record, record.used, at_ms)
        if isinstance(record.used, Call)
        else telling.tool_event(work, record, record.used, at_ms)
        for record, at_ms in zip(work.records, telling.starts_ms(work, now_ms), strict=True)
    ]


def _job(work: Work) -> dict[str, str]:
    return {
        "agenticJobId": work.job,
        "name": work.title,
        "type": work.type,
        "version": "1.0",
        "environment": "demo",
    }
