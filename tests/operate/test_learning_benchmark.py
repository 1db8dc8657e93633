"""The learner beside its peers: what a run measures, keeps, and says of it."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from amp.learning.approaches import PUBLISHED
from amp.simulate import rivals, worlds
from amp.simulate.run import run
from amp.simulate.score import score
from amp.simulate.streams import stream
from benchmarks.entrants import FAMILIES, KNOWN, LINEAR, OURS
from benchmarks.learning import Cache
from benchmarks.readme import (
    BEGIN,
    END,
    LEARNING,
    REPORTS,
    REPORTS_BEGIN,
    REPORTS_END,
    renewed,
    reports,
    standing,
    with_reports,
)
from benchmarks.standings import Size, Trials, checks, rows
from benchmarks.trial import Task, Trial, digest, measure

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEFAULT = {family.name: family.settings[0].name for family in FAMILIES}


def trial(family, captured, *, world="c", users=300, seed=1, late=None, **more):
    """A trial that captured the same in each bin, or what is given a bin."""
    everybody = captured if isinstance(captured, list) else [captured] * 4
    fields = {
        "setting": DEFAULT[family],
        "stream": "s",
        "interactions": 20 * users,
        "decide_us": 50.0,
        "batch": 1.0,
        "learn_us": 5.0,
        "background_us": 0.0,
        "state_bytes": 0,
    }
    return Trial(
        world=world,
        users=users,
        seed=seed,
        family=family,
        everybody=everybody,
        late=late or everybody,
        **(fields | more),
    )


def found(trials, sizes, what):
    """The one check whose words hold these."""
    [check] = [check for check in checks(Trials(trials), sizes) if all(words in check.what for words in what)]
    return check


def test_a_trial_scores_what_the_policy_captured_on_the_stream_of_its_name():
    task = Task("c", 20, 3, "factored-beta", "flat")
    measured = measure(task)
    made = stream(worlds.make("c", 20, 3, PUBLISHED), 3)
    player = rivals.FactoredBeta(20, PUBLISHED, np.random.default_rng([3, 7]))
    expected = score(made, run(made, player))
    assert measured.everybody == pytest.approx(expected.everybody, abs=1e-5)
    assert measured.late == pytest.approx(expected.late, abs=1e-5)
    assert measured.interactions == made.interactions
    assert measured.state_bytes == 20 * 16 * 2 * 8
    assert measured.decide_us > 0 < measured.learn_us
    assert measured.task == task
    assert measured.stream == digest("c", 20, 3) != digest("c", 20, 4)


def test_a_finished_trial_is_found_again_unless_its_stream_has_changed(tmp_path):
    path = tmp_path / "folder" / "trials.jsonl"
    first = trial(OURS, 0.5)
    Cache(path).add(first)
    Cache(path).add(again := trial(OURS, 0.6))
    key = first.task[:3]
    assert Cache(path).of([first.task], {key: "s"}) == {again.task: again}
    assert Cache(path).of([first.task], {key: "another"}) == {}


def test_the_best_setting_stands_for_a_policy():
    trials = [
        trial(LINEAR, 0.5, setting="v 0.1, prior sd 0.1"),
        trial(LINEAR, [0.1, 0.7, 0.1, 0.1], setting="v 0.3, prior sd 0.1"),
    ]
    [row] = rows(Trials(trials), [Size(300, 1)])
    assert row.setting == "v 0.3, prior sd 0.1"
    assert row.everybody == [0.1, 0.7, 0.1, 0.1]
    assert row.regret == {"c": pytest.approx(0.3)}


def test_a_setting_with_fewer_seeds_is_compared_on_those():
    """Else an easy first seed would be worth more than a good policy."""
    lucky = trial(LINEAR, 0.6, setting="v 1.0, prior sd 0.1")
    others = [
        trial(LINEAR, share, setting="v 0.3, prior sd 0.1", seed=seed) for seed, share in ((1, 0.7), (2, 0.3))
    ]
    [row] = rows(Trials([lucky, *others]), [Size(300, 2)])
    assert (row.setting, row.seeds, row.everybody[1]) == ("v 0.3, prior sd 0.1", 2, 0.5)


def test_a_users_state_is_rows_or_what_the_model_has_grown_by():
    trials = [
        trial(OURS, 0.5),
        trial("vw", 0.5, state_bytes=4_000),
        trial("vw-crossed", 0.5, state_bytes=34_000),
        trial("beta", 0.5, state_bytes=300 * 2_048),
    ]
    state = {row.family: (row.user_bytes, row.shared_bytes) for row in rows(Trials(trials), [Size(300, 1)])}
    assert state == {
        OURS: (48 * 21, 0),
        "vw": (0, 4_000),
        "vw-crossed": (100, 4_000),
        "beta": (2_048, 0),
    }


@pytest.mark.parametrize(("captured", "met"), [([0.6, 0.6, 0.6, 0.6], True), ([0.6, 0.6, 0.56, 0.7], False)])
def test_late_users_are_held_against_the_known_prior_in_each_bin(captured, met):
    trials = [trial(KNOWN, 0.6), trial(OURS, 0.1, late=captured)]
    check = found(trials, [Size(300, 1)], ["world c", "known prior"])
    assert check.met is met
    assert check.figures == ", ".join(f"{share / 0.6:.2f}" for share in captured)


def test_the_mean_from_six_leaves_the_first_five_out():
    trials = [trial(KNOWN, 0.5), trial(OURS, 0.1, late=[0.1, 0.5, 0.4, 0.6])]
    check = found(trials, [Size(300, 1)], ["all worlds"])
    assert check.met
    assert check.figures.startswith("1.000 ")


@pytest.mark.parametrize(("own", "met"), [(0.71, True), (0.69, False)])
def test_regret_is_held_against_the_best_peer_in_its_best_setting(own, met):
    trials = [
        trial(OURS, own),
        trial("vw", 0.5),
        trial("vw", 0.6, setting="gamma_scale 10,000"),
        trial(LINEAR, 0.9),  # is no peer
    ]
    check = found(trials, [Size(300, 1)], ["world c", "regret"])
    assert check.met is met
    assert "against 0.400 (Vowpal Wabbit squarecb, pooled, gamma_scale 10,000)" in check.figures


@pytest.mark.parametrize(("apart", "met"), [((-0.02, 0.01), True), ((-0.02, -0.01), False)])
def test_a_cell_may_be_below_by_one_standard_error_of_the_paired_difference(apart, met):
    """-2 and +1 points: -0.5 with an error of 1.5; -2 and -1: -1.5 with 0.5."""
    trials = [
        each
        for seed, (theirs, more) in enumerate(zip((0.5, 0.7), apart, strict=True), 1)
        for each in (trial(LINEAR, theirs, seed=seed), trial(OURS, theirs + more, seed=seed))
    ]
    check = found(trials, [Size(300, 2)], ["everybody", "pooled linear"])
    assert check.met is met
    assert check.figures.startswith("-0.5 ± 1.5" if met else "-1.5 ± 0.5")


def test_without_ours_nothing_is_claimed():
    assert checks(Trials([trial("vw", 0.5), trial(LINEAR, 0.6)]), [Size(300, 1)]) == []


def measured(folder, *more):
    """A tiny run of three policies."""
    left_out = [
        argument
        for family in FAMILIES
        if family.name not in {OURS, "beta", "factored-beta"}
        for argument in ("--without", family.name)
    ]
    arguments = ["--size", "8x1", "--worlds", "c", "--json", "--jobs", "1", "--cache", folder / "kept.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.learning", *arguments, *left_out, *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_one_policy_is_measured_again_and_the_others_are_remembered(tmp_path):
    kept = LEARNING.read_bytes() if LEARNING.exists() else None
    first = measured(tmp_path)
    assert {row["family"] for row in first["rows"]} == {OURS, "beta", "factored-beta"}
    second = measured(tmp_path, "--only", "beta")
    lines = (tmp_path / "kept.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["family"] for line in lines[3:]] == ["beta"]
    captured = [[(row["family"], row["everybody"]) for row in each["rows"]] for each in (first, second)]
    assert captured[0] == captured[1], "the same seeds decide the same"
    assert kept == (LEARNING.read_bytes() if LEARNING.exists() else None)


def test_readme_shows_the_kept_figures():
    between = README.partition(BEGIN)[2].partition(END)[0].strip()
    kept = standing(json.loads(LEARNING.read_text(encoding="utf-8"))).strip() if LEARNING.exists() else ""
    assert between == kept


def test_readme_is_renewed_between_its_marks():
    trials = [trial(OURS, 0.5), trial(LINEAR, 0.6, seed=1)]
    done = {
        "machine": {"cores": "2", "processor": "a chip", "python": "3.11", "date": "2026-11-26T00:00:00"},
        "libraries": {},
        "missing": [],
        "worlds": "c",
        "sizes": [{"users": 300, "seeds": [1]}],
        "bins": [[1, 5], [6, 20], [21, 50], [51, 200]],
        "rows": msgspec.to_builtins(rows(Trials(trials), [Size(300, 1)])),
        "checks": msgspec.to_builtins(checks(Trials(trials), [Size(300, 1)])),
    }
    text = renewed(f"before\n{BEGIN}\nold\n{END}\nafter\n", done)
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    fifty = "50.0 | 50.0 | 50.0 | 50.0 | 50.0 / 50.0 / 50.0 / 50.0"
    assert f"| amp (default) | {fifty} | 0.500 | 50 (1) | 5 | 1,008 |" in text
    assert "**missed** |" in text
    assert renewed(text, done) == text


def test_readme_shows_how_fast_the_ledgers_reports_are():
    between = README.partition(REPORTS_BEGIN)[2].partition(REPORTS_END)[0].strip()
    assert between == reports(json.loads(REPORTS.read_text(encoding="utf-8"))).strip()
    assert with_reports(README, json.loads(REPORTS.read_text(encoding="utf-8"))) == README
