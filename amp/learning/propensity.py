"""How likely a decision was: the probability of every combination, over what chance might have drawn.

A decision is a function of its nonce, so its draws can be made again with other nonces. The decision's own
draw is one of them: given all the draws, the one that decided is any of them alike, so p(a) = floor / allowed
+ (1 - floor) * (share of the draws that pick a) is exactly the chance of the randomisation that was made, and
weights 1 / p(a) are unbiased at any number of draws. Source: learning.md section 5, Propensity.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from amp.learning import beta, draws
from amp.learning.approaches import Approaches
from amp.learning.choice import allowed, best_of_draws, uniforms_each
from amp.learning.learners import choose
from amp.learning.population import Population, population
from amp.learning.posterior import posteriors
from amp.learning.prior import Prior
from amp.learning.types import Ask, Floats, Ints, Policy

DRAWS = 1024


def propensities(
    asks: Sequence[Ask], prior: Prior, policy: Policy, approaches: Approaches, count: int = DRAWS
) -> Floats:
    """The probability of each combination in each of these decisions; shape (asks, combinations).

    `count` draws a decision, its own among them. What a control, or anybody in shadow
    mode, is served is no draw: it has 1.
    """
    crowd = population(prior, approaches)
    probabilities = np.zeros((len(asks), approaches.count))
    for index, ask in enumerate(asks):
        if ask.control or policy.mode == "shadow":
            probabilities[index, choose([ask], prior, policy, approaches)[0].combination] = 1.0
        else:
            shares = _beta_shares if policy.learner == "beta" else _shares
            probabilities[index, approaches.offered] = shares(ask, crowd, policy, count)
    return probabilities


def _shares(ask: Ask, crowd: Population, policy: Policy, count: int) -> Floats:
    """Of one decision: its posterior is made once, and every draw moves from there; shape (offered,)."""
    beliefs = posteriors([ask.history], crowd.prior, policy, crowd.approaches)
    uniform = draws.uniforms(_nonces(ask, count), uniforms_each(crowd.prior))
    best, tilts = best_of_draws([ask], uniform[None], beliefs, crowd, policy)
    return _floored(best[0, 1:], tilts.get(0), crowd, policy)


def _beta_shares(ask: Ask, crowd: Population, policy: Policy, count: int) -> Floats:
    """The same where Beta counts decide."""
    best, added = beta.best_of_draws(ask, _nonces(ask, count), crowd, policy)
    return _floored(best, added, crowd, policy)


def _nonces(ask: Ask, count: int) -> npt.NDArray[np.uint64]:
    """The decision's own, then others that follow from it."""
    return np.append(np.uint64(ask.nonce), draws.others(ask.nonce, count - 1))


def _floored(best: Ints, added: Floats | None, crowd: Population, policy: Policy) -> Floats:
    """Shares of the draws, and of the floor; shape (offered,)."""
    picked = np.bincount(best, minlength=len(crowd.options_of)) / len(best)
    picked *= 1.0 - policy.explore_floor
    floor = allowed(added, crowd)
    picked[floor] += policy.explore_floor / floor.size
    return picked
