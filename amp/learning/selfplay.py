"""Picks v, the share of a user's posterior spread that draws use, by playing the fitted prior against itself.

Synthetic users are drawn from the prior, one of the population's draws behind each; the learner knows the
prior alone and decides as the service does, on the model's own linear-Gaussian terms. All temperatures meet
the same users, contexts and noise. Source: learning.md section 1, "A nightly self-play", and section 4, F.
"""

from dataclasses import dataclass

import numpy as np

from amp.learning.approaches import Approaches
from amp.learning.defaults import known_contexts
from amp.learning.prior import POPULATION_DRAWS, Prior
from amp.learning.types import Floats, Ints, Policy

TEMPERATURES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
USERS = 256
INTERACTIONS = 40
COEFFICIENTS_MAX = 48
"""Of a user; a wider model keeps the temperature it has: each game would cost their cube, and minutes."""


@dataclass(frozen=True)
class _Game:
    """What is the same for every temperature."""

    worth: Floats
    """True value of every combination to each user, but for the context; shape (USERS, count)."""
    population: Ints
    """Which of the population's draws is true for each user; shape (USERS,)."""
    contexts: Ints
    """Shape (INTERACTIONS, USERS)."""
    offsets: Floats
    """Of each context, the mean and every draw; shape (contexts, 1 + draws, count)."""
    noise: Floats
    """Of the reward; shape (INTERACTIONS, USERS)."""
    normals: Floats
    """Of the decisions' draws; shape (INTERACTIONS, USERS, p)."""
    drawn: Ints
    """Which of the population's draws each decision takes; shape (INTERACTIONS, USERS)."""


def temperature(prior: Prior, policy: Policy, approaches: Approaches, rng: np.random.Generator) -> float:
    """The temperature under which simulated users are worth most over their first `INTERACTIONS`."""
    if prior.mean.size > COEFFICIENTS_MAX:
        return prior.temperature
    game = _game(prior, approaches, rng)
    return max(TEMPERATURES, key=lambda each: _play(game, prior, policy, approaches, each))


def _game(prior: Prior, approaches: Approaches, rng: np.random.Generator) -> _Game:
    p = prior.mean.size
    population = rng.integers(POPULATION_DRAWS, size=USERS)
    own = rng.standard_normal((USERS, p)) @ np.linalg.cholesky(prior.variances.spread).T
    contexts = known_contexts(prior)
    shape, table = (INTERACTIONS, USERS), (1 + POPULATION_DRAWS, len(approaches.offered))
    return _Game(
        worth=(prior.mean_draws[population] + own) @ approaches.design[approaches.offered].T,
        population=population,
        contexts=rng.integers(len(contexts), size=shape),
        offsets=np.array([np.broadcast_to(prior.effects.table(each), table) for each in contexts]),
        noise=rng.standard_normal(shape) * np.sqrt(prior.noise),
        normals=rng.standard_normal((*shape, p)),
        drawn=rng.integers(POPULATION_DRAWS, size=shape),
    )


def _play(game: _Game, prior: Prior, policy: Policy, approaches: Approaches, v: float) -> float:
    """Mean true value of what is chosen."""
    design = approaches.design[approaches.offered]
    share, everybody = policy.population_temperature, np.arange(USERS)
    gram = np.zeros((USERS, prior.mean.size, prior.mean.size))
    pull = np.zeros((USERS, prior.mean.size))
    won = 0.0
    for step in range(len(game.contexts)):
        context, drawn = game.contexts[step], 1 + game.drawn[step]
        root = np.linalg.inv(np.linalg.cholesky(gram / prior.noise + prior.precision))
        centre = prior.mean + share * (prior.mean_draws[drawn - 1] - prior.mean)
        told = (root @ (pull / prior.noise + centre @ prior.precision)[:, :, None])[:, :, 0]
        beta = ((told + v * game.normals[step])[:, None, :] @ root)[:, 0]
        mean = game.offsets[context, 0]
        expected = beta @ design.T + mean + share * (game.offsets[context, drawn] - mean)
        chosen = expected.argmax(axis=1)
        worth = game.worth[everybody, chosen] + game.offsets[context, 1 + game.population, chosen]
        won += float(worth.mean())
        x = design[chosen]
        y = worth + game.noise[step] - mean[everybody, chosen]
        gram *= policy.decay
        pull *= policy.decay
        gram += x[:, :, None] * x[:, None, :]
        pull += x * y[:, None]
    return won / len(game.contexts)
