"""A world fitted to a log: the population that the learner's own fit finds, with the log's signals.

Utility is expected reward here. New users are drawn from the fitted population; how long they stay and when
they come is drawn from the log's users, on contexts as often as the log has them. Each draw of a world takes
another draw of what is uncertain of the population, so that the spread over worlds says how sure the log
makes us. What the model cannot say, the world cannot either: users here stay as long whatever they get.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from amp.exits import CommandFailed
from amp.learning import fit, reward, rows
from amp.learning.approaches import Approaches
from amp.learning.carry import carry
from amp.learning.prior import POPULATION_DRAWS, Prior, shipped
from amp.learning.types import Context, Floats, History, Ints, Policy
from amp.simulate.emission import LUCK, Belief, Signalling, signalling
from amp.simulate.streams import ROUNDS_OF_ARRIVAL, Stream
from amp.simulate.worlds import Emission, World

USERS_MIN = 2 * fit.HELD_OUT_MIN
"""Below, nothing can be held out to judge the fit on."""
CONTEXTS_MAX = 64
"""The commonest."""
_FITS = 3
"""Each starts from the one before: the service's own fits come to the same over time."""


@dataclass(frozen=True)
class Quality:
    """What the fit rests on, and how good it is."""

    users: int
    outcomes: int
    score: float
    """Mean log density of a held-out reward, in nats."""
    shipped_score: float
    """The same under the prior that amp ships, which has seen no log."""
    logged: float
    """The log's own mean reward."""
    logged_error: float
    """Its standard error, clustered by user."""


@dataclass(frozen=True)
class FittedPopulation:
    """Everything that a new world is drawn from."""

    approaches: Approaches
    policy: Policy
    """In force: its weights are what everything is judged by."""
    prior: Prior
    signalling: Signalling
    contexts: tuple[Context, ...]
    shares: Floats
    """How often each context is met; shape (contexts,)."""
    arrives: Ints
    """The round in which each of the log's users comes, by their place among all decisions."""
    stays: Ints
    """Interactions of each of the log's users."""
    quality: Quality

    @property
    def best_fixed(self) -> int:
        """The one combination that the fit thinks best for all users and contexts together."""
        offered = self.approaches.offered
        tables = np.array([self.prior.effects.table(context)[0] for context in self.contexts])
        expected = self.approaches.design[offered] @ self.prior.mean + self.shares @ tables
        return int(offered[expected.argmax()])

    def _added(self, context: Context, draw: int) -> Floats:
        """What a context adds to every combination; nothing to one that is not offered."""
        added = np.zeros(self.approaches.count)
        added[self.approaches.offered] = self.prior.effects.table(context)[draw]
        return added

    def _expected_reward(self, utility: Floats) -> Floats:
        return self.signalling.expected_reward(utility, self.policy.weights)

    def stream(self, users: int, seed: int) -> Stream:
        """So many new users in a world that the log allows; the same seed makes the same."""
        rng = np.random.default_rng([seed, 2])
        drawn = int(rng.integers(POPULATION_DRAWS))
        p = len(self.prior.mean)
        root = np.linalg.cholesky(np.linalg.inv(self.prior.precision))
        coefficients = self.prior.mean_draws[drawn] + rng.standard_normal((users, p)) @ root.T
        added = [self._added(each, 1 + drawn) for each in self.contexts]
        like = rng.integers(len(self.stays), size=users)
        order = like[np.argsort(self.arrives[like], kind="stable")]
        count = int(self.stays[order].sum())
        world = World(
            "log",
            self.approaches,
            coefficients @ self.approaches.design.T,
            np.array(added),
            self.contexts,
            Emission(self.signalling.emit, self._expected_reward),
        )
        contexts = rng.choice(len(self.contexts), size=count, p=self.shares)
        chance = np.column_stack([rng.random((count, LUCK - 1)), rng.standard_normal(count)])
        return Stream(world, self.arrives[order], self.stays[order], contexts, chance)


