"""What the context of a task, and pairs of options, add to the reward for every user alike.

off(c, a) = pairs(a) + x(a)' (level(c) + task(c)): a context shifts every coefficient of the model, and a
level that was not said, or a task type that is not known, shifts none. Source: learning.md section 1.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from amp.learning import rows
from amp.learning.approaches import Approaches
from amp.learning.types import LEVELS, Context, Draws, Effects, Floats, History, Ints

_Cache = dict[tuple[int, int], Floats]  # by (place of the task type, level)
ANY_OTHER_TASK = 1 << 32
"""Stands after every task hash in `PopulationEffects.hashes`."""
POPULATION_DRAWS = 64
_NOTHING = np.zeros((1 + POPULATION_DRAWS, 1))


class NoEffects(Effects):
    """Contexts and pairs add nothing; `types.Effects` with one column for all combinations or options."""

    def table(self, context: Context) -> Floats:  # noqa: ARG002  as the protocol names it
        return _NOTHING

    def options(self, context: Context) -> Floats:  # noqa: ARG002  as above
        return _NOTHING

    def at(self, history: History) -> Floats:
        return np.zeros(len(history))


@dataclass(frozen=True)
class OwnRows:
    """What rows need where a tenant's dimensions are not simply those of the contract."""

    approaches: Approaches
    theta: Floats = field(repr=False)
    """Effects of the pairs' contrasts, from which they can be laid out anew; shape (versions, contrasts)."""

    @cached_property
    def pairs(self) -> Floats:
        """The mean of what pairs add at each point; shape (points,)."""
        return pair_table(self.theta[:1], self.approaches, self.approaches.options_at)[0]


@dataclass(frozen=True)
class PopulationEffects(Effects):
    """The offsets in 1 + POPULATION_DRAWS versions: their mean, then draws from their posterior."""

    sizes: tuple[int, ...]
    """Options of each dimension."""
    design: Floats = field(repr=False)
    """x(a); shape (count, p)."""
    pairs: Floats = field(repr=False)
    """What its pairs of options add to each combination; shape (versions, count)."""
    levels: Floats = field(repr=False)
    """Shift by each of LEVELS, the first being 0; shape (versions, levels, p)."""
    tasks: Floats = field(repr=False)
    """Shift by each task type, the last (any other) being 0; shape (versions, task types, p)."""
    hashes: Ints
    """The task types by their hash, ascending, then `ANY_OTHER_TASK`; shape (task types,)."""
    own: OwnRows | None = None
    """Then `sizes`, `design` and `pairs` are of the options and combinations that are offered."""
    _tables: _Cache = field(default_factory=lambda: {}, init=False, repr=False)  # noqa: PIE807 - typed so
    _drawn: dict[tuple[int, int, float], Floats] = field(default_factory=lambda: {}, init=False, repr=False)  # noqa: PIE807 - typed so
    _option_draws: dict[tuple[int, int], Draws] = field(default_factory=lambda: {}, init=False, repr=False)  # noqa: PIE807 - typed so
    _options: _Cache = field(default_factory=lambda: {}, init=False, repr=False)  # noqa: PIE807 - typed so

    def table(self, context: Context) -> Floats:
        """Offsets of every combination; shape (versions, count), row 0 their mean."""
        known = self._known(context)
        table = self._tables.get(known)
        if table is None:
            task, level = known
            table = self.pairs + (self.levels[:, level] + self.tasks[:, task]) @ self.design.T
            self._tables[known] = table
        return table

    def drawn(self, context: Context, share: float) -> Floats:
        """`table` with its draws only this share as far from their mean; same shape."""
        key = (*self._known(context), share)
        drawn = self._drawn.get(key)
        if drawn is None:
            drawn = self._drawn[key] = super().drawn(context, share)
        return drawn

    def options(self, context: Context) -> Floats:
        """`table` averaged over the other dimensions; shape (versions, sum of options)."""
        known = self._known(context)
        options = self._options.get(known)
        if options is None:
            table = self.table(context).reshape(-1, *self.sizes)
            every = range(len(self.sizes))
            averages = [table.mean(tuple(1 + each for each in every if each != own)) for own in every]
            options = np.asfortranarray(np.concatenate(averages, axis=1))  # it is read an option at a time
            self._options[known] = options
        return options

    def option_draws(self, context: Context) -> Draws:
        """The draws of `options`, in single precision; shape (sum of options, POPULATION_DRAWS)."""
        known = self._known(context)
        found = self._option_draws.get(known)
        if found is None:
            found = self._option_draws[known] = super().option_draws(context)
        return found

    def at(self, history: History) -> Floats:
        """The mean offset of each row's context and combination; shape (n,)."""
        task = task_numbers(self.hashes, history["task_hash"])
        level = history["circumstance"] & rows.LEVEL_MASK
        if self.own is None:
            return self._means.take((task * len(LEVELS) + level) * len(self.design) + history["combination"])
        approaches = self.own.approaches
        place = (task * len(LEVELS) + level) * len(approaches.design) + approaches.points(history)
        return self._means.take(place)

    def drawn_at(self, history: History) -> Floats:
        """`at` in every draw; shape (n, POPULATION_DRAWS)."""
        task = task_numbers(self.hashes, history["task_hash"])
        level = history["circumstance"] & rows.LEVEL_MASK
        if self.own is None:
            chosen = history["combination"]
            pairs, x = self.pairs[1:, chosen], self.design[chosen]
        else:
            approaches = self.own.approaches
            points = approaches.points(history)
            pairs = pair_table(self.own.theta[1:], approaches, approaches.options_at[points])
            x = approaches.design[points]
        shifts = self.levels[1:, level] + self.tasks[1:, task]
        return (pairs + np.einsum("knp,np->kn", shifts, x)).T

    @cached_property
    def _means(self) -> Floats:
        """The mean offset by task type, level and combination (or point), one after the other."""
        shifts = self.tasks[0][:, None] + self.levels[0]
        if self.own is not None:
            return (self.own.pairs + shifts @ self.own.approaches.design.T).ravel()
        return (self.pairs[0] + shifts @ self.design.T).ravel()

    @cached_property
    def _places(self) -> dict[int, int]:
        return {told: place for place, told in enumerate(self.hashes.tolist())}

    def _known(self, context: Context) -> tuple[int, int]:
        return self._places.get(context.task_hash, len(self.hashes) - 1), context.level


