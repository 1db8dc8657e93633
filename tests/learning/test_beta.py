"""The learner for sceptics: counts of one user alone, worked out by hand, and drawn as Beta says."""

from dataclasses import replace

import numpy as np
import pytest
from histories import COLD, COMPLETED, NEVER_STARTED, PAPER, UNFINISHED, WARM, history, prior
from scipy import stats

from amp.learning import beta
from amp.learning.approaches import PUBLISHED, Approaches
from amp.learning.carry import carry
from amp.learning.learners import choose, describe, user_weight
from amp.learning.population import population
from amp.learning.prior import shipped
from amp.learning.rationale import rationales
from amp.learning.types import Ask, Context, Policy, Preference, Signals

SHIPPED = shipped(PUBLISHED)
LAST_ARE_BEST = prior(PUBLISHED, mean=np.r_[0.5, np.tile([0.0, 0.0, -0.1], 4)], population_sd=0.2)
BETA = Policy(learner="beta")
UNFLOORED = replace(BETA, explore_floor=0.0)
ALL_FLOOR = replace(BETA, explore_floor=1.0)
LOCKED_2 = (Preference(2, locked=True), None, None, None)
FRAMING_2 = (Preference(2), None, None, None)
ON_PAPER = prior(PAPER)


def ask(outcomes=(), *, nonce=1, **said):
    return Ask(history(*outcomes), said.pop("context", Context()), nonce, **said)


def mixed(rng, count):
    outcomes = (NEVER_STARTED, UNFINISHED, COMPLETED, Signals(started=True, completed=True, satisfaction=0.7))
    return [(int(rng.integers(256)), outcomes[rng.integers(4)]) for _ in range(count)]


def options(choice):
    return PUBLISHED.options_of[choice.combination].tolist()


def test_counts_on_paper():
    """Warm completed (0.8), cold never started (0), warm unfinished (0.375): the newest weighs 1."""
    crowd = population(ON_PAPER, PAPER)
    rows = history((WARM, COMPLETED), (COLD, NEVER_STARTED), (WARM, UNFINISHED))
    good, bad = beta.counts(rows, crowd, replace(BETA, decay=0.5))
    assert good.tolist() == pytest.approx([1 + 0.25 * 0.8 + 0.375, 1.0])
    assert bad.tolist() == pytest.approx([1 + 0.25 * 0.2 + 0.625, 1 + 0.5])


def test_each_dimension_counts_an_outcome_once():
    good, bad = beta.counts(history((255, COMPLETED)), population(SHIPPED, PUBLISHED), BETA)
    last = [3, 7, 11, 15]
    assert good[last].tolist() == pytest.approx([1.8] * 4)
    assert bad[last].tolist() == pytest.approx([1.2] * 4)
    assert good.sum() + bad.sum() == pytest.approx(32 + 4)


def test_an_option_is_drawn_as_often_as_its_beta_distributions_say():
    outcomes = [(WARM, COMPLETED)] * 3 + [(COLD, COMPLETED), (COLD, NEVER_STARTED)]
    (warm, cold), (bad_warm, bad_cold) = beta.counts(history(*outcomes), population(ON_PAPER, PAPER), BETA)
    grid = (np.arange(4000) + 0.5) / 4000
    expected = stats.beta.cdf(stats.beta.ppf(grid, warm, bad_warm), cold, bad_cold).mean()
    asks = [ask(outcomes, nonce=nonce) for nonce in range(4000)]
    share = np.mean([each.combination == WARM for each in choose(asks, ON_PAPER, UNFLOORED, PAPER)])
    assert share == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 4000) ** 0.5)
    assert 0.6 < expected < 0.95


