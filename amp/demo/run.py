"""The demonstration from start to end: a day of people, of agents' jobs and of graded sessions."""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from amp.client import AsyncAMP, Changes, Context, Posterior
from amp.demo import business, graded, score
from amp.demo.assignments import ASSIGNMENTS, LIVE
from amp.demo.business import Business
from amp.demo.calls import Place, call
from amp.demo.day import day
from amp.demo.graded import Graded
from amp.demo.people import People
from amp.demo.play import PATIENCE_S, Played, Told, name, play
from amp.exits import CommandFailed
from amp.learning.lift import Lift
from amp.learning.types import Floats
from amp.settings import Settings
from amp.simulate.served import combination_of
from amp.simulate.serving import passing_key, served
from amp.store.keeper import Say, opened

CONTROL_SHARE = 1 / 3
"""Larger than a service's own default: a few hundred people must leave a group to compare with."""
SCOPES = ("context", "outcome", "read", "profile", "ledger", "sessions")
PORTRAITS = 3
KNOWN_AFTER = 50
"""Interactions after which agents serve somebody."""
JOBS_MIN, JOBS_MAX, PEOPLE_A_JOB = 12, 60, 8
"""Jobs of each agent: one for so many people, within these bounds."""
_CARRIED_S, _LOOK_S = 60.0, 0.1

Stage = Callable[[str, str, int], AbstractContextManager[Told]]
"""Says in plain words what is done now, and follows it: of what there are how many."""


class Plan(NamedTuple):
    """What is to be shown."""

    tenant: str
    crowd: People
    seed: int
    live: bool
    """One graded session stays at work, for people to look at."""


@dataclass(frozen=True)
class Portrait:
    """What was learned of one person, and what is so."""

    posterior: Posterior
    truth: list[Floats]
    """Expected reward of each option; one array a dimension."""
    reached: float
    """Share of the way from a random approach to this person's best one that the learned approach goes."""


@dataclass(frozen=True)
class Demonstration:
    """What there is to tell afterwards."""

    tenant: str
    people: People
    played: Played
    portraits: list[Portrait]
    priors: int
    """Published by the background fit while people came."""
    gain: Lift
    captured: list[score.Captured]
    best_single: float
    """The share captured by the one approach that is best for these people together."""
    business: Business
    sessions: list[Graded]
    bridge: dict[str, Any]
    """What jobs and grades taught, as the API tells it."""
    duration_s: float


class Running(NamedTuple):
    """A service with all of it in its store."""

    settings: Settings
    url: str
    shown: Demonstration


class _Seen(NamedTuple):
    """What was seen of the people."""

    played: Played
    portraits: list[Portrait]
    priors: int


@contextmanager
def demonstrated(settings: Settings, plan: Plan, *, stage: Stage, say: Say) -> Generator[Running]:
    """Serves, lets a day pass on a tenant of its own, looks at what came of it, and serves until the end.

    Raises:
        CommandFailed: the service did not start, or stopped answering.
        StoreMissing: no store can be started or reached.
    """
    began_s = time.monotonic()
    settings = replace(
        settings,
        host="127.0.0.1",
        port=0,
        control_share=CONTROL_SHARE,
        rate_limit=0,
        grading_scripts=1,
        grader_model=None,
    )
    with opened(settings, lasting=True, say=say) as complete, served(complete, say) as url:
        seen, work, sessions, bridge = asyncio.run(_visit(complete, url, plan, stage))
        shown = Demonstration(
            tenant=plan.tenant,
            people=plan.crowd,
            played=seen.played,
            portraits=seen.portraits,
            priors=seen.priors,
            gain=score.gain(seen.played.interactions),
            captured=score.captured(seen.played.interactions, plan.crowd),
            best_single=score.best_single(plan.crowd),
            business=work,
            sessions=sessions,
            bridge=bridge,
            duration_s=time.monotonic() - began_s,
        )
        yield Running(complete, url, shown)


