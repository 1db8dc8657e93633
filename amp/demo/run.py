"""The demonstration from start to end."""

import asyncio
import secrets
import time
from dataclasses import dataclass, replace

from amp.client import AsyncAMP, Posterior
from amp.demo import score
from amp.demo.people import People
from amp.demo.play import PATIENCE_S, Played, Told, name, play
from amp.learning.lift import Lift
from amp.learning.types import Floats
from amp.settings import Settings
from amp.simulate.serving import passing_key, served
from amp.store.keeper import Say, opened

CONTROL_SHARE = 1 / 3
"""Larger than a service's own default: a few hundred people must leave a group to compare with."""
PORTRAITS = 3


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
    """Published by the background fit while the demonstration ran."""
    gain: Lift
    captured: list[score.Captured]
    best_single: float
    """The share captured by the one approach that is best for these people together."""
    duration_s: float


def demonstrate(settings: Settings, crowd: People, *, told: Told, say: Say) -> Demonstration:
    """Serves, lets synthetic people use it on a tenant of their own, and looks at what came of it.

    Raises:
        CommandFailed: the service did not start, or stopped answering.
        StoreMissing: no store can be started or reached.
    """
    began_s = time.monotonic()
    tenant = f"demo-{secrets.token_hex(4)}"
    settings = replace(settings, host="127.0.0.1", port=0, control_share=CONTROL_SHARE, rate_limit=0)
    with opened(settings, lasting=True, say=say) as complete, served(complete, say) as url:
        played, portraits, priors = asyncio.run(_visit(complete, url, tenant, crowd, told))
    return Demonstration(
        tenant=tenant,
        people=crowd,
        played=played,
        portraits=portraits,
        priors=priors,
        gain=score.gain(played.interactions),
        captured=score.captured(played.interactions, crowd),
        best_single=score.best_single(crowd),
        duration_s=time.monotonic() - began_s,
    )


async def _visit(
    settings: Settings, url: str, tenant: str, crowd: People, told: Told
) -> tuple[Played, list[Portrait], int]:
    async with passing_key(settings, tenant) as key:
        return await _watch(key, url, crowd, told)


async def _watch(key: str, url: str, crowd: People, told: Told) -> tuple[Played, list[Portrait], int]:
    async with AsyncAMP(key, url, timeout_s=PATIENCE_S, context_deadline_s=PATIENCE_S) as amp:
        played = await play(amp, crowd, told)
        portraits = [
            _portrait(await amp.get_posterior(name(person)), crowd, person)
            for person in _sitters(played, crowd)
        ]
        last = await amp.get_posterior(name(played.interactions[-1].person))
    return played, portraits, last.prior_version or 0


def _sitters(played: Played, crowd: People) -> list[int]:
    """The first of the learned group for each of the longest stays: nobody is picked for a good likeness."""
    learned = sorted({each.person for each in played.interactions if not each.control})
    first_of = {int(crowd.stays[person]): person for person in reversed(learned)}
    return [first_of[stay] for stay in sorted(first_of, reverse=True)][:PORTRAITS]


def _portrait(posterior: Posterior, crowd: People, person: int) -> Portrait:
    believed = [[option.mean for option in each.options] for each in posterior.dimensions]
    learned = crowd.approaches.combination(tuple(means.index(max(means)) for means in believed))
    return Portrait(posterior, score.truth(crowd, person), score.reached(crowd, person, learned))