def fit_population(
    histories: Sequence[History], policy: Policy, approaches: Approaches, rng: np.random.Generator
) -> FittedPopulation:
    """The population of a log; the control group is left out, as it is when the service fits.

    Raises:
        CommandFailed: too few users to fit anything to.
    """
    learned = [history[~rows.has(history, rows.CONTROL, "circumstance")] for history in histories]
    learned = [history for history in learned if len(history)]
    if len(learned) < USERS_MIN:
        raise CommandFailed(
            f"The log has {len(learned)} users with outcomes outside the control group; "
            f"nothing can be fitted to fewer than {USERS_MIN}."
        )
    steady = replace(policy, decay=1.0)
    first = fit.fit(learned, shipped(approaches), steady, approaches, rng)
    prior = first.prior
    for _ in range(_FITS - 1):
        prior = fit.fit(learned, prior, steady, approaches, rng).prior
    everything = rows.joined(learned)
    belief = _left_out(learned, prior, steady, approaches)
    contexts, shares = _contexts(everything)
    now = replace(approaches, layouts=(), slots=())  # new users have no rows of earlier layouts
    return FittedPopulation(
        approaches=now,
        policy=policy,
        prior=carry(prior, now),
        signalling=signalling(everything, belief),
        contexts=contexts,
        shares=shares,
        arrives=_arrivals(learned),
        stays=np.array([len(history) for history in learned]),
        quality=_quality(learned, first, policy),
    )


def _quality(learned: Sequence[History], first: fit.Fit, policy: Policy) -> Quality:
    told = [reward.rewards(history, policy.weights) for history in learned]
    counts, sums = np.array([len(each) for each in told]), np.array([each.sum() for each in told])
    mean = float(sums.sum() / counts.sum())
    return Quality(
        users=len(learned),
        outcomes=int(counts.sum()),
        score=first.score,
        shipped_score=first.current_score,
        logged=mean,
        logged_error=float(np.sqrt(np.sum((sums - counts * mean) ** 2)) / counts.sum()),
    )


def _left_out(histories: Sequence[History], prior: Prior, policy: Policy, approaches: Approaches) -> Belief:
    """What the fit expects of each row from its user's other rows.

    With the row itself in, expectation and signal would share its luck.
    """
    means: list[Floats] = []
    sds: list[Floats] = []
    for history in histories:
        x = approaches.design[approaches.points(history)]
        offset = prior.effects.at(history)
        y = reward.rewards(history, policy.weights) - offset
        spread = np.linalg.inv(x.T @ x / prior.noise + prior.precision)
        expected = x @ (spread @ (x.T @ y / prior.noise + prior.precision @ prior.mean))
        variance = np.einsum("np,pq,nq->n", x, spread, x)
        left = 1.0 - variance / prior.noise  # 1 - the row's leverage
        means.append((expected - (1.0 - left) * y) / left + offset)
        sds.append(np.sqrt(variance / left))
    return Belief(np.concatenate(means), np.concatenate(sds))


def _contexts(history: History) -> tuple[tuple[Context, ...], Floats]:
    """The commonest contexts and their shares."""
    level = (history["circumstance"] & rows.LEVEL_MASK).astype(np.int64)
    told, counts = np.unique(history["task_hash"].astype(np.int64) << 2 | level, return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:CONTEXTS_MAX]
    contexts = tuple(Context(int(each) >> 2, int(each) & 3) for each in told[commonest])
    return contexts, counts[commonest] / counts[commonest].sum()


def _arrivals(histories: Sequence[History]) -> Ints:
    """Rounds of arrival: how many of all decisions had been made before, on the scale of a stream."""
    decided = np.sort(rows.decided_ms(rows.joined(histories)))
    first = np.array([int(rows.decided_ms(history)[0]) for history in histories])
    before = np.searchsorted(decided, first)
    return (before / len(decided) * ROUNDS_OF_ARRIVAL).astype(np.int64)
