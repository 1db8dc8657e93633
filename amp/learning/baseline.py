"""The operator's own approach: what control users, and everybody in shadow mode, are served.

Stated preferences, locks and exclusions hold there too, dimension by dimension.
"""

from amp.learning.population import Population
from amp.learning.types import Ask, Floats, Policy


def baseline(ask: Ask, added: Floats | None, policy: Policy, crowd: Population) -> int:
    """The combination to serve instead of a learned one.

    `added` is what preferences and exclusions add to each option, -inf where they forbid it. A dimension
    whose own option is excluded takes the population's best of those that are left. Without a baseline of
    the operator's, the first option of every dimension is it.
    """
    own = policy.baseline or (0,) * len(crowd.starts)
    if added is None:
        return crowd.approaches.combination(own)
    stated = ask.preferences or (None,) * len(own)
    served = list(own)
    for dimension, (start, size) in enumerate(zip(crowd.starts, crowd.approaches.sizes, strict=True)):
        allowed = added[start : start + size]
        preference = stated[dimension]
        if preference is not None and allowed[preference.option] >= 0:
            served[dimension] = preference.option
        elif allowed[own[dimension]] < 0:
            served[dimension] = int((crowd.option_means[start : start + size] + allowed).argmax())
    return crowd.approaches.combination(tuple(served))