def test_a_decision_is_the_same_to_the_bit_alone_and_in_any_batch():
    rng = np.random.default_rng(8)
    asks = [
        ask(mixed(rng, count), nonce=int(rng.integers(2**63)), preferences=preferences, control=control)
        for count in (0, 1, 7, 200)
        for preferences in ((), FRAMING_2, LOCKED_2)
        for control in (False, True)
    ]
    for policy in (BETA, replace(BETA, explore_floor=0.5)):
        alone = [choose([one], SHIPPED, policy, PUBLISHED)[0] for one in asks]
        assert choose(asks, SHIPPED, policy, PUBLISHED) == alone
        assert choose(asks[::-1], SHIPPED, policy, PUBLISHED) == alone[::-1]
    assert choose([], SHIPPED, BETA, PUBLISHED) == []


def test_the_population_decides_for_nobody_but_controls():
    asks = [ask(nonce=nonce) for nonce in range(300)]
    by_one, by_other = (choose(asks, on, UNFLOORED, PUBLISHED) for on in (SHIPPED, LAST_ARE_BEST))
    assert by_one == by_other
    controls = [ask([(0, COMPLETED)] * 30, nonce=nonce, control=True) for nonce in range(50)]
    choices = choose(controls, LAST_ARE_BEST, ALL_FLOOR, PUBLISHED)
    assert {(each.combination, each.explored, each.floored, each.user_weight) for each in choices} == {
        (255, False, False, 0.0)
    }


def test_the_floor_is_uniform_and_marked():
    asks = [ask([(0, COMPLETED)] * 30, nonce=nonce) for nonce in range(5120)]
    choices = choose(asks, SHIPPED, ALL_FLOOR, PUBLISHED)
    seen = np.bincount([each.combination for each in choices], minlength=256)
    assert stats.chisquare(seen).pvalue > 0.001
    assert all(each.floored and each.explored for each in choices)


@pytest.mark.parametrize("policy", [UNFLOORED, ALL_FLOOR])
@pytest.mark.parametrize("control", [True, False])
def test_locks_and_exclusions_hold(policy, control):
    outcomes = [(PUBLISHED.combination((2, 0, 0, 0)), NEVER_STARTED)] * 30
    asks = [
        ask(outcomes, nonce=nonce, preferences=LOCKED_2, control=control, excluded=0b0111_0000_0000_0000)
        for nonce in range(200)
    ]
    choices = choose(asks, SHIPPED, policy, PUBLISHED)
    assert {(options(each)[0], options(each)[3]) for each in choices} == {(2, 3)}
    assert {each.dimension_confidence[0] for each in choices} == {1.0}


def test_a_fresh_preference_is_followed_more_often_than_not():
    asks = [ask(nonce=nonce, preferences=FRAMING_2) for nonce in range(300)]
    assert np.mean([options(each)[0] == 2 for each in choose(asks, SHIPPED, UNFLOORED, PUBLISHED)]) > 0.5


def test_a_shadow_serves_the_baseline():
    own = (1, 2, 0, 3)
    asks = [ask([(0, COMPLETED)] * 5, nonce=nonce) for nonce in range(100)]
    free = choose(asks, SHIPPED, BETA, PUBLISHED)
    shadows = choose(asks, SHIPPED, replace(BETA, mode="shadow", baseline=own), PUBLISHED)
    assert {tuple(options(each)) for each in shadows} == {own}
    assert [each.shadow for each in shadows] == [each.combination for each in free]


def test_a_decision_explores_exactly_when_its_draw_left_the_choice_of_the_means():
    outcomes = [(WARM, COMPLETED), (COLD, UNFINISHED)]
    choices = choose([ask(outcomes, nonce=nonce) for nonce in range(300)], ON_PAPER, UNFLOORED, PAPER)
    assert [each.explored for each in choices] == [each.combination == COLD for each in choices]
    assert {each.explored for each in choices} == {True, False}


