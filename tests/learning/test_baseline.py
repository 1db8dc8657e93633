"""The operator's own approach: for whom it is served, and what is known of the choice it hides."""

from dataclasses import replace

import numpy as np
import pytest
from histories import COMPLETED, NEVER_STARTED, history, prior
from msgspec import structs

from amp.learning.approaches import PUBLISHED
from amp.learning.choice import choose
from amp.learning.rationale import rationales
from amp.learning.types import Ask, Context, Policy, Preference

LAST_ARE_BEST = prior(PUBLISHED, mean=np.r_[0.5, np.tile([0.0, 0.0, -0.1], 4)], population_sd=0.2)
OWN = (1, 2, 0, 3)
LEARNING = Policy(explore_floor=0.1)
SHADOW = replace(LEARNING, mode="shadow", baseline=OWN)
SERVED = PUBLISHED.combination(OWN)
OUTCOMES = [(255, NEVER_STARTED), (0, COMPLETED)] * 20


def asks(**said):
    return [Ask(history(*OUTCOMES), Context(), nonce, **said) for nonce in range(200)]


def options(choice):
    return tuple(PUBLISHED.options_of[choice.combination].tolist())


def test_a_shadow_serves_the_baseline_and_keeps_what_would_have_been_picked():
    free = choose(asks(), LAST_ARE_BEST, LEARNING, PUBLISHED)
    shadows = choose(asks(), LAST_ARE_BEST, SHADOW, PUBLISHED)
    assert {each.combination for each in shadows} == {SERVED}
    assert [each.shadow for each in shadows] == [each.combination for each in free]
    assert len({each.shadow for each in shadows}) > 10
    assert {(each.floored, each.explored, each.user_weight) for each in shadows} == {(False, False, 0.0)}
    assert {each.shadow for each in free} == {None}


def test_a_shadow_is_as_sure_of_what_it_serves_as_a_learner_that_happened_to_pick_it():
    free = choose(asks(), LAST_ARE_BEST, replace(LEARNING, explore_floor=1.0), PUBLISHED)
    (shadow,) = {each.dimension_confidence for each in choose(asks(), LAST_ARE_BEST, SHADOW, PUBLISHED)}
    for dimension, option in enumerate(OWN):
        alike = {each.dimension_confidence[dimension] for each in free if options(each)[dimension] == option}
        assert alike == {shadow[dimension]}


def test_controls_are_served_the_baseline_where_there_is_one():
    controls = asks(control=True)
    default, own = (
        {each.combination for each in choose(controls, LAST_ARE_BEST, policy, PUBLISHED)}
        for policy in (LEARNING, replace(LEARNING, baseline=OWN))
    )
    assert (default, own) == ({255}, {SERVED})


@pytest.mark.parametrize("policy", [SHADOW, replace(LEARNING, baseline=OWN)])
@pytest.mark.parametrize(
    ("said", "served"),
    [
        ({"preferences": (Preference(2), None, None, None)}, (2, 2, 0, 3)),
        ({"preferences": (None, None, None, Preference(0, locked=True))}, (1, 2, 0, 0)),
        ({"excluded": 0b0010}, (3, 2, 0, 3)),
        ({"excluded": 0b0001}, OWN),
        ({"excluded": 0b0100, "preferences": (Preference(2, locked=True), None, None, None)}, OWN),
        ({"excluded": 0b1010, "preferences": (Preference(0), None, None, None)}, (0, 2, 0, 3)),
    ],
    ids=["preference", "lock", "own excluded", "another excluded", "lock excluded", "both"],
)
def test_what_users_and_requests_say_holds_before_the_baseline(policy, said, served):
    control = asks(control=policy.mode != "shadow", **said)
    assert {options(each) for each in choose(control, LAST_ARE_BEST, policy, PUBLISHED)} == {served}


def test_a_shadow_without_a_baseline_serves_the_first_option_of_each_dimension():
    choices = choose(asks(), LAST_ARE_BEST, replace(SHADOW, baseline=None), PUBLISHED)
    assert {options(each) for each in choices} == {(0, 0, 0, 0)}


def test_the_rationale_does_not_pass_a_baseline_off_as_learned():
    one = asks()[0]
    for policy, ask, begins in (
        (SHADOW, one, "Shadow mode, not personalized: The operator's own approach is suggestedFraming"),
        (replace(LEARNING, baseline=OWN), structs.replace(one, control=True), "Control group, not persona"),
    ):
        choices = choose([ask], LAST_ARE_BEST, policy, PUBLISHED)
        (told,) = rationales([ask], choices, LAST_ARE_BEST, PUBLISHED, policy)
        assert told.startswith(begins)
        assert all(f'"{name}"' in told for name in PUBLISHED.names(SERVED))
        assert told.endswith(".")
