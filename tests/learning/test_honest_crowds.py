"""What is stated to users whom a crowd has taught, against worlds that are not as the model thinks.

Truths are logistic, the model is linear. Three populations a world: what a population shares is right or
wrong for all of its users at once, so that one population tells little, however many users it has.
Source: learning.md sections 5 and 6.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from amp.learning import draws
from amp.learning.approaches import PUBLISHED
from amp.learning.choice import choose
from amp.learning.posterior import informed, posteriors
from amp.learning.propensity import propensities
from amp.learning.types import Ask, Policy
from amp.simulate import streams, worlds
from amp.simulate.histories import Histories
from amp.simulate.learner import Learner
from amp.simulate.lineup import LINEUP
from amp.simulate.run import run
from amp.simulate.score import BINS, score

POPULATIONS, CROWD, LATE = (1, 2, 3), 600, 200
INTERACTIONS = (1, 5, 20, 49)
"""Rows that a user has when what is stated is looked at."""
pytestmark = pytest.mark.timeout(400)

POLICY = Policy()
NORMAL_90 = 1.645
NAMES = [dimension.name for dimension in PUBLISHED.dimensions]


@dataclass(frozen=True)
class Stated:
    """What was stated at one interaction of every late user, and what is true; an array a user each."""

    asks: list[Ask]
    covered: np.ndarray
    """Whether the pick's true value lies in its 90 % interval."""
    confidence: np.ndarray
    """By dimension; shape (users, dimensions)."""
    best: np.ndarray
    """Whether the option shown truly is the best of its dimension, the others averaged; same shape."""


class Late:
    """Users of a world who come when its crowd has taught the prior; they teach nobody."""

    def __init__(self, name, population):
        world = worlds.make(name, CROWD + LATE, population, PUBLISHED)
        stream = streams.stream(replace(world, own=world.own[:CROWD]), population)
        crowd = Learner(CROWD, PUBLISHED, POLICY, np.random.default_rng(population))
        run(stream, crowd)
        self.on = crowd.prior
        self.world = replace(world, own=world.own[CROWD:])
        self.rng = np.random.default_rng([population, 2])
        self.histories = Histories(LATE)

    def interact(self, now):
        """One decision and its outcome for everybody; what was stated."""
        users, contexts = np.arange(LATE), self.rng.integers(len(worlds.CONTEXTS), size=LATE)
        turn = streams.Turn(users, contexts, self.rng.integers(2**62, size=LATE))
        asks = [
            Ask(self.histories.of(user), turn.among[context], nonce) for user, context, nonce in turn.each()
        ]
        choices = choose(asks, self.on, POLICY, PUBLISHED)
        picks = np.array([each.combination for each in choices])
        utilities = self.world.utilities(users, contexts)
        stated = None
        if now in INTERACTIONS:
            confidence = np.array([each.dimension_confidence for each in choices])
            stated = Stated(
                asks, self.covered(asks, picks, utilities), confidence, truly_best(utilities, picks)
            )
        told = worlds.emit(utilities[users, picks], worlds.luck(self.rng, LATE))
        self.histories.append(users, Histories.rows(turn, now, picks, told))
        return stated

    def covered(self, asks, picks, utilities):
        """In terms of what is learned from, the reward or an index of the signals."""
        histories = [each.history for each in asks]
        beliefs = posteriors(histories, self.on, POLICY, PUBLISHED)
        beliefs = informed(beliefs, histories, self.on, POLICY, PUBLISHED)
        directions = np.einsum("upq,uq->up", beliefs.root, PUBLISHED.design[picks])
        centres = np.einsum("up,upk->uk", directions, beliefs.whitened)
        centres += [
            self.on.effects.table(each.context)[:, pick] for each, pick in zip(asks, picks, strict=True)
        ]
        sd = np.sqrt((directions**2).sum(axis=1) + centres[:, 1:].var(axis=1))
        truth = worlds.expected_reward(utilities[np.arange(LATE), picks], self.on.heard(POLICY))
        return np.abs(truth - centres[:, 0]) < NORMAL_90 * sd


def truly_best(utilities, picks):
    values = worlds.expected_reward(utilities).reshape(LATE, *PUBLISHED.sizes)
    best = []
    for dimension in range(len(NAMES)):
        others = tuple(1 + each for each in range(len(NAMES)) if each != dimension)
        means = values.mean(axis=others)
        best.append(means.argmax(axis=1) == PUBLISHED.options_of[picks, dimension])
    return np.array(best).T


@cache
def late(name):
    """What was stated to the late users of every population, by interaction; and the priors they met."""
    stated = {now: [] for now in INTERACTIONS}
    priors = []
    for population in POPULATIONS:
        users = Late(name, population)
        priors.append(users.on)
        for now in range(max(INTERACTIONS) + 1):
            told = users.interact(now)
            if told is not None:
                stated[now].append(told)
    return stated, priors


def calibration_error(confidence, best):
    """Mean distance of stated and true shares over ten bins of confidence, weighted by their counts."""
    bins = np.minimum((confidence * 10).astype(int), 9)
    apart = np.bincount(bins, confidence - best, 10)
    return float(np.abs(apart).sum() / confidence.size)


