from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from histories import COLD, COMPLETED, NEVER_STARTED, PAPER, UNFINISHED, WARM, history, packed, prior
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from scipy import stats

from amp.learning import rows
from amp.learning.approaches import PUBLISHED
from amp.learning.choice import choose
from amp.learning.posterior import describe, posteriors
from amp.learning.prior import POPULATION_DRAWS, shipped
from amp.learning.types import Ask, Context, Effects, Policy, Preference, Signals

SHIPPED = shipped(PUBLISHED)
LAST_ARE_BEST = prior(PUBLISHED, mean=np.r_[0.5, np.tile([0.0, 0.0, -0.1], 4)], population_sd=0.2)
POLICY = Policy()
UNFLOORED = Policy(explore_floor=0.0)
ALL_FLOOR = Policy(explore_floor=1.0)
FRAMING_2 = (Preference(2), None, None, None)
LOCKED_2 = (Preference(2, locked=True), None, None, None)


def ask(outcomes=(), *, nonce=1, **said):
    return Ask(history(*outcomes), said.pop("context", Context()), nonce, **said)


def mixed(rng, count):
    outcomes = (NEVER_STARTED, UNFINISHED, COMPLETED, Signals(started=True, completed=True, satisfaction=0.7))
    return [(int(rng.integers(256)), outcomes[rng.integers(4)]) for _ in range(count)]


def options(choice):
    return PUBLISHED.options_of[choice.combination].tolist()


def mean_choice(one, on, policy):
    beliefs = posteriors([one.history], on, policy, PAPER)
    return int((PAPER.design @ (beliefs.root[0].T @ beliefs.whitened[0, :, 0])).argmax())


def test_a_decision_is_the_same_to_the_bit_alone_and_in_any_batch():
    rng = np.random.default_rng(8)
    asks = [
        ask(mixed(rng, count), nonce=int(rng.integers(2**63)), preferences=preferences, control=control)
        for count in (0, 1, 7, 40, 200)
        for preferences in ((), FRAMING_2, LOCKED_2)
        for control in (False, True)
    ]
    for policy in (POLICY, replace(POLICY, explore_floor=0.5)):
        alone = [choose([one], SHIPPED, policy, PUBLISHED)[0] for one in asks]
        assert choose(asks, SHIPPED, policy, PUBLISHED) == alone
        assert choose(asks[::-1], SHIPPED, policy, PUBLISHED) == alone[::-1]
    assert choose([], SHIPPED, POLICY, PUBLISHED) == []


@settings(max_examples=30)
@given(st.permutations(packed(mixed(np.random.default_rng(4), 25))), st.integers(0, 2**64 - 1))
def test_the_order_in_which_outcomes_arrived_changes_nothing_to_the_bit(shuffled, nonce):
    in_order = packed(mixed(np.random.default_rng(4), 25))
    decided = [
        choose([Ask(rows.unpack(b"".join(each)), Context(), nonce)], SHIPPED, POLICY, PUBLISHED)
        for each in (in_order, shuffled)
    ]
    assert decided[0] == decided[1]


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_an_option_is_drawn_as_often_as_the_two_level_posterior_says(temperature):
    """For two options the share is a mean of normal probabilities, one for each population draw."""
    outcomes = [(WARM, COMPLETED), (COLD, COMPLETED), (WARM, UNFINISHED)]
    on, policy = prior(PAPER, population_sd=0.1), Policy(temperature=temperature, explore_floor=0.0)
    beliefs = posteriors([history(*outcomes)], on, policy, PAPER)
    contrasts = (beliefs.root[0].T @ beliefs.whitened[0, :, 1:])[1]
    sd = (beliefs.root[0].T @ beliefs.root[0])[1, 1] ** 0.5
    expected = stats.norm.cdf(contrasts / (temperature * sd)).mean()
    asks = [ask(outcomes, nonce=nonce) for nonce in range(4000)]
    share = np.mean([choice.combination == WARM for choice in choose(asks, on, policy, PAPER)])
    assert share == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 4000) ** 0.5)
    assert 0.1 < expected < 0.9


