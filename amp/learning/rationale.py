"""One plain sentence on why an approach is shown: a count of this user or of the population, and for what.

Only counts that anybody can recount from the rows are told, never an estimate; a pick that was not learned
says so. Contract: amp.md, `rationale`.
"""

import numpy as np

from amp.learning import rows
from amp.learning.approaches import Approaches
from amp.learning.population import Population, population
from amp.learning.prior import Prior
from amp.learning.types import Ask, Choice, History

OWN_OUTCOMES_MIN = 5
"""Below it (the contract's cold start) an answer is the population's more than the user's."""


def rationale(ask: Ask, choice: Choice, prior: Prior, approaches: Approaches) -> str:
    """Why this user is shown this approach."""
    crowd = population(prior, approaches)
    shown: list[int] = crowd.options_of[choice.combination].tolist()
    if choice.floored:
        return (
            f"Picked at random to keep learning, whatever the {len(ask.history):,} outcomes of this user "
            f"and the {prior.rows:,} of the population say."
        )
    if ask.control:
        return (
            f"Control group, not personalized: {_wished(ask, shown, crowd) or _of_population(shown, crowd)}."
        )
    return f"{_of_user(ask.history, shown, crowd) or _of_others(ask, shown, crowd)}."


def _of_user(history: History, shown: list[int], crowd: Population) -> str | None:
    """The shown option that most goes with success in this user's rows, if any does."""
    total = len(history)
    if total < OWN_OUTCOMES_MIN:
        return None
    bits = history["signals"]
    completion = int(np.bitwise_or.reduce(bits)) & rows.COMPLETED_SAID
    success = (bits & (rows.COMPLETED if completion else rows.STARTED)) != 0
    with_option = crowd.options_of.take(history["combination"], axis=0) == np.array(shown)
    tried: list[int] = np.add.reduce(with_option, axis=0).tolist()
    succeeded: list[int] = (success.astype(np.int64) @ with_option).tolist()
    successes = int(np.count_nonzero(success))
    # The covariance of "shown" and "success", in whole numbers: it favours options seen often and both ways.
    covariance = [total * good - successes * seen for good, seen in zip(succeeded, tried, strict=True)]
    strongest = max(covariance)
    if strongest <= 0:
        return None
    best = covariance.index(strongest)
    seen, good, label = tried[best], succeeded[best], crowd.labels[shown[best]]
    verb = "completed" if completion else "started"
    return (
        f"This user {verb} {good} of {seen} tasks with {label} and {successes - good} of {total - seen} "
        f"without, which speaks for it"
    )


def _of_others(ask: Ask, shown: list[int], crowd: Population) -> str:
    told = _wished(ask, shown, crowd) or _of_population(shown, crowd)
    return f"{told}; of this user, {len(ask.history):,} outcomes are known"


def _wished(ask: Ask, shown: list[int], crowd: Population) -> str | None:
    for preference, option, start in zip(ask.preferences, shown, crowd.starts, strict=False):
        if preference is not None and start + preference.option == option:
            return f"The user's own preference speaks for {crowd.labels[option]}"
    return None


def _of_population(shown: list[int], crowd: Population) -> str:
    option = max(shown, key=crowd.leads.__getitem__)
    label = crowd.labels[option]
    if not crowd.prior.rows:
        return f"No outcomes of a population are learned yet, so {label} is a first try"
    known = f"{crowd.prior.rows:,} outcomes of {crowd.prior.users:,} users"
    if crowd.leads[option] > 0:
        return f"{known} speak for {label}"
    return f"{known} speak for other approaches, and {label} is tried beside them"