def test_confidence_is_the_chance_to_be_the_best_of_its_dimension():
    """Judged by 20,000 draws of the Beta distributions; 64 draws are off by 4 x 0.0625 at most."""
    outcomes = mixed(np.random.default_rng(3), 40)
    choice = choose([ask(outcomes)], SHIPPED, UNFLOORED, PUBLISHED)[0]
    good, bad = beta.counts(history(*outcomes), population(SHIPPED, PUBLISHED), BETA)
    drawn = np.random.default_rng(1).beta(good[:, None], bad[:, None], (16, 20_000)).reshape(4, 4, -1)
    for dimension, option in enumerate(options(choice)):
        true = np.mean(drawn[dimension, option] == drawn[dimension].max(axis=0))
        assert choice.dimension_confidence[dimension] == pytest.approx(true, abs=0.25)
    assert choice.confidence == pytest.approx(np.mean(choice.dimension_confidence))
    sure = choose([ask([(WARM, COMPLETED), (COLD, NEVER_STARTED)] * 40)], ON_PAPER, UNFLOORED, PAPER)[0]
    assert (sure.combination, sure.confidence) == (WARM, 1.0)


def test_the_users_weight_is_how_much_narrower_the_distributions_have_become():
    assert user_weight(history(), ON_PAPER, BETA, PAPER) == 0.0
    outcomes = [(WARM, COMPLETED)]
    variances = [stats.beta.var(1.8, 1.2), 1 / 12]
    assert user_weight(history(*outcomes), ON_PAPER, BETA, PAPER) == pytest.approx(
        1 - np.mean(variances) * 12
    )
    weights = [
        user_weight(history(*mixed(np.random.default_rng(1), count)), SHIPPED, BETA, PUBLISHED)
        for count in (0, 5, 20, 80)
    ]
    assert weights == sorted(weights)
    assert weights[-1] < 1


def test_what_is_described_is_what_decides():
    outcomes = mixed(np.random.default_rng(2), 30)
    told = describe(history(*outcomes), LOCKED_2, Context(), SHIPPED, BETA, PUBLISHED)
    good, bad = beta.counts(history(*outcomes), population(SHIPPED, PUBLISHED), BETA)
    flat = [option for dimension in told for option in dimension.options]
    assert [each.mean for each in flat] == pytest.approx((good / (good + bad)).tolist())
    assert [each.sd for each in flat] == pytest.approx(stats.beta.std(good, bad).tolist())
    assert {each.population_mean for each in flat} == {0.5}
    assert flat[0].population_sd == pytest.approx(stats.beta.std(1, 1))
    assert [each.best for each in told[0].options] == [0.0, 0.0, 1.0, 0.0]
    choice = choose([ask(outcomes, preferences=LOCKED_2)], SHIPPED, UNFLOORED, PUBLISHED)[0]
    shown = [belief.options[option].best for belief, option in zip(told, options(choice), strict=True)]
    assert list(choice.dimension_confidence) == shown


def test_the_rationale_claims_nobody_elses_outcomes():
    crowd = prior(PUBLISHED, crowd=(50, 700))
    one = ask([(0, COMPLETED)] * 2)
    (told,) = rationales([one], choose([one], crowd, UNFLOORED, PUBLISHED), crowd, PUBLISHED, UNFLOORED)
    assert told.startswith("Nobody else's outcomes count here, so suggestedFraming ")
    assert told.endswith("is a try; of this user, 2 outcomes are known.")
    known = ask([(0, COMPLETED), (255, NEVER_STARTED)] * 20)
    (told,) = rationales([known], choose([known], crowd, UNFLOORED, PUBLISHED), crowd, PUBLISHED, UNFLOORED)
    assert told.startswith("This user completed ")


def test_an_option_that_is_paused_is_not_described_and_not_chosen():
    first, *others = PUBLISHED.dimensions
    paused = Approaches((replace(first, closed=(3,)), *others))
    on = carry(shipped(PUBLISHED), paused)
    told = beta.describe(history((3, COMPLETED), (64, COMPLETED)), (), on, BETA, paused)
    assert [option.option for option in told[0].options] == list(first.options[:3])
    picked = beta.choose([ask([(192, COMPLETED)] * 9, nonce=n) for n in range(200)], on, BETA, paused)
    assert max(paused.options_of[each.combination, 0] for each in picked) == 2