def test_a_decision_explores_exactly_when_its_draw_left_the_choice_of_the_posterior_mean():
    outcomes, on = [(WARM, COMPLETED), (COLD, UNFINISHED)], prior(PAPER, population_sd=0.1)
    asks = [ask(outcomes, nonce=nonce) for nonce in range(300)]
    expected = mean_choice(asks[0], on, UNFLOORED)
    choices = choose(asks, on, UNFLOORED, PAPER)
    assert [choice.explored for choice in choices] == [choice.combination != expected for choice in choices]
    assert {choice.explored for choice in choices} == {True, False}
    assert not any(choice.floored for choice in choices)


def test_without_temperature_and_population_doubt_nothing_is_explored():
    asks = [ask([(WARM, COMPLETED)], nonce=nonce) for nonce in range(100)]
    choices = choose(asks, prior(PAPER), Policy(temperature=0.0, explore_floor=0.0), PAPER)
    assert {(choice.combination, choice.explored) for choice in choices} == {(WARM, False)}


def test_the_floor_is_uniform_over_the_combinations_and_always_marked():
    asks = [ask([(0, COMPLETED)] * 30, nonce=nonce) for nonce in range(5120)]
    choices = choose(asks, SHIPPED, ALL_FLOOR, PUBLISHED)
    seen = np.bincount([choice.combination for choice in choices], minlength=256)
    assert stats.chisquare(seen).pvalue > 0.001
    assert all(choice.floored and choice.explored for choice in choices)


def test_the_floor_decides_its_share_of_decisions():
    asks = [ask(nonce=nonce) for nonce in range(5000)]
    floored = [choice.floored for choice in choose(asks, prior(PAPER), Policy(explore_floor=0.05), PAPER)]
    assert np.mean(floored) == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / 5000) ** 0.5)


@pytest.mark.parametrize("policy", [UNFLOORED, ALL_FLOOR])
@pytest.mark.parametrize("control", [True, False])
def test_nobody_is_ever_shown_what_a_lock_removed(policy, control):
    outcomes = [(PUBLISHED.combination((2, 0, 0, 0)), NEVER_STARTED)] * 30
    asks = [ask(outcomes, nonce=nonce, preferences=LOCKED_2, control=control) for nonce in range(300)]
    choices = choose(asks, SHIPPED, policy, PUBLISHED)
    assert {options(choice)[0] for choice in choices} == {2}
    assert {choice.dimension_confidence[0] for choice in choices} == {1.0}
    assert (len({choice.combination for choice in choices}) == 1) is control


@pytest.mark.parametrize("policy", [UNFLOORED, ALL_FLOOR])
@pytest.mark.parametrize("control", [True, False])
@pytest.mark.parametrize("preferences", [(), FRAMING_2, LOCKED_2])
def test_nobody_is_ever_shown_what_the_request_excluded(policy, control, preferences):
    """Not by a draw, the floor or the population's default, nor by a preference or a lock."""
    asks = [
        ask(nonce=nonce, preferences=preferences, control=control, excluded=0b1110_0000_0000_0100)
        for nonce in range(300)
    ]
    on = prior(PUBLISHED, mean=np.r_[0.5, np.tile([0.0, 0.05, -0.1], 4)], population_sd=0.2)
    choices = choose(asks, on, policy, PUBLISHED)
    assert {options(choice)[0] for choice in choices} <= {0, 1, 3}
    assert {options(choice)[3] for choice in choices} == {0}
    assert {choice.dimension_confidence[3] for choice in choices} == {1.0}
    assert (len({choice.combination for choice in choices}) == 1) is control


