"""`amp demo ledger`: scenarios whose figures are known on paper, through the real client."""

import json
import sys
from collections import Counter
from decimal import Decimal

import pytest
from running import serving

from amp.demo import telling
from amp.demo.scenarios import SCENARIOS, shares, works
from amp.demo.trades import Call

BOTH_WAYS = pytest.mark.parametrize("as_shipped", [False, True])


def ends(jobs):
    """How many jobs end how: status, type and whether they are worth anything."""
    return Counter((each.ending.status, each.ending.outcome, bool(each.ending.value)) for each in jobs)


def human(work):
    return sum(each.used.tool == "human_escalation" for each in work.records if not is_call(each))


def is_call(record):
    return isinstance(record.used, Call)


# The mixes, on paper


def test_of_each_hundred_leads_twelve_buy_for_300_and_the_rest_do_not():
    for seed in (1, 2):
        jobs = works("sales", 300, seed, as_shipped=True)
        for start in (0, 100, 200):
            mix = ends(jobs[start : start + 100])
            assert mix == {("SUCCESS", "CONVERTED", True): 12, ("SUCCESS", None, False): 88}
        assert {each.ending.value for each in jobs} == {Decimal("300.00"), Decimal(0)}


@BOTH_WAYS
def test_a_lead_costs_35377_for_three_calls_and_three_tools(as_shipped):
    for work in works("sales", 100, 1, as_shipped=as_shipped):
        calls = [each.used.cost for each in work.records if is_call(each)]
        tools = {each.used.tool: each.used.cost for each in work.records if not is_call(each)}
        assert calls == [Decimal("0.0014"), Decimal("0.0008"), Decimal("0.0355")]
        assert tools == {
            "zoominfo": Decimal("1.00"),
            "apollo": Decimal("0.50"),
            "human_escalation": Decimal("2.00"),
        }
        assert work.cost == Decimal("3.5377")


def test_support_and_coding_as_shipped_are_mixed_as_their_examples_are():
    support = works("support", 100, 1, as_shipped=True)
    assert ends(support) == {
        ("SUCCESS", "DEFLECTED", True): 80,
        ("FAILED", "ESCALATED", False): 8,
        ("SUCCESS", "CONVERTED", True): 12,
    }
    assert sum(map(human, support)) == 0
    coding = works("coding", 100, 1, as_shipped=True)
    assert ends(coding) == {
        ("SUCCESS", "CONVERTED", True): 72,
        ("FAILED", "ESCALATED", False): 10,
        ("FAILED", "CUSTOM", False): 18,
    }
    assert [human(each) for each in coding] == [each.ending.outcome == "ESCALATED" for each in coding]


@pytest.mark.parametrize("scenario", ["support", "coding"])
def test_as_advised_an_escalated_job_has_its_full_value_and_a_persons_time(scenario):
    jobs = works(scenario, 100, 1, as_shipped=False)
    escalated = [each for each in jobs if each.ending.outcome == "ESCALATED"]
    assert len(escalated) == {"support": 8, "coding": 10}[scenario]
    worth = {task.type: task.worth for task in SCENARIOS[scenario].tasks}
    for work in escalated:
        assert (work.ending.status, work.ending.value) == ("SUCCESS", worth[work.type])
        assert human(work) == 1
        (person,) = (each.used for each in work.records if not is_call(each) and each.used.cost == 2)
        assert person.duration_ms == 1_800_000
    assert not any(map(human, (each for each in jobs if each.ending.outcome != "ESCALATED")))


def test_as_advised_a_clean_miss_is_unsuccessful_and_a_canceled_task_cancelled():
    sales, coding = (works(name, 100, 1, as_shipped=False) for name in ("sales", "coding"))
    assert ends(sales)["SUCCESS", "UNSUCCESSFUL", False] == 88
    assert ends(coding)["CANCELLED", "CUSTOM", False] == 18


def test_there_are_five_types_of_coding_and_three_of_support():
    types = {name: {work.type for work in works(name, 100, 1, as_shipped=False)} for name in SCENARIOS}
    assert len(types["coding"]) == 5
    assert len(types["support"]) == 3
    tools = {
        record.used.tool for work in works("coding", 9, 1, as_shipped=False) for record in work.records[3:]
    }
    assert {"repo_search", "ci", "github"} <= tools


@pytest.mark.parametrize("jobs", [1, 7, 20, 50, 99])
def test_of_fewer_than_a_hundred_jobs_the_mix_is_within_one_of_its_share(jobs):
    for trade in SCENARIOS.values():
        found = shares(trade.mix, jobs)
        assert sum(found.values()) == jobs
        assert all(abs(count - trade.mix[kind] * jobs / 100) < 1 for kind, count in found.items())


# The same again


