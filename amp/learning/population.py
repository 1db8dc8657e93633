"""What a prior says of a user who has no rows yet, worked out once for each prior."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from amp.learning.approaches import Approaches
from amp.learning.prior import Prior
from amp.learning.types import Context, Floats, Ints


@dataclass(frozen=True, slots=True)
class Population:
    """Constants of the decision that depend on nothing but the prior and the approaches."""

    prior: Prior
    approaches: Approaches
    pulls: Floats
    """S^-1 [mu, mu_0, mu_1, ...]; shape (p, 1 + POPULATION_DRAWS)."""
    spread: float
    """tr(S)."""
    design: Floats
    """The design with an empty last column for the reward; shape (count, p + 1)."""
    combinations: Floats
    """The design on its side, for a product with coefficients; shape (p, count)."""
    option_design: Floats
    """x of an option, averaged over the other dimensions; shape (options, p)."""
    option_means: Floats
    """Expected reward of each option; shape (options,)."""
    starts: tuple[int, ...]
    """Where each dimension begins among the options."""
    options_of: Ints
    """Each combination's options, numbered over all dimensions; shape (count, dimensions)."""
    default: int
    """The combination of the highest expected reward where nothing is said of the context."""
    combination_means: Floats
    """Expected reward of each combination, but for what contexts and pairs add; shape (count,)."""
    leads: tuple[float, ...]
    """Expected reward of each option above the best other of its dimension (below, when negative)."""
    labels: tuple[str, ...]
    """How a sentence names each option."""


class _Same:
    """A cache key for a prior, whose arrays cannot be hashed: the same object is the same key."""

    __slots__ = ("approaches", "prior")

    def __init__(self, prior: Prior, approaches: Approaches) -> None:
        self.prior, self.approaches = prior, approaches

    def __hash__(self) -> int:
        return id(self.prior)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.prior is other.prior and self.approaches is other.approaches


def population(prior: Prior, approaches: Approaches) -> Population:
    """The constants of this prior."""
    return _population(_Same(prior, approaches))


@lru_cache(maxsize=256)
def _population(key: _Same) -> Population:
    prior, approaches = key.prior, key.approaches
    option_design = _option_design(approaches)
    option_means, combination_means = option_design @ prior.mean, approaches.design @ prior.mean
    starts = tuple(np.cumsum((0, *approaches.sizes[:-1])).tolist())
    return Population(
        prior=prior,
        approaches=approaches,
        pulls=prior.precision @ np.column_stack([prior.mean, prior.mean_draws.T]),
        spread=float(np.trace(np.linalg.inv(prior.precision))),
        design=np.column_stack([approaches.design, np.zeros(approaches.count)]),
        combinations=np.ascontiguousarray(approaches.design.T),
        option_design=option_design,
        option_means=option_means,
        starts=starts,
        options_of=approaches.options_of + np.array(starts),
        default=int((combination_means + prior.effects.table(Context())[0]).argmax()),
        combination_means=combination_means,
        leads=_leads(option_means, starts, approaches),
        labels=tuple(f'{each.name} "{option}"' for each in approaches.dimensions for option in each.options),
    )


def _leads(means: Floats, starts: tuple[int, ...], approaches: Approaches) -> tuple[float, ...]:
    leads: list[float] = []
    for start, size in zip(starts, approaches.sizes, strict=True):
        own: list[float] = means[start : start + size].tolist()
        leads += [own[index] - max(own[:index] + own[index + 1 :]) for index in range(size)]
    return tuple(leads)


def _option_design(approaches: Approaches) -> Floats:
    """The mean of the design over every combination that holds the option; contrasts elsewhere cancel."""
    return np.vstack(
        [
            approaches.design[approaches.options_of[:, dimension] == option].mean(axis=0).round(15)
            for dimension, size in enumerate(approaches.sizes)
            for option in range(size)
        ]
    )
