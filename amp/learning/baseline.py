"""The operator's own approach: what control users, and everybody in shadow mode, are served.

Stated preferences, locks and exclusions hold there too, dimension by dimension.
"""

from collections.abc import Sequence

import numpy as np

from amp.learning.population import Population
from amp.learning.types import Ask, Floats, Policy


def baseline(ask: Ask, added: Floats | None, policy: Policy, crowd: Population) -> int:
    """The place among those offered of the combination to serve instead of a learned one.

    `added` is what preferences and exclusions add to each option, -inf where they forbid it. A dimension
    whose own option is excluded takes the population's best of those that are left. Without a baseline of
    the operator's, the first option of every dimension is it.
    """
    own = _offered(policy.baseline, crowd)
    if added is None:
        return _place(own, crowd)
    stated = ask.preferences or (None,) * len(own)
    served = list(own)
    for dimension, (start, size) in enumerate(zip(crowd.starts, crowd.sizes, strict=True)):
        allowed = added[start : start + size]
        preference = stated[dimension]
        if preference is not None and allowed[wished := _index(preference.option, dimension, crowd)] >= 0:
            served[dimension] = wished
        elif allowed[own[dimension]] < 0:
            served[dimension] = int((crowd.option_means[start : start + size] + allowed).argmax())
    return _place(served, crowd)


def _offered(own: tuple[int, ...] | None, crowd: Population) -> list[int]:
    """The place of each dimension's own option among those offered; the first where it is not."""
    dimensions = crowd.approaches.dimensions
    numbers = own or tuple(each.offered[0] for each in dimensions)
    return [
        each.offered.index(option) if option in each.offered else 0
        for option, each in zip(numbers, dimensions, strict=True)
    ]


def _index(option: int, dimension: int, crowd: Population) -> int:
    return crowd.approaches.dimensions[dimension].offered.index(option)


def _place(options: Sequence[int], crowd: Population) -> int:
    """The combination of these options, among those offered."""
    return int(np.ravel_multi_index(tuple(options), crowd.sizes))
