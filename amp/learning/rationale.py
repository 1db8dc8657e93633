"""One plain sentence on why an approach is shown: a count of this user or of the population, and for what.

Only counts that anybody can recount from the rows are told, never an estimate; a pick that was not learned
says so. Contract: amp.md, `rationale`.
"""

from collections.abc import Sequence

import numpy as np

from amp.learning import rows
from amp.learning.approaches import Approaches
from amp.learning.population import Population, population
from amp.learning.prior import Prior
from amp.learning.types import Ask, Choice, Policy

OWN_OUTCOMES_MIN = 5
"""Below it (the contract's cold start) an answer is the population's more than the user's."""
_POLICY = Policy()


def rationales(
    asks: Sequence[Ask],
    choices: Sequence[Choice],
    prior: Prior,
    approaches: Approaches,
    policy: Policy = _POLICY,
) -> list[str]:
    """Why each of these users is shown this approach."""
    crowd = population(prior, approaches)
    shown: list[list[int]] = crowd.options_at[[choice.combination for choice in choices]].tolist()
    own = of_users(asks, shown, crowd)
    return [
        _one(ask, choice, shown[index], own.get(index), crowd=crowd, policy=policy)
        for index, (ask, choice) in enumerate(zip(asks, choices, strict=True))
    ]


def _one(
    ask: Ask, choice: Choice, shown: list[int], own: str | None, *, crowd: Population, policy: Policy
) -> str:
    if choice.floored:
        return (
            f"Picked at random to keep learning, whatever the {len(ask.history):,} outcomes of this user "
            f"and the {crowd.prior.rows:,} of the population say."
        )
    wished = _wished(ask, shown, crowd)
    if choice.shadow is not None:
        return (
            f"Shadow mode, not personalized: {wished or _of_operator(shown, crowd)}; what the "
            f"{len(ask.history):,} outcomes of this user speak for is only logged."
        )
    if ask.control:
        fixed = _of_operator(shown, crowd) if policy.baseline else _of_population(shown, crowd)
        return f"Control group, not personalized: {wished or fixed}."
    if policy.learner == "beta" and not own:
        return f"{wished or _of_nobody(shown, crowd)}; of this user, {len(ask.history):,} outcomes are known."
    return f"{own or _of_others(ask, shown, crowd)}."


def of_users(asks: Sequence[Ask], shown: list[list[int]], crowd: Population) -> dict[int, str]:
    """The shown option that most goes with success in each user's rows, where any does; by ask."""
    known = [index for index, ask in enumerate(asks) if len(ask.history) >= OWN_OUTCOMES_MIN]
    if not known:
        return {}
    history = rows.joined([asks[index].history for index in known])
    sizes = [len(asks[index].history) for index in known]
    starts = np.cumsum([0, *sizes[:-1]])
    bits = history["signals"]
    says_completed = np.bitwise_or.reduceat(bits, starts) & rows.COMPLETED_SAID
    wanted = np.where(says_completed, rows.COMPLETED, rows.STARTED)
    with_option = crowd.options_at.take(crowd.approaches.points(history), axis=0) == np.repeat(
        np.array([shown[index] for index in known]), sizes, axis=0
    )
    success = (bits & np.repeat(wanted, sizes)) != 0
    tried: list[list[int]] = np.add.reduceat(with_option, starts, axis=0, dtype=np.int64).tolist()
    both = with_option & success[:, None]
    succeeded: list[list[int]] = np.add.reduceat(both, starts, axis=0, dtype=np.int64).tolist()
    successes: list[int] = np.add.reduceat(success, starts, dtype=np.int64).tolist()
    told: dict[int, str] = {}
    for place, index in enumerate(known):
        strongest = _strongest(sizes[place], successes[place], tried[place], succeeded[place])
        if strongest is not None:
            verb = "completed" if says_completed[place] else "started"
            label = crowd.labels[shown[index][strongest]]
            seen, good = tried[place][strongest], succeeded[place][strongest]
            without, other = sizes[place] - seen, successes[place] - good
            told[index] = (
                f"This user {verb} {good} of {seen} tasks with {label} and {other} of {without} without, "
                f"which speaks for it"
            )
    return told


def _strongest(total: int, successes: int, tried: list[int], succeeded: list[int]) -> int | None:
    """The dimension whose shown option goes best with success; it favours those seen often, both ways."""
    covariance = [total * good - successes * seen for good, seen in zip(succeeded, tried, strict=True)]
    strongest = max(covariance)
    return covariance.index(strongest) if strongest > 0 else None


def _of_others(ask: Ask, shown: list[int], crowd: Population) -> str:
    told = _wished(ask, shown, crowd) or _of_population(shown, crowd)
    return f"{told}; of this user, {len(ask.history):,} outcomes are known"


def _wished(ask: Ask, shown: list[int], crowd: Population) -> str | None:
    for index, (preference, option) in enumerate(zip(ask.preferences, shown, strict=False)):
        dimension = crowd.approaches.dimensions[index]
        if (
            preference is not None
            and crowd.starts[index] + dimension.offered.index(preference.option) == option
        ):
            return f"The user's own preference speaks for {crowd.labels[option]}"
    return None


def _of_operator(shown: list[int], crowd: Population) -> str:
    return f"The operator's own approach is {', '.join(crowd.labels[option] for option in shown)}"


def _of_nobody(shown: list[int], crowd: Population) -> str:
    return f"Nobody else's outcomes count here, so {crowd.labels[shown[0]]} is a try"


def _of_population(shown: list[int], crowd: Population) -> str:
    option = max(shown, key=crowd.leads.__getitem__)
    label = crowd.labels[option]
    if not crowd.prior.rows:
        return f"No outcomes of a population are learned yet, so {label} is a first try"
    if len(crowd.options_of) == 1:
        return f"Nothing else is offered than {label}"
    known = f"{crowd.prior.rows:,} outcomes of {crowd.prior.users:,} users"
    if crowd.leads[option] > 0:
        return f"{known} speak for {label}"
    return f"{known} speak for other approaches, and {label} is tried beside them"