@BOTH_WAYS
def test_the_same_seed_makes_the_same_jobs_and_another_seed_others(as_shipped):
    for name in SCENARIOS:
        one, same, other = (works(name, 50, seed, as_shipped=as_shipped) for seed in (3, 3, 4))
        assert one == same
        ids = [{record.transaction for work in jobs for record in work.records} for jobs in (one, other)]
        assert len(ids[0]) == sum(len(work.records) for work in one)
        assert ids[0].isdisjoint(ids[1])
        assert {work.job for work in one}.isdisjoint(work.job for work in other)


def test_jobs_come_over_thirty_days_the_oldest_first_and_end_before_now():
    now_ms = 1_800_000_000_000
    jobs = works("coding", 100, 1, as_shipped=True)
    ago = [work.ago_ms for work in jobs]
    assert ago[0] == 30 * 86_400_000
    assert ago == sorted(ago, reverse=True)
    assert all(now_ms - work.ago_ms < telling.ends_ms(work, now_ms) <= now_ms for work in jobs)


def test_what_is_told_of_a_job_has_what_the_client_insists_on_and_the_decision_in_its_metadata():
    from revenium_middleware.agentic_outcomes import _REQUIRED_COMPLETION_KEYS, _split_completion_payload

    (work,) = works("support", 1, 1, as_shipped=False)
    call = telling.completion(work, work.records[0], work.records[0].used, 1_800_000_000_000)
    assert set(_REQUIRED_COMPLETION_KEYS) <= set(call)
    assert _split_completion_payload(call)[2] == []  # it would drop these
    told = telling.outcome(work, 1_800_000_000_000, "req_1")
    assert json.loads(told["metadata"])["requestId"] == "req_1"
    assert "requestId" not in json.loads(telling.outcome(work, 1_800_000_000_000, None)["metadata"])


# The command


@pytest.mark.timeout(240)
def test_what_was_played_through_the_client_is_what_the_report_says_and_only_once(data, run):
    """On a server of its own; then the same seed again is refused, and has added nothing."""
    arguments = ("demo", "ledger", "--jobs", 10, "--seed", 7, "--json", "--data", data)
    shown = run(*arguments)
    assert shown.exit_code == 0, shown.stderr
    told = json.loads(shown.stdout)
    jobs = [work for name in SCENARIOS for work in works(name, 10, 7, as_shipped=False)]
    total = told["report"]["total"]
    assert (told["jobs"], told["missing"], told["decided"]) == (30, 0, 15)
    assert (total["jobs"], total["reported"]) == (30, 30)
    assert Decimal(str(total["totalCost"])) == sum(work.cost for work in jobs)
    assert Decimal(str(total["totalValue"])) == sum(work.ending.value or 0 for work in jobs)
    assert total["transactions"] + total["toolEvents"] == told["records"]
    assert {row["key"]["type"] for row in told["report"]["rows"]} == {work.type for work in jobs}
    assert total["escalatedWithoutHumanCost"] == 0
    followed = [row for row in told["byApproach"]["rows"] if row["key"]["approach"]]
    assert sum(row["jobs"] for row in followed) == 15

    again = run(*arguments)
    assert again.exit_code == 1
    assert "--seed" in again.stderr
    assert again.stdout == ""
    place = ("--tenant", "demo-ledger", "--env", "live", "--data", data)
    kept = json.loads(run("ledger", "report", "--json", *place).stdout)
    assert kept["total"] == total


@pytest.mark.timeout(240)
def test_as_shipped_on_a_server_that_runs_shows_what_its_figures_leave_out(data, run):
    made = run("keys", "create", "--format", "rev", "--json", "--data", data)
    key = json.loads(made.stdout)["key"]
    with serving(data) as (_, announced):
        place = ("--url", announced["url"], "--key", key)
        shown = run("demo", "ledger", "--scenario", "support", "--jobs", 13, "--as-shipped", "--json", *place)
        assert shown.exit_code == 0, shown.stderr
        told = json.loads(shown.stdout)
        wrong = run("demo", "ledger", "--jobs", 1, "--url", announced["url"], "--key", "rev_sk_x_nobody")
    total = told["report"]["total"]
    assert (told["missing"], told["decided"]) == (0, 0)
    assert total["escalatedWithoutHumanCost"] == total["outcomeTypes"]["ESCALATED"] == 1
    assert (wrong.exit_code, "401" in wrong.stderr) == (1, True)


def test_without_the_client_it_says_how_to_install_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "revenium_middleware", None)
    refused = run("demo", "ledger", "--url", "http://127.0.0.1:1", "--key", "k")
    assert refused.exit_code == 1
    assert "pip install" in refused.stderr
    assert "revenium-python-sdk==0.12.0" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scenario", "legal"), "sales, support, coding, all"),
        (("--url", "http://127.0.0.1:1"), "--key"),
        (("--url", "http://127.0.0.1:1", "--key", "k", "--data", "d"), "--data"),
        (("--url", "http://127.0.0.1:1", "--key", "rev_sk_x_y"), "does not answer"),
    ],
)
def test_what_cannot_be_is_refused_in_words(run, arguments, words):
    refused = run("demo", "ledger", *arguments)
    assert refused.exit_code == 1
    assert words in refused.stderr
