"""A day of three agents at work, as a plan: jobs, which of them follow a decision, what is amended.

The jobs are those of the scenarios, in one day instead of thirty. Beside them stands what a day of real work
has too: tools that nobody has a price for, agents that believe they are done when the business says
otherwise, and outcomes that turn out otherwise later. All of it is a function of the seed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from amp.demo import scenarios
from amp.demo.ledger import EVERY
from amp.demo.scenarios import SCENARIOS, Record, Work
from amp.demo.trades import Use

_DAYS = 30
"""Over which the jobs of a scenario come; here they are one."""
_LEAST_AGO_MS = 45 * 60_000
"""So long ago began the last: longer than any of them takes."""
_UNPRICED = Use("web_search", "search", 1_400, None)
_UNPRICED_EVERY = 3
_LUCK_SD = 0.3
"""In log odds, as what an approach does."""
_GOOD = ("CONVERTED", "DEFLECTED")
_SURE_EVERY = 3
"""Of the jobs that follow a decision and do not escalate, those whose agent says itself that it is done."""


class Correction(NamedTuple):
    """An outcome that turns out otherwise later."""

    job: str
    changes: Mapping[str, Any]
    """As the API takes them, with the reason."""


class Decision(NamedTuple):
    """What was decided for a customer."""

    customer: str
    request_id: str
    worth: float
    """What the approach does for this customer, in log odds."""


class Day(NamedTuple):
    """The oldest job of each agent first."""

    works: list[Work]
    asking: list[Work]
    """Those that ask for an approach first and follow it."""
    sure: frozenset[str]
    """Jobs whose agent reports, in its own words, that it completed the task."""
    corrections: list[Correction]


def day(jobs: int, seed: int, customers: Sequence[str]) -> Day:
    """So many jobs of each agent, done for these customers."""
    rng = np.random.default_rng([seed, len(SCENARIOS)])
    works: list[Work] = []
    for name in SCENARIOS:
        made = scenarios.works(name, jobs, seed, as_shipped=False)
        works += [_of_today(work, number, rng, customers) for number, work in enumerate(made)]
    asking = works[::EVERY]
    return Day(works, asking, frozenset(_sure(asking)), _corrections(asking))


def suited(asking: Sequence[Work], decisions: Sequence[Decision], rng: np.random.Generator) -> list[Decision]:
    """The decision that each job follows: of jobs of one type, those that end well got what suits better.

    So an approach matters, with some luck, while the mix of the scenarios stays as it is on paper. A decision
    for a task of one type is as good for any other job of this type.
    """
    worth = [each.worth + _LUCK_SD * float(rng.standard_normal()) for each in decisions]
    found = list(decisions)
    for kind in {each.type for each in asking}:
        jobs = [place for place, each in enumerate(asking) if each.type == kind]
        best_first = sorted(jobs, key=lambda place: -worth[place])
        good_first = sorted(jobs, key=lambda place: asking[place].ending.outcome not in _GOOD)
        for job, decision in zip(good_first, best_first, strict=True):
            found[job] = decisions[decision]
    return found


def _of_today(work: Work, number: int, rng: np.random.Generator, customers: Sequence[str]) -> Work:
    records = work.records
    if work.scenario == "coding" and number % _UNPRICED_EVERY == 0:
        records = [*records, Record(scenarios.uuid(rng), _UNPRICED)]
    return work._replace(
        customer=customers[int(rng.integers(len(customers)))],
        ago_ms=work.ago_ms // _DAYS + _LEAST_AGO_MS,
        records=records,
    )


def _sure(asking: Sequence[Work]) -> list[str]:
    """An agent does not notice that somebody took its work over; of a canceled task it says nothing."""
    told = [each for each in asking if each.scenario != "sales" and each.ending.status != "CANCELLED"]
    escalated = [each.job for each in told if _is(each, "ESCALATED")]
    return escalated + [each.job for each in told if not _is(each, "ESCALATED")][::_SURE_EVERY]


def _corrections(asking: Sequence[Work]) -> list[Correction]:
    """At most one of a kind; a day with few jobs has few."""
    wanted = (
        ("sales", "CONVERTED", {"outcomeValue": 180.0, "reason": "Part of the order was returned"}),
        (
            "coding",
            "CONVERTED",
            {"outcomeType": "UNSUCCESSFUL", "outcomeValue": 0, "reason": "The change was reverted"},
        ),
        (
            "support",
            "ESCALATED",
            {"outcomeType": "DEFLECTED", "reason": "The customer had found the answer meanwhile"},
        ),
    )
    found: list[Correction] = []
    for scenario, outcome, changes in wanted:
        such = [each for each in asking if each.scenario == scenario and _is(each, outcome)]
        if such:
            found.append(Correction(such[-1].job, changes))
    return found


def _is(work: Work, outcome: str) -> bool:
    return work.ending.outcome == outcome