def test_an_exclusion_changes_no_other_dimension_and_nobody_elses_decision():
    asks = [ask(nonce=nonce) for nonce in range(200)]
    without = [structs.replace(one, excluded=0b0001) if one.nonce % 2 else one for one in asks]
    on = prior(PUBLISHED, sd=0.1, population_sd=0.1)  # without pairs, in which dimensions draw together
    free, bound = (choose(each, on, UNFLOORED, PUBLISHED) for each in (asks, without))
    for one, before, after in zip(without, free, bound, strict=True):
        if not one.excluded:
            assert before == after
        assert options(before)[1:] == options(after)[1:]
        assert (options(before) == options(after)) is (not one.excluded or options(before)[0] != 0)


def test_a_fresh_preference_is_followed_and_the_other_dimensions_draw_as_before():
    asks = [ask(nonce=nonce) for nonce in range(200)]
    wishing = [structs.replace(one, preferences=FRAMING_2) for one in asks]
    on = prior(PUBLISHED, sd=0.1, population_sd=0.1)  # without pairs, in which dimensions draw together
    free = [options(choice) for choice in choose(asks, on, UNFLOORED, PUBLISHED)]
    bound = [options(choice) for choice in choose(wishing, on, UNFLOORED, PUBLISHED)]
    assert Counter(each[0] for each in bound)[2] >= 190
    assert [each[1:] for each in bound] == [each[1:] for each in free]


def test_user_weight_is_of_rows_only_preferences_and_exclusions_left_out():
    for outcomes in ((), mixed(np.random.default_rng(3), 12)):
        free = ask(outcomes)
        asks = [free, *(structs.replace(free, preferences=each) for each in (FRAMING_2, LOCKED_2))]
        asks.append(structs.replace(free, excluded=0b0101))
        weights = {choice.user_weight for choice in choose(asks, SHIPPED, POLICY, PUBLISHED)}
        assert len(weights) == 1
        assert (weights == {0.0}) is (not outcomes)


def test_a_preference_that_keeps_failing_gives_way_within_a_few_dozen_interactions():
    """The user asked for framing 2, never starts with it, and completes everything else."""
    outcomes, shown = [], []
    for nonce in range(60):
        choice = choose([ask(outcomes, nonce=nonce, preferences=FRAMING_2)], SHIPPED, POLICY, PUBLISHED)[0]
        shown.append(options(choice)[0])
        outcomes.append((choice.combination, NEVER_STARTED if shown[-1] == 2 else COMPLETED))
    assert shown[:5] == [2] * 5
    assert shown[40:].count(2) <= 4


def test_a_control_gets_the_populations_default_whatever_its_own_outcomes_say():
    outcomes = [(255, NEVER_STARTED), (0, COMPLETED)] * 40
    controls = [ask(outcomes, nonce=nonce, control=True) for nonce in range(100)]
    choices = choose(controls, LAST_ARE_BEST, ALL_FLOOR, PUBLISHED)
    assert {(one.combination, one.explored, one.floored) for one in choices} == {(255, False, False)}
    learned = choose([structs.replace(controls[0], control=False)], LAST_ARE_BEST, UNFLOORED, PUBLISHED)[0]
    assert learned.combination != 255
    assert choices[0].confidence < learned.confidence
    assert choices[0].user_weight == 0.0 < learned.user_weight


def test_a_controls_preference_holds_however_its_outcomes_went():
    outcomes = [(PUBLISHED.combination((2, 0, 0, 0)), NEVER_STARTED), (0, COMPLETED)] * 40
    wishing = ask(outcomes, preferences=FRAMING_2)
    controlled, learned = choose(
        [structs.replace(wishing, control=True), wishing], LAST_ARE_BEST, UNFLOORED, PUBLISHED
    )
    assert options(controlled) == [2, 3, 3, 3]
    assert options(learned)[0] != 2