WORLDS = ("c", "d", "e")


@pytest.mark.slow
@pytest.mark.parametrize("rows", INTERACTIONS)
@pytest.mark.parametrize("world", WORLDS)
def test_an_interval_of_90_percent_holds_the_picks_true_value_about_as_often(world, rows):
    """Measured .92 .91 .93 .93 in c, .89 .92 .90 .94 in d, .92 .92 .95 .95 in e; standard error .012.

    Where the rows are read by the mean offsets for all draws alike, .98 to .99 after 49 rows.
    """
    covered = np.concatenate([each.covered for each in late(world)[0][rows]])
    assert 0.85 <= covered.mean() <= 0.96


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_an_option_is_the_best_of_its_dimension_about_as_often_as_is_stated(world):
    """Measured .031, .051, .034."""
    stated, best = confidences(world)
    assert calibration_error(stated.ravel(), best.ravel()) < 0.10


@pytest.mark.slow
@pytest.mark.parametrize("dimension", NAMES)
def test_so_it_is_in_each_dimension_over_all_worlds(dimension):
    """Measured .020, .051, .089, .044.

    Over all worlds, for within one a dimension has three populations: where the default of one of them is
    right for nearly every user, all of its statements are too modest at once (.18 in the worst).
    """
    stated, best = (np.concatenate(each) for each in zip(*map(confidences, WORLDS), strict=True))
    index = NAMES.index(dimension)
    assert calibration_error(stated[:, index], best[:, index]) < 0.10


@pytest.mark.slow
@pytest.mark.parametrize("world", ["c", "d", "e"])
def test_the_more_is_known_of_a_user_the_surer_is_what_is_stated_and_the_truer(world):
    stated = late(world)[0]
    sure, true = (
        [np.mean([getattr(each, name) for each in stated[rows]]) for rows in INTERACTIONS]
        for name in ("confidence", "best")
    )
    assert sure[-1] > sure[0]
    assert true[-1] > true[0]


def confidences(world):
    """Those of all late users at all interactions; shape (n, dimensions) each."""
    told = [each for rows in INTERACTIONS for each in late(world)[0][rows]]
    return (np.concatenate([getattr(each, name) for each in told]) for name in ("confidence", "best"))


# Propensities


@pytest.mark.slow
def test_importance_weights_of_the_default_policy_average_to_one_on_users_with_histories():
    """E[1 / (256 p)] = 1, floor on, 1,024 draws a decision.

    The floor decides once in a hundred and then weighs up to a hundred: its decisions are drawn apart, as
    many as the others, and each kind counts with its probability.
    """
    stated, priors = late("c")
    asks = [ask for rows in INTERACTIONS for ask in stated[rows][0].asks]
    rng = np.random.default_rng(3)
    mean, variance = 0.0, 0.0
    for floored, share in ((True, POLICY.explore_floor), (False, 1.0 - POLICY.explore_floor)):
        weights = importance_weights(asks, nonces(rng, DECISIONS, floored=floored), priors[0])
        mean += share * weights.mean()
        variance += share**2 * weights.var() / DECISIONS
    assert 3 * variance**0.5 < 0.03
    assert abs(mean - 1.0) < 0.03


DECISIONS = 1600
"""Of each kind."""


def nonces(rng, count, *, floored):
    """Random ones for which the floor decides, or does not."""
    drawn = rng.integers(2**63, size=count * (150 if floored else 2), dtype=np.uint64)
    below = draws.uniforms(drawn, 1)[:, 0] < POLICY.explore_floor
    return drawn[below == floored][:count].tolist()


def importance_weights(asks, drawn, on):
    made = [
        Ask(asks[index % len(asks)].history, asks[index % len(asks)].context, nonce)
        for index, nonce in enumerate(drawn)
    ]
    assert len(made) == DECISIONS
    picks = [each.combination for each in choose(made, on, POLICY, PUBLISHED)]
    told = propensities(made, on, POLICY, PUBLISHED)[np.arange(DECISIONS), picks]
    return 1.0 / (PUBLISHED.count * told)


# Beside the policy that knows the population


@pytest.mark.slow
@pytest.mark.parametrize("name", ["c", "d", "e", "f"])
def test_late_users_of_a_small_population_get_nearly_what_the_true_prior_would_give_them(name):
    """300 users, one seed; wanted is .95 of it.

    Over five seeds (before self-play) the ratio's standard deviation was .02 to .05 in a bin and .01 to .04
    over all four: two of those are the margin here.
    """
    stream = streams.stream(worlds.make(name, 300, 1, PUBLISHED), 1)
    ours, known = (
        score(stream, run(stream, LINEUP[each](stream, np.random.default_rng([1, *each.encode()])))).late
        for each in ("ours", "known-prior")
    )
    assert len(ours) == len(BINS)
    assert (ours / known > 0.95 - 2 * 0.05).all()
    assert ours.sum() / known.sum() > 0.95 - 2 * 0.04
