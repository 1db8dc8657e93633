"""What an outcome says is a pure rule of the tenant's; value against cost is bounded and off by default."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.bridge.mapping import Mapping, MappingChange, against, amended, of_grade, of_job
from amp.errors import InvalidParameter
from amp.learning.reward import reward
from amp.learning.types import Signals, Weights
from amp.ledger.job import State

FIRST = Mapping()
DONE, NOT_DONE = Signals(started=True, completed=True), Signals(started=True, completed=False)


@pytest.mark.parametrize(
    ("status", "outcome", "says"),
    [
        ("SUCCESS", "CONVERTED", DONE),
        ("FAILED", "DEFLECTED", DONE),
        ("CANCELLED", "CONVERTED", DONE),
        ("SUCCESS", "ESCALATED", NOT_DONE),
        ("SUCCESS", "UNSUCCESSFUL", NOT_DONE),
        ("FAILED", "CUSTOM", None),
        ("SUCCESS", None, None),
        ("FAILED", None, NOT_DONE),
        ("CANCELLED", None, None),
    ],
)
def test_the_type_goes_first_and_the_status_where_there_is_none(status, outcome, says):
    assert of_job(FIRST, status, outcome, None) == says


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ('{"amp_outcome": "renewed"}', DONE),
        ('{"amp_outcome": "unheard of"}', NOT_DONE),
        ('{"amp_outcome": 7}', NOT_DONE),
        ('{"amp_outcome"', NOT_DONE),
        ("[" * 9000 + "amp_outcome", NOT_DONE),
        (None, NOT_DONE),
    ],
)
def test_a_custom_outcome_says_what_the_tenant_says_of_its_name(metadata, says):
    change = MappingChange(custom={"renewed": "completed"}, outcome_types={"CUSTOM": "not_completed"})
    mapping = amended(FIRST, change, at_ms=1, by="k")
    assert of_job(mapping, "SUCCESS", "CUSTOM", metadata) == says


def test_grades_say_completed_with_a_satisfaction_that_falls_and_nothing_when_interrupted():
    told = [of_grade(FIRST, "satisfied", iteration) for iteration in range(3)]
    assert [each.satisfaction for each in told] == pytest.approx([1.0, 0.8, 0.64])
    assert of_grade(FIRST, "failed", 0) == NOT_DONE
    assert of_grade(FIRST, "max_iterations_reached", 2) == NOT_DONE
    assert of_grade(FIRST, "interrupted", 0) is None


def spent(**costs):
    return State(cost_nanos={("model", code): nanos for code, nanos in costs.items()})


def test_value_against_cost_is_told_only_where_both_are_known_in_one_currency():
    assert against(300, "USD", spent(USD=100)) == 0.5
    assert against(0, "USD", spent(USD=100)) == -1.0
    assert against(-5, "USD", spent(USD=100)) == -1.0
    assert against(300, "USD", State()) == 1.0
    assert against(0, "USD", State()) is None
    assert against(None, None, spent(USD=100)) is None
    assert against(300, "EUR", spent(USD=100)) is None
    assert against(300, "USD", State(cost_nanos={("model", "USD"): 100}, unpriced_tool_events=1)) is None


@given(
    st.floats(0, 1),
    st.integers(0, 10**30),
    st.integers(0, 10**30),
    st.sampled_from(["CONVERTED", "ESCALATED"]),
)
def test_the_term_of_value_is_bounded_by_the_weight_of_satisfaction(weight, value, cost, outcome):
    mapping = msgspec.structs.replace(FIRST, value_weight=weight)
    told = of_job(mapping, "SUCCESS", outcome, None, against(value, "USD", spent(USD=cost)))
    plain = of_job(FIRST, "SUCCESS", outcome, None, 1.0)
    moved = abs(reward(told, Weights()) - reward(plain, Weights()))
    assert moved <= Weights().satisfaction * weight / 2 + 1e-12
    assert plain.satisfaction is None


def test_a_change_is_a_new_version_with_who_when_and_why():
    second = amended(FIRST, MappingChange(value_weight=0.5, why=" worth "), at_ms=7, by="key_1")
    assert (second.version, second.since_ms, second.by, second.why) == (2, 7, "key_1", "worth")
    third = amended(second, MappingChange(custom={"a": "completed"}), at_ms=8, by="key_2")
    assert third.value_weight == 0.5
    assert amended(third, MappingChange(custom={"a": "completed"}), at_ms=9, by="key_3") is third
    assert amended(third, MappingChange(custom={"a": None}), at_ms=9, by="key_3").custom == {}
    assert msgspec.json.decode(msgspec.json.encode(third), type=Mapping) == third


@pytest.mark.parametrize(
    "change",
    [
        MappingChange(value_weight=1.5),
        MappingChange(iteration_decay=-0.1),
        MappingChange(custom={" ": "completed"}),
        MappingChange(custom={"x" * 129: "completed"}),
        MappingChange(custom={f"n{number}": "completed" for number in range(257)}),
        MappingChange(value_weight=0.1, why="x" * 2049),
    ],
)
def test_what_no_mapping_can_have_is_refused(change):
    with pytest.raises(InvalidParameter):
        amended(FIRST, change, at_ms=1, by="k")