def test_confidence_is_the_mean_over_dimensions_of_the_described_chance_to_be_best():
    one = ask(mixed(np.random.default_rng(2), 30), preferences=FRAMING_2)
    choice = choose([one], SHIPPED, POLICY, PUBLISHED)[0]
    told = describe(one.history, one.preferences, one.context, SHIPPED, POLICY, PUBLISHED)
    shown = [belief.options[option].best for belief, option in zip(told, options(choice), strict=True)]
    assert list(choice.dimension_confidence) == shown
    assert choice.confidence == pytest.approx(np.mean(shown))


def test_confidence_is_a_coin_toss_without_outcomes_and_grows_with_consistent_ones():
    counts = (0, 5, 20, 80)
    asks = [ask([(WARM, COMPLETED), (COLD, NEVER_STARTED)] * count) for count in counts]
    choices = choose(asks, prior(PAPER), UNFLOORED, PAPER)
    confidences = [choice.confidence for choice in choices]
    assert confidences[0] == pytest.approx(0.5, abs=4 * 0.0625)
    assert confidences == sorted(confidences)
    assert confidences[-1] > 0.95
    assert [choice.combination for choice in choices[1:]] == [WARM] * 3
    assert [choice.user_weight == 0.0 for choice in choices] == [True, False, False, False]


class HardTasks(Effects):
    """Offsets that favour cold, on hard tasks only; row 0 and every draw alike."""

    def table(self, context):
        return np.tile([0.0, 0.4 * (context.level == 3)], (1 + POPULATION_DRAWS, 1))

    options = table

    def at(self, history):
        return np.zeros(len(history))


def test_what_the_population_knows_of_a_context_decides_there_and_nowhere_else():
    on, known = prior(PAPER, effects=HardTasks()), [(WARM, COMPLETED), (COLD, UNFINISHED)] * 4
    easy, hard = choose(
        [ask(known, context=Context(level=level)) for level in (1, 3)],
        on,
        Policy(temperature=0.0, explore_floor=0.0),
        PAPER,
    )
    assert (easy.combination, hard.combination) == (WARM, COLD)
    assert min(easy.confidence, hard.confidence) > 0.75


def test_a_fresh_preference_leads_in_a_context_that_favours_another_option_too():
    asks = [
        ask(nonce=nonce, context=Context(level=3), preferences=(Preference(WARM),)) for nonce in range(50)
    ]
    choices = choose(asks, prior(PAPER, sd=0.05, effects=HardTasks()), UNFLOORED, PAPER)
    assert {choice.combination for choice in choices} == {WARM}


def test_every_population_draw_has_its_share_of_decisions_and_of_confidence():
    """Only the last of the 64 draws favours cold, and by more than any noise of a user."""
    on = prior(PAPER, mean=[0.5, 5.0])
    on.mean_draws[-1, 1] = -5.0
    policy = replace(UNFLOORED, population_temperature=1.0)
    choices = choose([ask(nonce=nonce) for nonce in range(4000)], on, policy, PAPER)
    cold = [choice for choice in choices if choice.combination == COLD]
    assert len(cold) / 4000 == pytest.approx(1 / 64, abs=4 * (63 / 64**2 / 4000) ** 0.5)
    assert {choice.confidence for choice in cold} == {1 / 64}


def test_a_population_draw_is_decided_with_its_own_offsets():
    """Each population draw favours one of the two options by a lot; decisions split as the draws do."""

    class Split(HardTasks):
        def table(self, _context):
            cold = np.r_[0.0, np.where(np.arange(POPULATION_DRAWS) < 16, 5.0, -5.0)]
            return np.column_stack([np.zeros(1 + POPULATION_DRAWS), cold])

        options = table

    asks = [ask(nonce=nonce) for nonce in range(2000)]
    choices = choose(asks, prior(PAPER, effects=Split()), UNFLOORED, PAPER)
    cold = np.mean([choice.combination == COLD for choice in choices])
    assert cold == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 2000) ** 0.5)
    assert {choice.confidence for choice in choices} == {0.25, 0.75}
