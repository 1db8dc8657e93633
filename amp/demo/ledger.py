"""The ledger's demonstration from start to end: jobs played on a real server, then what it reports."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from amp.client import AMP, Ask, Context
from amp.clock import now_ms
from amp.demo import through
from amp.demo.calls import PATIENCE_S, Place, raw
from amp.demo.scenarios import Work
from amp.demo.through import Told
from amp.learning.approaches import PUBLISHED
from amp.ledger.report_wire import Report
from amp.settings import Settings
from amp.simulate.serving import passing_key, served
from amp.store.keeper import Say, opened

TENANT = "demo-ledger"
SCOPES = ("context", "ledger")
CONTROL_SHARE = 1 / 3
"""Larger than a service's own default: a few jobs must follow the default to compare with."""
EVERY = 2
"""Every second job asks for an approach first and follows it."""
KEPT = (2, 2, 1, 1)
"""Options of each dimension that may be picked: few approaches, each with jobs enough to compare."""
_REPORT = "/v1/ledger/report"
_PAGE = 50


@dataclass(frozen=True)
class Shown:
    """What there is to tell afterwards."""

    jobs: int
    records: int
    """Metered: calls and tools."""
    decided: int
    """Jobs that follow a decision of getContext."""
    missing: int
    """Records that were delivered and are not in the report: there are none, or something is wrong."""
    complaints: Counter[str]
    """What the client logged while it delivered, by its words; it sends again what was refused for now."""
    by_type: Report
    by_approach: Report
    raw: dict[str, Any]
    """Both as they came."""
    duration_s: float


def on_own_server(
    settings: Settings, works: Sequence[Work], *, as_shipped: bool, told: Told, say: Say
) -> Shown:
    """The same on a server that is started for it, on a free port.

    Raises:
        CommandFailed: the service did not start or cannot be used, or it has seen these jobs.
        StoreMissing: no store can be started or reached.
    """
    settings = replace(settings, host="127.0.0.1", port=0, control_share=CONTROL_SHARE, rate_limit=0)

    async def visit(complete: Settings, url: str) -> Shown:
        async with passing_key(complete, TENANT, SCOPES, spelled="rev") as key:
            return await asyncio.to_thread(on, Place(url, key), works, as_shipped=as_shipped, told=told)

    with opened(settings, lasting=True, say=say) as complete, served(complete, say) as url:
        return asyncio.run(visit(complete, url))


def on(place: Place, works: Sequence[Work], *, as_shipped: bool, told: Told) -> Shown:
    """Plays the jobs on a server and asks it what they were worth.

    Its key has the scopes `context` (else no job follows a decision) and `ledger`. As the client's examples
    do, `as_shipped` makes no job before its first record and asks for no approach.

    Raises:
        CommandFailed: the server cannot be used, or it has seen these jobs.
    """
    began_s = time.monotonic()
    client = through.sdk(place.key, place.url)
    before = _count(raw(place, _REPORT))
    followed: Mapping[str, str] = {} if as_shipped else decisions(place, works[::EVERY])
    complaints = through.play(client, place, works, followed, now_ms=now_ms(), make=not as_shipped, told=told)
    came = {by: raw(place, f"{_REPORT}?by={by}") for by in ("type", "approach")}
    by_type, by_approach = (msgspec.json.decode(came[by], type=Report) for by in ("type", "approach"))
    records = sum(len(work.records) for work in works)
    return Shown(
        jobs=len(works),
        records=records,
        decided=len(followed),
        missing=max(0, records - (_count(came["type"]) - before)),
        complaints=complaints,
        by_type=by_type,
        by_approach=by_approach,
        raw={by: json.loads(body) for by, body in came.items()},
        duration_s=time.monotonic() - began_s,
    )


def _count(report: bytes) -> int:
    """How many calls and tools it knows."""
    total = msgspec.json.decode(report, type=Report).total
    return total.transactions + total.tool_events


def decisions(place: Place, works: Sequence[Work]) -> Mapping[str, str]:
    """The requestId of each job that got an approach; none where the server has other dimensions."""
    return {work.job: context.request_id for work, context in decided(place, works)}


def decided(place: Place, works: Sequence[Work]) -> list[tuple[Work, Context[Any]]]:
    """The jobs that got an approach, each with what the service decided."""
    found: list[tuple[Work, Context[Any]]] = []
    with AMP(place.key, place.url, timeout_s=PATIENCE_S, context_deadline_s=PATIENCE_S) as amp:
        for start in range(0, len(works), _PAGE):
            page = works[start : start + _PAGE]
            found += zip(page, amp.get_contexts(map(_ask, page)), strict=True)
    return [each for each in found if not each[1].metadata.fallback]


def _ask(work: Work) -> Ask:
    exclude = {each.name: each.options[kept:] for each, kept in zip(PUBLISHED.dimensions, KEPT, strict=True)}
    return Ask(user_id=work.customer, task=work.title, task_type=work.type, exclude=exclude)
