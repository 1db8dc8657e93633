from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from histories import COLD, COMPLETED, NEVER_STARTED, PAPER, START_MS, UNFINISHED, WARM, history, prior
from scipy.stats import norm

from amp.learning.approaches import PUBLISHED
from amp.learning.features import features
from amp.learning.posterior import describe, informed, posteriors
from amp.learning.prior import POPULATION_DRAWS, shipped
from amp.learning.reward import rewards
from amp.learning.types import Context, Effects, Policy, Preference, Signals

POLICY = Policy()
ROOT_HALF = 0.5**0.5


class Constant(Effects):
    """Offsets that are the same for every combination and context."""

    def __init__(self, offset):
        self.offset = offset

    def table(self, _context):
        return np.full((1 + POPULATION_DRAWS, 2), self.offset)

    def options(self, _context):
        return np.full((1 + POPULATION_DRAWS, 2), self.offset)

    def at(self, rows):
        return np.full(len(rows), self.offset)


def believe(*outcomes, preferences=(), on=None, policy=POLICY, approaches=PAPER):
    """The first dimension's options, after these outcomes."""
    on = on or prior(approaches)
    return describe(history(*outcomes), preferences, Context(), on, policy, approaches)[0].options


def weight_of_rows(*outcomes, on, approaches=PAPER):
    return float(posteriors([history(*outcomes)], on, POLICY, approaches).user_weight[0])


def test_one_row_of_two_options_gives_the_posterior_written_out_by_hand():
    """x(warm) = [1, 1/√2], mu = [1/2, 0], S = I, s2 = 1/2, one warm outcome of reward 0.

    P = I + 2xx', so P^-1 = I - xx'/2 (Sherman and Morrison, x'x = 3/2) and P^-1 x = x/4.
    m = mu + P^-1 x (0 - 1/2)/s2 = mu - x/4 = [1/4, -1/(4√2)].
    Warm: 1/4 - 1/8 = 1/8. Cold: 1/4 + 1/8 = 3/8.
    Variances: warm 3/2 - (3/2)²/2 = 3/8; cold, whose x'x(warm) is 1/2: 3/2 - (1/2)²/2 = 11/8.
    User weight: 1 - tr(P^-1)/tr(S) = 1 - (2 - 3/4)/2 = 3/8.
    """
    on = prior(PAPER, sd=1.0, noise=0.5)
    warm, cold = believe((WARM, NEVER_STARTED), on=on)
    assert (warm.option, warm.mean, warm.sd) == ("warm", pytest.approx(1 / 8), pytest.approx((3 / 8) ** 0.5))
    assert (cold.option, cold.mean, cold.sd) == ("cold", pytest.approx(3 / 8), pytest.approx((11 / 8) ** 0.5))
    assert (warm.population_mean, warm.population_sd) == (0.5, pytest.approx(1.5**0.5))
    assert weight_of_rows((WARM, NEVER_STARTED), on=on) == pytest.approx(3 / 8)


def test_forty_rows_agree_with_the_formula_inverted_outright():
    rng = np.random.default_rng(3)
    outcomes = [
        (int(rng.integers(256)), Signals(started=bool(rng.random() < 0.8), satisfaction=0.3))
        for _ in range(40)
    ]
    rows = history(*outcomes)
    on = shipped(PUBLISHED)
    X = PUBLISHED.design[rows["combination"]]
    W = np.diag(POLICY.decay ** np.arange(39, -1, -1.0))
    P = X.T @ W @ X / on.noise + on.precision
    beliefs = posteriors([rows], on, POLICY, PUBLISHED)
    for column, mu in [(0, on.mean), (1, on.mean_draws[0]), (64, on.mean_draws[63])]:
        right = X.T @ W @ rewards(rows, POLICY.weights) / on.noise + on.precision @ mu
        assert beliefs.root[0].T @ beliefs.whitened[0, :, column] == pytest.approx(np.linalg.solve(P, right))
    assert beliefs.root[0].T @ beliefs.root[0] == pytest.approx(np.linalg.inv(P))


