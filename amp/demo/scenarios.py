"""Three scenarios of agents at work, as lists of jobs: what each uses, what it costs and what comes of it.

How often what comes of it is fixed, not drawn: of each 100 jobs just so many, in an order that chance makes;
of fewer than 100, the nearest whole numbers. So what a report must say is known on paper. All of it is a
function of the seed: the same seed makes the same job ids.

Two ways to tell it. `as_shipped` is what the client's own examples say: an escalated job has FAILED and is
worth 0, a lead that does not buy has no outcome type and a value of 0, support meters nobody's time.
Otherwise it is told as the documentation advises: an escalated job carries its full value and the time of the
person who took it over is metered as a tool, a lead that does not buy is UNSUCCESSFUL, a canceled task is
CANCELLED.

Figures of the sales scenario and all mixes: ledger.md, section 10. What a support or coding job is worth and
costs is nowhere published; those figures are made up. It shows what the ledger tells, not what agents earn.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import numpy as np

from amp.demo.trades import CODING, HUMAN, SALES, SUPPORT, Call, Kind, Trade, Use

SCENARIOS: Mapping[str, Trade] = {"sales": SALES, "support": SUPPORT, "coding": CODING}
BLOCK = 100
"""Jobs in which the mix is exact."""
_SPAN_MS = 30 * 86_400_000
"""Over which the jobs come evenly, until now."""
_SCATTER = 0.2
"""Of token counts and durations, either way."""


class Ending(NamedTuple):
    """What came of a job."""

    status: str
    outcome: str | None
    value: Decimal | None
    reason: str | None = None


class Record(NamedTuple):
    """Something that was used, with an id of its own."""

    transaction: str
    used: Call | Use


class Work(NamedTuple):
    """A job from its first call to its outcome."""

    job: str
    scenario: str
    type: str
    title: str
    agent: str
    trace: str
    ago_ms: int
    """How long ago it began."""
    records: list[Record]
    ending: Ending
    customer: str

    @property
    def cost(self) -> Decimal:
        """In USD."""
        return sum((record.used.cost or Decimal(0) for record in self.records), Decimal(0))


def works(scenario: str, jobs: int, seed: int, *, as_shipped: bool) -> list[Work]:
    """So many jobs, the oldest first."""
    trade = SCENARIOS[scenario]
    rng = np.random.default_rng([seed, list(SCENARIOS).index(scenario)])
    kinds: list[Kind] = []
    for start in range(0, jobs, BLOCK):
        kinds += _block(trade, min(BLOCK, jobs - start), rng)
    return [
        _work(
            scenario,
            f"{scenario}-{seed}-{number + 1:05}",
            kind,
            _SPAN_MS - _SPAN_MS * number // jobs,
            rng=rng,
            as_shipped=as_shipped,
        )
        for number, kind in enumerate(kinds)
    ]


def shares(mix: Mapping[Kind, int], jobs: int) -> dict[Kind, int]:
    """The mix (of 100) in whole jobs: each rounded down, the rest to those that lost most."""
    exact: dict[Kind, tuple[int, int]] = {kind: divmod(share * jobs, BLOCK) for kind, share in mix.items()}
    left = jobs - sum(whole for whole, _ in exact.values())
    most = sorted(mix, key=lambda kind: -exact[kind][1])[:left]
    return {kind: whole + (kind in most) for kind, (whole, _) in exact.items()}


def ending(kind: Kind, worth: Decimal, *, as_shipped: bool) -> Ending:
    """What is reported of such a job."""
    told, shipped = _ENDINGS[kind]
    status, outcome, valued = shipped if as_shipped else told
    value = None if valued is None else worth if valued else Decimal(0)
    return Ending(status, outcome, value, _REASONS.get(kind))


def _block(trade: Trade, jobs: int, rng: np.random.Generator) -> list[Kind]:
    kinds: list[Kind] = [kind for kind, count in shares(trade.mix, jobs).items() for _ in range(count)]
    order: list[int] = rng.permutation(jobs).tolist()
    return [kinds[place] for place in order]


def _work(
    scenario: str, job: str, kind: Kind, ago_ms: int, *, rng: np.random.Generator, as_shipped: bool
) -> Work:
    trade = SCENARIOS[scenario]
    task = trade.tasks[int(rng.integers(len(trade.tasks)))]
    used = [_scattered(each, rng) for each in (*task.calls, *task.uses)]
    if trade.always_human or (kind == "escalated" and not (as_shipped and trade.human_unmetered_as_shipped)):
        used.append(HUMAN)
    worth = trade.upsell if kind == "converted" and trade.upsell else task.worth
    return Work(
        job=job,
        scenario=scenario,
        type=task.type,
        title=task.title,
        agent=trade.agent,
        trace=uuid(rng),
        ago_ms=ago_ms,
        records=[Record(uuid(rng), each) for each in used],
        ending=ending(kind, worth, as_shipped=as_shipped),
        customer=f"customer-{rng.integers(1000):03}",
    )


def _scattered(used: Call | Use, rng: np.random.Generator) -> Call | Use:
    """The same with a duration, and tokens, of its own; the cost stays."""
    factor = float(rng.uniform(1 - _SCATTER, 1 + _SCATTER))
    duration_ms = round(used.duration_ms * factor)
    if isinstance(used, Use):
        return used._replace(duration_ms=duration_ms)
    tokens = (round(used.input_tokens * factor), round(used.output_tokens * factor))
    return used._replace(duration_ms=duration_ms, input_tokens=tokens[0], output_tokens=tokens[1])


def uuid(rng: np.random.Generator) -> str:
    return str(UUID(bytes=rng.bytes(16), version=4))


_Said = tuple[str, str | None, bool | None]
"""Status, type, and whether its value is told: True is what it is worth, False is 0, None is not at all."""
_ENDINGS: Mapping[Kind, tuple[_Said, _Said]] = {
    "converted": (("SUCCESS", "CONVERTED", True), ("SUCCESS", "CONVERTED", True)),
    "deflected": (("SUCCESS", "DEFLECTED", True), ("SUCCESS", "DEFLECTED", True)),
    "missed": (("SUCCESS", "UNSUCCESSFUL", None), ("SUCCESS", None, False)),
    "escalated": (("SUCCESS", "ESCALATED", True), ("FAILED", "ESCALATED", False)),
    "canceled": (("CANCELLED", "CUSTOM", None), ("FAILED", "CUSTOM", False)),
}
"""As advised, then as shipped."""
_REASONS: Mapping[Kind, str] = {
    "escalated": "A person took it over",
    "canceled": "The task was canceled",
}
