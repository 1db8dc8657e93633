import pytest
from histories import COMPLETED, NEVER_STARTED, UNFINISHED, history
from hypothesis import given
from hypothesis import strategies as st

from amp.learning.reward import reward, rewards
from amp.learning.types import Signals, Weights

WEIGHTS = Weights()
START_MS_MAX = 10**12
SUCCESS = Signals(started=True, completed=True, time_to_start_ms=10_000, flow_state=True, satisfaction=0.95)
STUCK = Signals(started=True, completed=False, time_to_start_ms=30_000, flow_state=False)
NEVER = Signals(started=False, completed=False)
DELAYED = Signals(started=True, completed=True, time_to_start_ms=300_000, flow_state=False)

reported = st.builds(
    Signals,
    started=st.booleans(),
    completed=st.none() | st.booleans(),
    time_to_start_ms=st.none() | st.integers(0, START_MS_MAX),
    flow_state=st.none() | st.booleans(),
    satisfaction=st.none() | st.integers(0, 10_000).map(lambda tenthousandths: tenthousandths / 10_000),
)
weighed = st.builds(
    Weights,
    never_started=st.floats(-1, 0),
    started=st.floats(-1, 1),
    completed=st.floats(0, 1),
    flow=st.floats(0, 1),
    speed=st.floats(0, 1),
    speed_half_life_s=st.floats(1, 10_000),
    satisfaction=st.floats(0, 1),
)


def test_the_four_published_patterns_are_ranked_as_published():
    ranked = [reward(signals, WEIGHTS) for signals in (SUCCESS, DELAYED, STUCK, NEVER)]
    assert ranked == sorted(ranked, reverse=True)
    assert len(set(ranked)) == 4


@pytest.mark.parametrize(
    ("signals", "raw"),
    [
        (NEVER_STARTED, -1.0),
        (UNFINISHED, -0.25),
        (COMPLETED, 0.60),
        (Signals(started=True, completed=True, flow_state=True), 0.75),
        (Signals(started=True, completed=True, time_to_start_ms=900_000), 0.675),
        (Signals(started=True, completed=True, time_to_start_ms=0), 0.75),
        (Signals(started=True, completed=True, satisfaction=1.0), 0.70),
        (Signals(started=True, completed=True, satisfaction=0.0), 0.50),
    ],
)
def test_a_reward_is_half_of_one_plus_the_weights_of_its_signals(signals, raw):
    assert reward(signals, WEIGHTS) == pytest.approx((raw + 1) / 2)


def test_signals_that_were_not_said_count_nothing_so_a_bare_start_is_neutral():
    assert reward(Signals(started=True), WEIGHTS) == 0.5


def test_nothing_said_beside_a_task_never_started_changes_its_reward():
    said = Signals(started=False, time_to_start_ms=5, flow_state=True, satisfaction=1.0)
    assert reward(said, WEIGHTS) == reward(NEVER_STARTED, WEIGHTS) == 0.0


def test_every_completed_outcome_is_worth_more_than_any_unfinished_one():
    worst = Signals(started=True, completed=True, time_to_start_ms=START_MS_MAX, satisfaction=0.0)
    best = Signals(started=True, completed=False, time_to_start_ms=0, flow_state=True, satisfaction=1.0)
    assert reward(worst, WEIGHTS) > reward(best, WEIGHTS)


@given(st.lists(reported, max_size=8), weighed)
def test_packed_rows_get_the_reward_of_the_signals_they_hold(outcomes, weights):
    read = rewards(history(*((0, signals) for signals in outcomes)), weights)
    assert read.tolist() == pytest.approx([reward(signals, weights) for signals in outcomes], abs=1e-12)