def test_what_is_stated_reads_the_rows_by_each_draws_own_offsets():
    """Draw k believes (mu_k, off_k): its centre is m_k = P^-1 (X'W(y - off_k)/s2 + S^-1 mu_k)."""
    rng = np.random.default_rng(5)
    on = replace(
        shipped(PUBLISHED), effects=features(history((0, COMPLETED)), PUBLISHED).effects(_coefficients(rng))
    )
    rows = history(
        *[(int(rng.integers(256)), COMPLETED if rng.random() < 0.5 else UNFINISHED) for _ in range(30)]
    )
    beliefs = posteriors([rows], on, POLICY, PUBLISHED)
    told = informed(beliefs, [rows], on, POLICY, PUBLISHED)
    X, y = PUBLISHED.design[rows["combination"]], rewards(rows, POLICY.weights)
    W = np.diag(POLICY.decay ** np.arange(29, -1, -1.0))
    P = X.T @ W @ X / on.noise + on.precision
    for column, mu in [(0, on.mean), (1, on.mean_draws[0]), (64, on.mean_draws[63])]:
        offsets = on.effects.table(Context())[column, rows["combination"]]
        right = X.T @ W @ (y - offsets) / on.noise + on.precision @ mu
        assert told.root[0].T @ told.whitened[0, :, column] == pytest.approx(np.linalg.solve(P, right))
    assert not np.allclose(told.whitened, beliefs.whitened)


def _coefficients(rng):
    """Of pairs alone, in the mean and 64 draws."""
    size = features(history((0, COMPLETED)), PUBLISHED).size
    versions = np.zeros((1 + POPULATION_DRAWS, size))
    versions[:, 13:67] = rng.normal(0.0, 0.1, (1 + POPULATION_DRAWS, 54))
    return versions


def test_a_precision_that_no_covariance_has_is_refused():
    with pytest.raises(ValueError, match="positive definite"):
        believe(on=_indefinite())


def _indefinite():
    on = prior(PAPER)
    on.precision[1, 1] = -1.0
    return on


def test_each_row_of_the_published_table_moves_the_shown_option_its_way():
    def shown(signals):
        return believe((WARM, signals))[WARM].mean

    before = believe()[WARM].mean
    fast = Signals(started=True, completed=True, time_to_start_ms=10_000)
    flow = Signals(started=True, completed=True, flow_state=True)
    assert shown(NEVER_STARTED) < shown(UNFINISHED) < before < shown(COMPLETED)
    assert before - shown(UNFINISHED) < 0.5 * (before - shown(NEVER_STARTED))
    assert shown(COMPLETED) < min(shown(fast), shown(flow))


def test_probability_of_being_best_follows_the_evidence_and_sums_to_one():
    for dimension in describe(
        history(*[(0, COMPLETED), (255, NEVER_STARTED)] * 6),
        (),
        Context(),
        shipped(PUBLISHED),
        POLICY,
        PUBLISHED,
    ):
        chances = [option.best for option in dimension.options]
        assert sum(chances) == pytest.approx(1.0)
        assert chances[0] == max(chances)
        assert chances[-1] == min(chances)


@pytest.mark.parametrize("pairs", [0, 1, 6, 25])
def test_probability_of_being_best_is_that_of_the_posterior(pairs):
    """With two options it is a normal probability; the tolerance is four standard errors of 64 draws."""
    outcomes, on = [(WARM, COMPLETED), (COLD, UNFINISHED)] * pairs, prior(PAPER)
    beliefs = posteriors([history(*outcomes)], on, POLICY, PAPER)
    contrast = (beliefs.root[0].T @ beliefs.whitened[0, :, 0])[1]
    sd = (beliefs.root[0].T @ beliefs.root[0])[1, 1] ** 0.5
    best = norm.cdf(contrast / sd)
    assert believe(*outcomes, on=on)[WARM].best == pytest.approx(best, abs=(best * (1 - best) / 4) ** 0.5)


def test_uncertainty_of_the_population_widens_every_belief():
    sure, unsure = believe(on=prior(PAPER)), believe(on=prior(PAPER, population_sd=0.3))
    assert all(wide.sd > narrow.sd for wide, narrow in zip(unsure, sure, strict=True))
    assert all(wide.population_sd > narrow.population_sd for wide, narrow in zip(unsure, sure, strict=True))


def test_a_later_outcome_weighs_more_than_an_earlier_one_and_without_decay_the_same():
    rose, fell = [(WARM, NEVER_STARTED), (WARM, COMPLETED)], [(WARM, COMPLETED), (WARM, NEVER_STARTED)]
    assert believe(*rose)[WARM].mean > believe(*fell)[WARM].mean
    still = Policy(decay=1.0)
    assert believe(*rose, policy=still)[WARM].mean == pytest.approx(believe(*fell, policy=still)[WARM].mean)


