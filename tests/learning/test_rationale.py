import re

import pytest
from histories import COLD, COMPLETED, NEVER_STARTED, PAPER, UNFINISHED, WARM, history, prior

from amp.learning.approaches import PUBLISHED
from amp.learning.choice import choose
from amp.learning.prior import shipped
from amp.learning.rationale import rationales
from amp.learning.types import Ask, Choice, Context, Policy, Preference, Signals

STARTED = Signals(started=True)
FOR_WARM = (0.5, 0.1)
CROWD = (1200, 34567)


def told(*outcomes, shown=WARM, on=None, floored=False, approaches=PAPER, **said):
    choice = Choice(shown, floored, floored, 0.5, (0.5,) * len(approaches.sizes), 0.5)
    ask = Ask(history(*outcomes), Context(), 1, **said)
    [sentence] = rationales([ask], [choice], on or prior(PAPER), approaches)
    return sentence


def test_a_user_with_a_history_is_told_their_own_completions():
    outcomes = (
        [(WARM, COMPLETED)] * 4 + [(WARM, UNFINISHED)] + [(COLD, COMPLETED)] + [(COLD, NEVER_STARTED)] * 2
    )
    assert told(*outcomes) == (
        'This user completed 4 of 5 tasks with tone "warm" and 1 of 3 without, which speaks for it.'
    )


def test_where_nobody_reports_completion_starts_are_counted():
    outcomes = [(WARM, STARTED)] * 3 + [(COLD, STARTED)] + [(COLD, NEVER_STARTED)] * 2
    assert told(*outcomes) == (
        'This user started 3 of 3 tasks with tone "warm" and 1 of 3 without, which speaks for it.'
    )


def test_the_dimension_named_is_the_one_the_users_evidence_is_strongest_for():
    """Style 1 goes with completion every time, framing 0 only half of it."""
    good = [PUBLISHED.combination((framing, 1, 0, 0)) for framing in (0, 0, 1, 0)]
    bad = [PUBLISHED.combination((framing, 3, 0, 0)) for framing in (0, 1, 1, 1)]
    outcomes = [(one, COMPLETED) for one in good] + [(one, UNFINISHED) for one in bad]
    sentence = told(*outcomes, shown=good[0], on=shipped(PUBLISHED), approaches=PUBLISHED)
    assert (
        'completed 4 of 4 tasks with communicationStyle "detailed_explanatory" and 0 of 4 without' in sentence
    )


@pytest.mark.parametrize(
    "outcomes",
    [
        [(WARM, NEVER_STARTED)] * 4 + [(COLD, COMPLETED)] * 4,
        [(WARM, COMPLETED)] * 8,
        [(WARM, COMPLETED), (COLD, UNFINISHED)] * 2,
    ],
    ids=["against it", "nothing to compare", "too few"],
)
def test_a_history_that_does_not_speak_for_the_shown_option_is_not_made_to(outcomes):
    sentence = told(*outcomes, on=prior(PAPER, mean=FOR_WARM, crowd=CROWD))
    assert sentence == (
        '34,567 outcomes of 1,200 users speak for tone "warm"; '
        f"of this user, {len(outcomes)} outcomes are known."
    )


def test_the_population_speaks_only_for_what_it_favours():
    sentence = told(shown=COLD, on=prior(PAPER, mean=FOR_WARM, crowd=CROWD))
    assert sentence.startswith(
        '34,567 outcomes of 1,200 users speak for other approaches, and tone "cold" is tried'
    )


def test_before_any_fit_it_says_that_nothing_is_known():
    assert told() == (
        'No outcomes of a population are learned yet, so tone "warm" is a first try; '
        "of this user, 0 outcomes are known."
    )


def test_a_followed_preference_is_named_and_another_is_not():
    on = prior(PAPER, mean=FOR_WARM, crowd=CROWD)
    assert told(preferences=(Preference(WARM),), on=on).startswith(
        'The user\'s own preference speaks for tone "warm"'
    )
    assert "preference" not in told(preferences=(Preference(COLD),), on=on)


def test_control_and_floor_picks_are_not_sold_as_learned_from_the_user():
    outcomes = [(WARM, COMPLETED)] * 5 + [(COLD, NEVER_STARTED)] * 5
    on = prior(PAPER, mean=FOR_WARM, crowd=CROWD)
    control, floor = told(*outcomes, on=on, control=True), told(*outcomes, on=on, floored=True)
    assert control == (
        'Control group, not personalized: 34,567 outcomes of 1,200 users speak for tone "warm".'
    )
    assert floor.startswith("Picked at random to keep learning, whatever the 10 outcomes of this user")
    assert not any("speaks for" in sentence for sentence in (control, floor))


def test_whatever_is_decided_gets_one_sentence_whose_counts_can_be_recounted():
    outcomes = [(index * 37 % 256, COMPLETED if index % 3 else UNFINISHED) for index in range(40)]
    rows, on = history(*outcomes), shipped(PUBLISHED)
    asks = [Ask(rows, Context(), nonce) for nonce in range(50)]
    told_of_user = 0
    for ask, choice in zip(asks, choose(asks, on, Policy(), PUBLISHED), strict=True):
        [sentence] = rationales([ask], [choice], on, PUBLISHED)
        assert re.fullmatch(r"[A-Z][^.]*\.", sentence)
        found = re.search(r'completed (\d+) of (\d+) tasks with (\w+) "(\w+)" and (\d+) of (\d+)', sentence)
        if not found:
            continue
        told_of_user += 1
        names = [dimension.name for dimension in PUBLISHED.dimensions]
        dimension = names.index(found[3])
        option = PUBLISHED.dimensions[dimension].options.index(found[4])
        done_with = [
            done is COMPLETED for a, done in outcomes if PUBLISHED.options_of[a, dimension] == option
        ]
        done = sum(done is COMPLETED for _, done in outcomes)
        assert PUBLISHED.options_of[choice.combination, dimension] == option
        assert [int(found[index]) for index in (1, 2, 5, 6)] == [
            sum(done_with),
            len(done_with),
            done - sum(done_with),
            40 - len(done_with),
        ]
    assert told_of_user > 25