def assembled(
    approaches: Approaches, theta: Floats, shifts: tuple[Floats, Floats], hashes: Ints, *, own: bool
) -> PopulationEffects:
    """The effects with these pairs' contrasts, and these shifts by level and by task type."""
    levels, tasks = shifts
    if not own:
        pairs = theta @ approaches.pair_contrasts.T
        return PopulationEffects(approaches.sizes, approaches.design, pairs, levels, tasks, hashes)
    shown = approaches.offered
    return PopulationEffects(
        sizes=approaches.offered_sizes,
        design=approaches.design[shown],
        pairs=pair_table(theta, approaches, approaches.options_at[shown]),
        levels=levels,
        tasks=tasks,
        hashes=hashes,
        own=OwnRows(approaches, theta),
    )


def pair_table(theta: Floats, approaches: Approaches, options: Ints) -> Floats:
    """`theta` times the pairs' contrasts, without making them; shape (versions, n)."""
    table = np.zeros((len(theta), len(options)))
    for one, other, own in approaches.pair_blocks if theta.shape[1] else ():
        left, right = approaches.contrasts[one], approaches.contrasts[other]
        both = np.zeros((len(theta), len(left) + 1, len(right) + 1))
        both[:, :-1, :-1] = left @ theta[:, own].reshape(len(theta), left.shape[1], -1) @ right.T
        table += both[:, options[:, one], options[:, other]]
    return table


def task_numbers(hashes: Ints, told: Ints) -> Ints:
    """The place of each told hash among `hashes`, the last where it is none of them."""
    places = hashes.searchsorted(told)
    other = hashes.take(places) != told
    if other.any():
        places[other] = len(hashes) - 1
    return places