def test_what_the_population_offset_explains_is_not_credited_to_the_user():
    """A completion (reward 0.8) where everybody gets 0.3 more tells what a neutral outcome (0.5) does."""
    easy = believe((WARM, COMPLETED), on=prior(PAPER, effects=Constant(0.3)))
    neutral = believe((WARM, Signals(started=True)))
    assert [option.mean for option in easy] == pytest.approx([option.mean + 0.3 for option in neutral])


def test_user_weight_is_nothing_without_rows_and_rises_with_them():
    on = shipped(PUBLISHED)
    weights = [weight_of_rows(*[(7, COMPLETED)] * n, on=on, approaches=PUBLISHED) for n in (0, 1, 5, 20, 100)]
    assert weights[0] == 0.0
    assert all(fewer < more for fewer, more in pairwise(weights))
    assert weights[-1] < 1.0


def test_user_weight_rises_until_decay_saturates_it():
    """At .98 a row stands for 50 in the long run, and 300 have said nearly all that can be said."""
    on, outcomes = prior(PAPER), [(WARM, COMPLETED), (COLD, UNFINISHED)]

    def gained(decay):
        weights = [
            float(posteriors([history(*outcomes * n)], on, Policy(decay=decay), PAPER).user_weight[0])
            for n in (75, 150, 225)
        ]
        return np.diff(weights)

    fading, lasting = gained(0.98), gained(1.0)
    assert fading[0] > 0.0
    assert fading[1] < 0.002
    assert lasting[1] > 5 * fading[1]


@pytest.mark.parametrize("gap", [0.0, 0.6])
def test_a_stated_preference_leads_even_where_the_population_thinks_otherwise(gap):
    on = prior(PAPER, mean=[0.5, -gap * ROOT_HALF], sd=0.01)
    assert believe(on=on)[COLD].mean - believe(on=on)[WARM].mean == pytest.approx(gap)
    warm, cold = believe(on=on, preferences=(Preference(WARM),))
    assert warm.mean - cold.mean == pytest.approx(0.3)


@pytest.mark.parametrize(("failures", "kept"), [(5, True), (36, False)])
def test_a_handful_of_contrary_outcomes_does_not_overturn_a_preference_but_three_dozen_do(failures, kept):
    contrary = [(WARM, NEVER_STARTED), (COLD, COMPLETED)] * failures
    warm, cold = believe(*contrary, preferences=(Preference(WARM),))
    assert (warm.mean > cold.mean) is kept
    assert believe(*contrary)[WARM].mean < believe(*contrary)[COLD].mean


def test_outcomes_from_before_a_preference_was_stated_do_not_speak_against_it():
    contrary = [(WARM, NEVER_STARTED), (COLD, COMPLETED)] * 36
    warm, cold = believe(*contrary, preferences=(Preference(WARM, since_ms=START_MS + 10**6),))
    assert warm.mean > cold.mean


def test_a_preference_that_goes_well_never_loses_its_lead():
    warm, cold = believe(*[(WARM, COMPLETED)] * 200, preferences=(Preference(WARM),))
    assert warm.mean > cold.mean + 0.1


def test_a_preference_moves_no_other_dimension_and_no_other_option():
    rows = history(*[(5, COMPLETED), (200, UNFINISHED)] * 4)
    on = shipped(PUBLISHED)
    plain = describe(rows, (), Context(), on, POLICY, PUBLISHED)
    wished = describe(rows, (None, Preference(2), None, None), Context(), on, POLICY, PUBLISHED)
    assert [wished[each] for each in (0, 2, 3)] == [plain[each] for each in (0, 2, 3)]
    means = [[option.mean for option in one[1].options] for one in (plain, wished)]
    assert [before == after for before, after in zip(*means, strict=True)] == [True, True, False, True]


def test_a_lock_leaves_its_option_alone_in_the_race_and_says_nothing_of_rewards():
    locked, plain = believe(preferences=(Preference(COLD, locked=True),)), believe()
    assert [option.best for option in locked] == [0.0, 1.0]
    assert [option.mean for option in locked] == [option.mean for option in plain]
