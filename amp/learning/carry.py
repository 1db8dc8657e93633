"""A prior that was fitted to other dimensions, carried over to those that there are now.

Contrasts of options that were there keep what is known of them, exactly: Helmert contrasts of fewer options
are a part of those of more. What is new gets the shipped scales around 0; what was removed is integrated out.
"""

from dataclasses import replace

import numpy as np

from amp.learning.approaches import PUBLISHED, Approaches, Dimension
from amp.learning.effects import NoEffects, PopulationEffects, assembled
from amp.learning.layouts import Names, helmert
from amp.learning.prior import Prior, shipped
from amp.learning.types import Floats, Ints


def carry(prior: Prior, approaches: Approaches) -> Prior:
    """The same prior for these approaches; itself where it was fitted to no others."""
    if approaches.plain and not prior.layout:
        return prior
    was = prior.layout or PUBLISHED.layout
    base = shipped(approaches)
    if not prior.version:  # nothing is known that could be carried
        return base if approaches.plain else replace(base, layout=approaches.layout)
    now, before = _columns(was, approaches.layout)
    mean, draws, precision = base.mean.copy(), base.mean_draws.copy(), base.precision.copy()
    mean[now] = prior.mean[before]
    draws[:, now] = prior.mean_draws[:, before]
    precision[np.ix_(now, now)] = _marginal(prior.precision, before)
    return replace(
        prior,
        mean=mean,
        precision=precision,
        mean_draws=draws,
        effects=_effects(prior.effects, was, approaches, (now, before))
        if isinstance(prior.effects, PopulationEffects)
        else NoEffects(),
        layout=() if approaches.plain else approaches.layout,
    )


def _columns(was: Names, names: Names) -> tuple[Ints, Ints]:
    """Which coefficients are those of before, and which they were."""
    starts, start = dict[str, int](), 1
    for name, options in was:
        starts[name] = start
        start += len(options) - 1
    known = dict(was)
    now, before, start = [0], [0], 1
    for name, options in names:
        kept = min(len(known.get(name, options[:1])), len(options)) - 1
        now += range(start, start + kept)
        before += range(starts.get(name, 0), starts.get(name, 0) + kept)
        start += len(options) - 1
    return np.array(now), np.array(before)


def _marginal(precision: Floats, kept: Ints) -> Floats:
    """The precision of some of the coefficients, whatever the others are."""
    if len(kept) == len(precision):
        return precision[np.ix_(kept, kept)]
    inverse = np.linalg.inv(np.linalg.inv(precision)[np.ix_(kept, kept)]).astype(np.float64)
    return (inverse + inverse.T) / 2.0


def _effects(
    effects: PopulationEffects, was: Names, approaches: Approaches, columns: tuple[Ints, Ints]
) -> PopulationEffects:
    now, before = columns
    p = approaches.design.shape[1]
    shifts = [np.zeros((*each.shape[:2], p)) for each in (effects.levels, effects.tasks)]
    shifts[0][:, :, now] = effects.levels[:, :, before]
    shifts[1][:, :, now] = effects.tasks[:, :, before]
    theta = _theta(effects, was) if effects.own is None else effects.own.theta
    return assembled(
        approaches,
        _laid_out(theta, was, approaches),
        (shifts[0], shifts[1]),
        effects.hashes,
        own=not approaches.plain,
    )


def _blocks(names: Names) -> tuple[tuple[int, int, slice], ...]:
    return Approaches(tuple(Dimension(name, "", "", options) for name, options in names)).pair_blocks


def _theta(effects: PopulationEffects, was: Names) -> Floats:
    """The effects of the pairs' contrasts, from the table of what they add to every combination."""
    sizes = tuple(len(options) for _, options in was)
    table = effects.pairs.reshape(-1, *sizes)
    told = [np.zeros((len(table), 0))]
    for one, other, _ in _blocks(was):
        elsewhere = tuple(1 + each for each in range(len(sizes)) if each not in {one, other})
        both = helmert(sizes[one]).T @ table.mean(axis=elsewhere) @ helmert(sizes[other])
        told.append(both.reshape(len(table), -1))
    return np.hstack(told)


def _laid_out(theta: Floats, was: Names, approaches: Approaches) -> Floats:
    """The effects of the present pairs' contrasts; 0 for those that are new."""
    places = {name: place for place, (name, _) in enumerate(was)}
    old_sizes = tuple(len(options) for _, options in was)
    blocks = {(one, other): own for one, other, own in _blocks(was)} if theta.shape[1] else {}
    told = [np.zeros((len(theta), 0))]
    for one, other, _ in approaches.pair_blocks:
        fresh = np.zeros((len(theta), approaches.sizes[one] - 1, approaches.sizes[other] - 1))
        pair = tuple(places.get(approaches.dimensions[each].name, -1) for each in (one, other))
        turned = pair[0] > pair[1]
        own = blocks.get((min(pair), max(pair)))
        if own is not None:
            first, second = (old_sizes[each] - 1 for each in sorted(pair))
            known = theta[:, own].reshape(len(theta), first, second)
            known = known.transpose(0, 2, 1) if turned else known
            rows, columns = min(known.shape[1], fresh.shape[1]), min(known.shape[2], fresh.shape[2])
            fresh[:, :rows, :columns] = known[:, :rows, :columns]
        told.append(fresh.reshape(len(theta), -1))
    return np.hstack(told)
