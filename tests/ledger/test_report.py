"""Every metric of the contract's section 8, by its formula, on figures that fit on paper."""

from decimal import Decimal

import pytest

from amp.ledger.catalogue import Rate
from amp.ledger.cells import DAY_MS, Cell, Coordinates, add, escalated_unmetered, sums_of, together
from amp.ledger.converting import total
from amp.ledger.filters import Filters, Window
from amp.ledger.grouping import Cube, Question, read_by
from amp.ledger.job import State
from amp.ledger.pricing import Rates
from amp.ledger.report import ESCALATED, MIXED, UNPRICED, ranked, row

USD = 10**9
DAY = 20_000


def job(status="SUCCESS", outcome=None, value=None, *, model=0, tool=0, human=0, currency="USD", **counts):
    """A job's state; amounts in USD, the value in `currency`."""
    said = {"model": model, "tool": tool, "human": human}
    costs = {(kind, "USD"): round(amount * USD) for kind, amount in said.items() if amount}
    nanos = None if value is None else round(value * USD)
    return State(status, outcome, nanos, None if value is None else currency, costs, **counts)


def of(*jobs):
    return row({}, together(sums_of(each, decided=False) for each in jobs))


def many(count, *said, **figures):
    return [job(*said, **figures)] * count


def test_the_cost_is_what_models_tools_and_people_cost():
    found = of(job(model=300, tool=100, human=50.5))
    assert (found.token_cost, found.external_tool_cost, found.human_cost) == (300, 100, Decimal("50.5"))
    assert found.total_cost == Decimal("450.5")
    shares = found.cost_composition
    assert (shares.model, shares.tool, shares.human) == (300 / 450.5, 100 / 450.5, 50.5 / 450.5)
    assert found.tool_cost_ratio == 100 / 450.5


def test_conversions_and_outcomes_cost_their_share_of_all_jobs():
    # 120 jobs, 42 converted, 9 deflected: the costs and the value of the contract's fixture
    jobs = [
        job("SUCCESS", "CONVERTED", 9000, model=300, tool=100, human=50.5),
        *many(41, "SUCCESS", "CONVERTED"),
        *many(9, "SUCCESS", "DEFLECTED"),
        *many(69, None),
    ]
    found = of(*jobs)
    assert round(found.cost_per_conversion, 2) == Decimal("10.73")
    assert found.cost_per_conversion == Decimal("10.726190476")
    assert round(found.cost_per_outcome, 2) == Decimal("8.83")
    assert found.average_value == 75
    assert (found.jobs, found.reported, found.pending) == (120, 51, 69)
    assert found.deflection_rate == 9 / 120


def test_the_value_ratio_is_value_by_cost_and_roi_is_already_percent():
    found = of(job("SUCCESS", "CONVERTED", 500, model=2.5))
    assert (found.value_ratio, found.roi, found.net_value) == (200, 19_900, Decimal("497.5"))
    loss = of(job("FAILED", "CUSTOM", 0, model=2.5))
    assert (loss.value_ratio, loss.roi, loss.net_value) == (0, -100, Decimal("-2.5"))


def test_the_funnels_go_from_all_jobs_to_success_to_what_came_of_it():
    found = of(
        *many(60, "SUCCESS", "CONVERTED", 1),
        *many(5, "SUCCESS", "DEFLECTED", 1),
        *many(20, "SUCCESS"),
        *many(5, "FAILED", "CONVERTED", 1),
        *many(10, None),
    )
    funnel, avoided = found.conversion_funnel, found.cost_avoidance_funnel
    assert (funnel.total_jobs, funnel.successful_jobs, funnel.converted_jobs) == (100, 85, 60)
    assert (funnel.success_rate, round(funnel.conversion_rate, 2)) == (0.85, 0.71)
    assert (avoided.deflected_jobs, avoided.deflection_rate) == (5, 5 / 85)
    assert found.outcome_types["CONVERTED"] == 65  # status and outcome are independent
    assert found.execution_statuses == {"SUCCESS": 85, "FAILED": 5, "CANCELLED": 0}


def test_a_zero_denominator_is_null():
    nothing = row({}, {})
    for name in ("value_ratio", "roi", "cost_per_conversion", "cost_per_outcome", "average_value"):
        assert getattr(nothing, name) is None
    assert (nothing.total_cost, nothing.total_value, nothing.net_value) == (0, 0, 0)
    assert nothing.conversion_funnel.success_rate is None
    assert nothing.conversion_funnel.conversion_rate is None
    assert nothing.deflection_rate is None
    assert nothing.cost_composition.model is None
    free = of(job("SUCCESS", "CONVERTED", 5))
    assert (free.value_ratio, free.roi, free.net_value, free.cost_per_conversion) == (None, None, 5, 0)
    pending = of(job(None, model=3))
    assert (pending.value_ratio, pending.roi, pending.cost_per_conversion) == (0, -100, None)


def test_what_has_no_price_is_unknown_and_said_to_be():
    dark = of(job("SUCCESS", "CONVERTED", 5, completions=2, unpriced_completions=2))
    assert (dark.token_cost, dark.total_cost, dark.value_ratio, dark.cost_per_conversion) == (None,) * 4
    assert (dark.unpriced_completions, dark.warnings) == (2, [UNPRICED])
    part = of(job("SUCCESS", "CONVERTED", 5, model=1, completions=2, unpriced_completions=1))
    assert (part.token_cost, part.value_ratio, part.warnings) == (1, 5, [UNPRICED])
    tools = of(job("SUCCESS", None, 5, model=1, completions=1, tool_events=3, unpriced_tool_events=3))
    assert (tools.token_cost, tools.external_tool_cost, tools.total_cost) == (1, None, 1)
    free = of(job("SUCCESS", "CONVERTED", 5, completions=2))
    assert (free.token_cost, free.warnings) == (0, [])


