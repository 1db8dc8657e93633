"""The day that `amp demo` shows: jobs and graded sessions that teach, the way in, and getting rid of it."""

import json
import signal
import subprocess
from collections import Counter
from dataclasses import replace

import httpx
import numpy as np
import pytest
from running import COMMAND, environment

from amp.demo.assignments import ASSIGNMENTS, LIVE
from amp.demo.day import Decision, day, suited
from amp.demo.scenarios import SCENARIOS, works
from amp.terminal import demo_place

CUSTOMERS = [f"person-{number:04}" for number in range(20)]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The demo's own folder, which is none of this machine's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(demo_place, "own_folder", lambda: tmp_path / "home" / "amp-demo")
    return demo_place.own_folder()


# The plan


def test_the_same_seed_makes_the_same_day_and_the_mix_of_the_scenarios_stays():
    one, same, other = (day(20, seed, CUSTOMERS) for seed in (3, 3, 4))
    assert one == same
    assert {work.job for work in one.works}.isdisjoint(work.job for work in other.works)
    assert {work.customer for work in one.works} <= set(CUSTOMERS)
    told = Counter(work.ending for work in one.works)
    scenarios = [work for name in SCENARIOS for work in works(name, 20, 3, as_shipped=False)]
    assert told == Counter(work.ending for work in scenarios)
    assert all(45 * 60_000 <= work.ago_ms <= 25 * 3_600_000 for work in one.works)


def test_a_day_has_what_real_work_has_too():
    today = day(60, 1, CUSTOMERS)
    unpriced = {work.scenario for work in today.works for each in work.records if each.used.cost is None}
    assert unpriced == {"coding"}
    by_job = {work.job: work for work in today.asking}
    believed = Counter(by_job[job].ending.outcome for job in today.sure)
    assert believed["ESCALATED"] >= 2, "which contradict"
    assert believed["CONVERTED"] + believed["DEFLECTED"] > 5, "which agree"
    assert [by_job[each.job].scenario for each in today.corrections] == ["sales", "coding", "support"]
    assert all(each.changes["reason"] for each in today.corrections)


def test_jobs_that_end_well_follow_what_suits_better_and_each_decision_is_followed_once():
    today, rng = day(100, 1, CUSTOMERS), np.random.default_rng(2)
    worth = rng.standard_normal(len(today.asking))
    made = [Decision(each.customer, each.job, gain) for each, gain in zip(today.asking, worth, strict=True)]
    followed = suited(today.asking, made, rng)
    assert sorted(each.request_id for each in followed) == sorted(each.request_id for each in made)
    types = {work.job: work.type for work in today.asking}
    ends = {True: [], False: []}
    for work, decision in zip(today.asking, followed, strict=True):
        assert types[decision.request_id] == work.type
        ends[work.ending.outcome in {"CONVERTED", "DEFLECTED"}].append(decision.worth)
    assert np.mean(ends[True]) > np.mean(ends[False]) + 0.3


def test_plans_of_sessions_fit_into_their_metadata_and_end_in_every_way():
    assert all(len(each.script) <= 512 for each in (*ASSIGNMENTS, LIVE))
    assert {len(each.verdicts) for each in ASSIGNMENTS if each.verdicts[-1] == "satisfied"} == {1, 2, 3}
    assert sum(each.interrupted for each in ASSIGNMENTS) == 1


# The command


@pytest.mark.timeout(240)
def test_a_demo_stays_up_with_a_link_until_ctrl_c_and_clean_removes_all_of_it(own, run):
    arguments = [*COMMAND, "demo", "--serve", "--json", "--users", "8", "--seed", "5"]
    process = subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        told = json.loads(line)
        assert (own / demo_place.MARK).exists()
        with httpx.Client(follow_redirects=True, trust_env=False) as browser:
            headers = {"sec-fetch-site": "none"}
            assert browser.get(told["link"], headers=headers).url == httpx.URL(told["url"] + "/")
            roi, graded = (browser.get(told["url"] + path).text for path in ("/roi", "/graded"))
            again = browser.get(told["link"], headers=headers)
        assert again.status_code == 401, "the link works once"
        assert "have no price" in roi
        assert LIVE.title in graded
        assert all(each.title in graded for each in ASSIGNMENTS)
        refused = run("demo", "--clean")
        assert (refused.exit_code, "Ctrl-C" in refused.stderr) == (1, True)
        assert run("demo", "--serve", "--users", 1).exit_code == 1
    finally:
        process.send_signal(signal.SIGINT)
        stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    cleaned = run("demo", "--clean")
    assert (cleaned.exit_code, own.exists()) == (0, False), cleaned.stderr
    assert "nothing to remove" in run("demo", "--clean").stderr


@pytest.mark.timeout(240)
def test_without_the_ledgers_client_the_same_jobs_go_over_plain_http(run, monkeypatch):
    monkeypatch.setattr("amp.demo.business.find_spec", lambda _: None)
    shown = run("demo", "--users", 8, "--seed", 5, "--json")
    assert shown.exit_code == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert told["link"] is None
    business = told["business"]
    assert business["through_client"] is False
    assert_business_is_the_plan(business, day(12, 5, ["x"]))
    assert told["ledgerFindings"] == 0


def assert_business_is_the_plan(business, today):
    total = business["total"]
    assert (business["jobs"], total["jobs"], total["reported"]) == (36, 36, 36)
    assert (
        business["records"]
        == total["transactions"] + total["toolEvents"]
        == sum(len(work.records) for work in today.works)
    )
    assert total["totalCost"] == pytest.approx(float(sum(work.cost for work in today.works)))
    assert total["unpricedToolEvents"] == 4
    assert business["corrected"] == len(today.corrections)


def test_only_what_a_demo_made_is_removed(tmp_path, run):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "secret").write_text("theirs")
    refused = run("demo", "--clean", "--data", theirs)
    assert (refused.exit_code, "was not made by amp demo" in refused.stderr) == (1, True)
    (theirs / demo_place.MARK).touch()
    (theirs / "letters.txt").write_text("dear Ada")
    refused = run("demo", "--clean", "--data", theirs)
    assert (refused.exit_code, "letters.txt" in refused.stderr) == (1, True)
    assert (theirs / "letters.txt").exists()
    (theirs / "letters.txt").unlink()
    assert run("demo", "--clean", "--data", theirs).exit_code == 0
    assert not theirs.exists()


def test_a_folder_with_data_of_others_never_becomes_a_demos(data, run):
    run("keys", "create", "--data", data)
    site = demo_place.Site(replace(demo_place.Settings(), data=data), given=True, own=False)
    with site.settings():
        assert run("demo", "--clean", "--data", data).exit_code == 1
    assert "other data" in site.rid
