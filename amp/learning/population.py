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
    """The design with an empty last column for the reward; shape (points, p + 1)."""
    combinations: Floats
    """The offered combinations' design on its side, for a product with coefficients; shape (p, offered)."""
    numbers: list[int] | None
    """The combination that each offered one is; None where all are offered and each is itself."""
    sizes: tuple[int, ...]
    """How many options each dimension offers: an option's place anywhere here is among these."""
    option_design: Floats
    """x of an option, averaged over the other dimensions; shape (options, p)."""
    option_means: Floats
    """Expected reward of each option; shape (options,)."""
    starts: tuple[int, ...]
    """Where each dimension begins among the options."""
    options_of: Ints
    """Each offered combination's options, numbered over all dimensions; shape (offered, dimensions)."""
    options_at: Ints
    """The same of each point, -1 where it has none that is offered; shape (points, dimensions)."""
    default: int
    """The combination of the highest expected reward where nothing is said of the context, by its number."""
    combination_means: Floats
    """Expected reward of each offered combination, but for what contexts and pairs add; shape (offered,)."""
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
    all_offered = approaches.count == len(approaches.offered)
    shown = approaches.design[approaches.offered]
    averaged = option_design(approaches)
    option_means = averaged @ prior.mean
    sizes = approaches.offered_sizes
    starts = tuple(np.cumsum((0, *sizes[:-1])).tolist())
    options_at = _options_at(approaches, starts)
    combination_means = shown @ prior.mean
    best = int((combination_means + prior.effects.table(Context())[0]).argmax())
    return Population(
        prior=prior,
        approaches=approaches,
        pulls=prior.precision @ np.column_stack([prior.mean, prior.mean_draws.T]),
        spread=float(np.trace(np.linalg.inv(prior.precision))),
        design=np.column_stack([approaches.design, np.zeros(len(approaches.design))]),
        combinations=np.ascontiguousarray(shown.T),
        numbers=None if all_offered else approaches.offered.tolist(),
        sizes=sizes,
        option_design=averaged,
        option_means=option_means,
        starts=starts,
        options_of=options_at[approaches.offered],
        options_at=options_at,
        combination_means=combination_means,
        default=int(approaches.offered[best]),
        leads=_leads(option_means, starts, sizes),
        labels=tuple(
            f'{each.name} "{each.options[number]}"'
            for each in approaches.dimensions
            for number in each.offered
        ),
    )


def _options_at(approaches: Approaches, starts: tuple[int, ...]) -> Ints:
    """The offered options of each point, numbered over all dimensions; -1 where one is not offered."""
    columns: list[Ints] = []
    for index, (start, dimension) in enumerate(zip(starts, approaches.dimensions, strict=True)):
        numbers = np.full(len(dimension.options) + 1, -1)  # the last is for a point that has no option
        numbers[list(dimension.offered)] = start + np.arange(len(dimension.offered))
        columns.append(numbers[approaches.options_at[:, index]])
    return np.stack(columns, axis=1)


def _leads(means: Floats, starts: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[float, ...]:
    leads: list[float] = []
    for start, size in zip(starts, sizes, strict=True):
        own: list[float] = means[start : start + size].tolist()
        if size == 1:  # there is no other to lead
            leads.append(-np.inf)
            continue
        leads += [own[index] - max(own[:index] + own[index + 1 :]) for index in range(size)]
    return tuple(leads)


@lru_cache(maxsize=256)
def option_design(approaches: Approaches) -> Floats:
    """The mean of the design over every offered combination that holds the option; shape (options, p).

    Where all options are offered, contrasts elsewhere cancel.
    """
    shown, options = approaches.design[approaches.offered], approaches.options_of[approaches.offered]
    return np.vstack(
        [
            shown[options[:, index] == option].mean(axis=0).round(15)
            for index, dimension in enumerate(approaches.dimensions)
            for option in dimension.offered
        ]
    )