def test_an_escalated_job_without_human_cost_is_flagged():
    without = job("FAILED", "ESCALATED", 100, model=1, tool=2)
    assert escalated_unmetered(without)
    found = of(without, job("SUCCESS", "ESCALATED", 100, model=1, human=2))
    assert (found.escalated_without_human_cost, found.warnings) == (1, [ESCALATED])


def test_currencies_are_never_added():
    found = of(job("SUCCESS", "CONVERTED", 100, model=10), job("SUCCESS", "CONVERTED", 50, currency="EUR"))
    assert (found.currency, found.total_value, found.total_cost, found.value_ratio) == (None,) * 4
    assert [(each.currency, each.total_value, each.total_cost) for each in found.by_currency] == [
        ("EUR", 50, 0),
        ("USD", 100, 10),
    ]
    assert found.warnings == [MIXED]


def test_amounts_are_converted_by_the_rate_of_each_jobs_day_and_rounded_once():
    rates = Rates(
        [Rate("EUR", "USD", Decimal("1.1"), "2024-10-04"), Rate("EUR", "USD", Decimal("1.2"), "2024-10-05")]
    )
    assert DAY * 86_400 == 1_728_000_000  # 2024-10-04
    euros = sums_of(job("SUCCESS", "CONVERTED", 1e-9, currency="EUR", model=10), decided=False)
    sums, missing = total({DAY: euros, DAY + 1: euros, DAY + 2: euros}, "USD", rates)
    assert missing == set()
    assert sums["V:USD"] == round(1.1 + 1.2 + 1.2) == 4  # each by itself would be 1
    found = row({}, sums)
    assert (found.currency, found.total_cost, found.total_value) == ("USD", 30, Decimal("4e-9"))
    early, missing = total({DAY - 1: euros}, "USD", rates)
    assert missing == {"EUR"}
    assert row({}, early).warnings == [MIXED]


def test_job_types_are_ranked_by_value_ratio_and_those_without_come_last():
    rows = [
        row({"type": name}, sums_of(state, decided=False))
        for name, state in {
            "free": job("SUCCESS", None, 9),
            "poor": job("SUCCESS", None, 1, model=2),
            "rich": job("SUCCESS", None, 8, model=2),
        }.items()
    ]
    assert [each.key["type"] for each in ranked(rows)] == ["rich", "poor", "free"]


@pytest.fixture
def cube():
    """Sales on two days, support on one."""
    made = Cube()
    jobs = [
        (Coordinates(DAY, "sales", "prod", "ada"), job("SUCCESS", "CONVERTED", 300, model=4)),
        (Coordinates(DAY + 1, "sales", "test", "bob"), job("SUCCESS", None, 0, model=4)),
        (Coordinates(DAY + 1, "support", None, "ada"), job("SUCCESS", "DEFLECTED", 50, model=1)),
    ]
    cells = {}
    for here, state in jobs:
        for cell in here.cells():
            add(cells.setdefault(cell, {}), sums_of(state, decided=False))
    for cell, sums in cells.items():
        made.put(cell, sums)
    return made


def jobs_by(cube, by, **filters):
    groups = cube.groups(Question(read_by(by), Filters(**filters)))
    return {key: sum(sums["J"] for sums in days.values()) for key, days in groups.items()}


def test_cells_answer_by_any_one_dimension_and_by_day(cube):
    assert jobs_by(cube, "") == {(): 3}
    assert jobs_by(cube, "type") == {("sales",): 2, ("support",): 1}
    assert jobs_by(cube, "environment") == {("prod",): 1, ("test",): 1, (None,): 1}
    assert jobs_by(cube, "agent") == {("ada",): 2, ("bob",): 1}
    assert jobs_by(cube, "day") == {("2024-10-04",): 1, ("2024-10-05",): 2}
    assert jobs_by(cube, "type,day") == {
        ("sales", "2024-10-04"): 1,
        ("sales", "2024-10-05"): 1,
        ("support", "2024-10-05"): 1,
    }
    assert jobs_by(cube, "day,type", type="sales") == {("2024-10-04", "sales"): 1, ("2024-10-05", "sales"): 1}


def test_a_window_of_whole_days_is_answered_by_cells(cube):
    second = Window((DAY + 1) * DAY_MS, (DAY + 2) * DAY_MS)
    assert jobs_by(cube, "type", window=second) == {("sales",): 1, ("support",): 1}
    assert jobs_by(cube, "", window=second) == {(): 2}


def test_what_cells_cannot_tell_apart_asks_for_single_jobs():
    hour = Window(DAY * DAY_MS, DAY * DAY_MS + 3_600_000)
    for question, there in [
        (Question(("type",)), True),
        (Question(("type", "day"), Filters(type="sales")), True),
        (Question(("type",), Filters(agent="ada")), False),
        (Question(("type", "agent")), False),
        (Question((), Filters(status="FAILED")), False),
        (Question((), Filters(outcome="PENDING")), False),
        (Question((), Filters(search="x")), False),
        (Question((), Filters(window=hour)), False),
    ]:
        assert question.in_cells is there, question


def test_a_cell_names_nobodys_jobs_apart(cube):
    assert cube.of(Cell("type", "sales", None))["J"] == 2
    assert cube.of(Cell("type", "unheard", None)) == {}