async def _visit(
    settings: Settings, url: str, plan: Plan, stage: Stage
) -> tuple[_Seen, Business, list[Graded], dict[str, Any]]:
    async with passing_key(settings, plan.tenant, SCOPES, spelled="rev") as key:
        place, crowd = Place(url, key), plan.crowd
        words = f"{len(crowd.stays):,} people ask how best to be helped, try it, and say how it went"
        with stage(words, "Interactions", int(crowd.stays.sum())) as told:
            seen = await _watch(place, crowd, told)
        customers = _guests(crowd, seen.portraits)
        work = await asyncio.to_thread(_business, place, plan, customers, stage)
        sessions = await asyncio.to_thread(_sessions, place, customers, stage)
        bridge = await asyncio.to_thread(_carried, place)
        if plan.live:
            await asyncio.to_thread(graded.start, place, [LIVE], customers)
    return seen, work, sessions, bridge


async def _watch(place: Place, crowd: People, told: Told) -> _Seen:
    url, key = place
    async with AsyncAMP(key, url, timeout_s=PATIENCE_S, context_deadline_s=PATIENCE_S) as amp:
        played = await play(amp, crowd, told)
        portraits = [
            _portrait(await amp.get_posterior(name(person)), crowd, person)
            for person in _sitters(played, crowd)
        ]
        last = await amp.get_posterior(name(played.interactions[-1].person))
        await _prefer(amp, _guests(crowd, portraits))
    return _Seen(played, portraits, last.prior_version or 0)


async def _prefer(amp: AsyncAMP, users: list[str]) -> None:
    """Two people say themselves what they like; one of them will have nothing else."""
    wishes = (Changes(communication_style="technical", lock=True), Changes(preferred_framing="learning"))
    for user, wish in zip(users, wishes, strict=False):
        await amp.update_profile(user, **wish)


def _guests(crowd: People, portraits: list[Portrait]) -> list[str]:
    """Who is served by agents too: people who are known by then. No portrait changes after it was made."""
    known = np.flatnonzero(crowd.stays >= KNOWN_AFTER).tolist()
    sitters = {each.posterior.user_id for each in portraits}
    found = [name(person) for person in known if name(person) not in sitters]
    return found[len(found) // 2 :] or [name(0)]


def _suits(crowd: People, customer: str, context: Context[Any]) -> float:
    person = int(customer.rpartition("-")[2]) - 1
    chosen = crowd.approaches.design[combination_of(context, crowd.approaches)]
    return float(chosen @ crowd.tastes[person])


def _business(place: Place, plan: Plan, customers: list[str], stage: Stage) -> Business:
    jobs = min(JOBS_MAX, max(JOBS_MIN, len(plan.crowd.stays) // PEOPLE_A_JOB))
    today = day(jobs, plan.seed, customers)
    words = "Three agents (sales, support, coding) do jobs; it is told what came of them"
    with stage(words, "Jobs", len(today.works)) as told:
        return business.play(place, today, partial(_suits, plan.crowd), plan.seed, told)


def _sessions(place: Place, users: list[str], stage: Stage) -> list[Graded]:
    words = "Agents work on tasks until a grader is satisfied, or not; both are scripted"
    with stage(words, "Sessions", len(ASSIGNMENTS)) as told:
        return graded.play(place, ASSIGNMENTS, users, told)


def _carried(place: Place) -> dict[str, Any]:
    """What jobs and grades taught, once all of it has arrived.

    Raises:
        CommandFailed: it does not arrive.
    """
    until_s = time.monotonic() + _CARRIED_S
    while (status := call(place, "/v1/bridge/status"))["waiting"]:
        if time.monotonic() > until_s:
            raise CommandFailed(f"{status['waiting']} outcomes have not been carried to their decisions.")
        time.sleep(_LOOK_S)
    return status


def _sitters(played: Played, crowd: People) -> list[int]:
    """The first of the learned group for each of the longest stays: nobody is picked for a good likeness."""
    learned = sorted({each.person for each in played.interactions if not each.control})
    first_of = {int(crowd.stays[person]): person for person in reversed(learned)}
    return [first_of[stay] for stay in sorted(first_of, reverse=True)][:PORTRAITS]


def _portrait(posterior: Posterior, crowd: People, person: int) -> Portrait:
    believed = [[option.mean for option in each.options] for each in posterior.dimensions]
    learned = crowd.approaches.combination(tuple(means.index(max(means)) for means in believed))
    return Portrait(posterior, score.truth(crowd, person), score.reached(crowd, person, learned))
