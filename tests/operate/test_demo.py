"""`amp demo`: synthetic people whose truth is known use a real service, and the summary is what happened."""

import json
from collections import Counter
from dataclasses import replace

import httpx
import numpy as np
import pytest

from amp.client import AsyncAMP, DimensionPosterior, OptionPosterior, Posterior
from amp.demo import score
from amp.demo.business import Business
from amp.demo.graded import Graded
from amp.demo.people import TASKS, people
from amp.demo.play import Interaction, Played, play
from amp.demo.run import Demonstration, Portrait
from amp.exits import CommandFailed
from amp.learning.approaches import PUBLISHED
from amp.learning.reward import reward
from amp.learning.types import Weights
from amp.ledger.audit import Walked
from amp.ledger.heads import Evidence
from amp.simulate.worlds import expected_reward
from amp.tenancy import tenant
from amp.terminal import demo as terminal
from amp.terminal.ledger_verify import Seen as Verified

# The command


def test_people_talk_to_a_service_over_http_and_what_is_kept_is_what_the_summary_told(data, run):
    shown = run("demo", "--users", 30, "--seed", 5, "--json", "--data", data)
    assert shown.exit_code == 0, shown.stderr
    told = json.loads(shown.stdout)
    crowd = people(30, 5, PUBLISHED)
    assert told["users"] == 30
    assert told["interactions"] == crowd.stays.sum()
    assert told["troubles"].keys() <= {"degraded"}, "which a busy machine may cause, and counts"
    assert told["lift"]["learnedUsers"] + told["lift"]["controlUsers"] == 30
    assert told["lift"]["controlUsers"] > 0

    assert told["business"]["jobs"] == told["business"]["total"]["reported"] == 36
    assert told["business"]["through_client"] is True
    ended = {each["title"]: (each["result"], each["iterations"]) for each in told["sessions"]}
    assert [ended[name] for name in ("Refund answer", "Release notes 2.4", "Migration guide")] == [
        ("satisfied", 1),
        ("satisfied", 2),
        ("satisfied", 3),
    ]
    assert {result for result, _ in ended.values()} == {
        "satisfied",
        "failed",
        "max_iterations_reached",
        "interrupted",
    }
    bridge = told["bridge"]
    assert bridge["waiting"] == bridge["unknown"] == bridge["skipped"] == 0
    assert bridge["taught"] > 10
    assert bridge["contradictions"] >= 1
    assert told["ledgerFindings"] == 0

    sitter = told["people"][0]
    person = int(sitter["userId"].removeprefix("person-")) - 1
    assert sitter["totalInteractions"] == crowd.stays[person]
    truths = [[option["truth"] for option in each["options"]] for each in sitter["dimensions"]]
    assert truths == [each.tolist() for each in score.truth(crowd, person)]

    place = ("--tenant", told["tenant"], "--env", "live", "--data", data)
    kept = json.loads(run("profile", sitter["userId"], "--json", *place).stdout)
    assert kept["posterior"]["totalInteractions"] == sitter["totalInteractions"]
    assert kept["posterior"]["userWeight"] > 0
    (key,) = json.loads(run("keys", "list", "--json", "--data", data).stdout)
    assert (key["tenant"], key["status"]) == (told["tenant"], "revoked")


def test_a_place_that_cannot_be_used_is_refused_as_serve_refuses_it(tmp_path, run):
    (tmp_path / "file").touch()
    refused = run("demo", "--users", 1, "--data", tmp_path / "file" / "data")
    assert refused.exit_code == 4
    assert "cannot be written to" in refused.stderr
    assert refused.stdout == ""


async def test_a_service_that_fails_ends_the_demo_instead_of_being_played_against():
    calls = Counter()

    def failing(request):
        calls[request.url.path] += 1
        return httpx.Response(500, json={"error": {"code": "INTERNAL", "message": "broken"}})

    async with AsyncAMP("amp_sk_live_x", "http://amp", transport=httpx.MockTransport(failing)) as amp:
        with pytest.raises(CommandFailed, match="stopped answering"):
            await play(amp, people(3, 1, PUBLISHED), lambda _: None)
    assert calls["/v1/outcome/batch"] == 0


# The people


def test_the_same_seed_makes_the_same_people_and_another_seed_makes_others():
    one, same, other = (people(20, seed, PUBLISHED) for seed in (7, 7, 8))
    for name in ("tastes", "arrives", "stays", "luck"):
        assert np.array_equal(getattr(one, name), getattr(same, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))
    assert one.signals(3, 1, 40) == same.signals(3, 1, 40)


def test_everybody_comes_once_and_acts_as_often_as_they_stay():
    crowd = people(40, 2, PUBLISHED)
    acted = Counter(person for now in range(crowd.rounds) for person in crowd.present(now))
    assert [acted[person] for person in range(40)] == crowd.stays.tolist()
    assert crowd.present(crowd.rounds) == []
    assert len(set(crowd.arrives.tolist())) > 20


def test_signals_earn_on_average_the_reward_that_is_called_the_truth():
    turns, combination = 4000, 77
    rng = np.random.default_rng(4)
    luck = np.column_stack(
        [rng.random((turns, 3)), rng.standard_normal((turns, 2)), np.arange(turns) / turns]
    )
    crowd = replace(
        people(1, 3, PUBLISHED), stays=np.array([turns]), luck=luck, tastes=rng.normal(0.0, 0.5, (1, 13))
    )
    earned = [reward(crowd.signals(0, nth, combination), Weights()) for nth in range(turns)]
    error = np.std(earned) / np.sqrt(turns)
    assert np.mean(earned) == pytest.approx(crowd.worth(0)[combination], abs=4 * error)


def test_a_better_approach_is_worth_more_from_the_worst_to_the_best():
    worth = expected_reward(np.linspace(-6.0, 6.0, 200))
    assert np.all(np.diff(worth) > 0.0)
    assert 0.0 < worth[0] < 0.05
    assert 0.9 < worth[-1] < 1.0


# The score


def played_by(crowd, pick, *, control=lambda _: False):
    """Everybody's stay, on the combination that `pick(person, nth)` gives."""
    return [
        Interaction(person, nth, combination, control(person), crowd.signals(person, nth, combination))
        for person in range(len(crowd.stays))
        for nth in range(crowd.stays[person])
        for combination in [pick(person, nth)]
    ]


def best_of(crowd):
    return lambda person, _: int(crowd.worth(person).argmax())


def test_each_persons_best_approach_captures_all_and_every_approach_in_turn_captures_nothing():
    crowd = replace(people(4, 1, PUBLISHED), stays=np.full(4, 5), arrives=np.zeros(4, dtype=np.int64))
    (first, *later) = score.captured(played_by(crowd, best_of(crowd)), crowd)
    assert (first.learned, first.control) == (pytest.approx(1.0, abs=0.02), None)
    assert all(each.learned is None for each in later)

    evenly = [
        Interaction(person, 0, combination, False, crowd.signals(person, 0, combination))
        for person in range(4)
        for combination in range(256)
    ]
    assert score.captured(evenly, crowd)[0].learned == pytest.approx(0.0, abs=1e-9)


def test_one_approach_serves_all_who_are_alike_and_not_all_who_differ():
    crowd = people(60, 1, PUBLISHED)
    alike = replace(crowd, tastes=np.tile(crowd.tastes[0], (60, 1)))
    assert score.best_single(alike) == pytest.approx(1.0)
    assert score.best_single(crowd) < 0.8


def test_the_truth_of_an_option_is_its_mean_over_all_that_goes_with_it():
    crowd = people(1, 1, PUBLISHED)
    tastes = np.zeros((1, 13))
    tastes[0, 1:4] = PUBLISHED.contrasts[0][2]  # framing: micro_task, and nothing else
    crowd = replace(crowd, tastes=tastes)
    framing, *others = score.truth(crowd, 0)
    liked = np.mean([expected_reward(np.array(0.75 + task.ease)) for task in TASKS])
    assert framing[2] == pytest.approx(liked, abs=1e-4)
    assert framing.argmax() == 2
    assert all(np.ptp(each) < 1e-9 for each in others)
    assert score.reached(crowd, 0, PUBLISHED.combination((2, 3, 1, 0))) == pytest.approx(1.0)


# The summary

TOTAL = {
    "totalValue": 9797.0,
    "totalCost": 431.5,
    "valueRatio": 22.7,
    "outcomeTypes": {"CONVERTED": 95, "ESCALATED": 17, "PENDING": 0},
    "unpricedToolEvents": 34,
}


def summary_of(crowd, interactions, capsys):
    """The printed summary of what these interactions amount to, with one portrait."""
    options = [OptionPosterior("x", 0.5, 0.1, 0.25, 0.5, 0.1) for _ in range(4)]
    believed = Posterior(
        user_id="person-0001",
        total_interactions=5,
        user_weight=0.4,
        dimensions=[DimensionPosterior(each.name, options) for each in PUBLISHED.dimensions],
    )
    shown = Demonstration(
        tenant="demo-1",
        people=crowd,
        played=Played(interactions, Counter(degraded=2)),
        portraits=[Portrait(believed, score.truth(crowd, 0), 0.5)],
        priors=3,
        gain=score.gain(interactions),
        captured=score.captured(interactions, crowd),
        best_single=score.best_single(crowd),
        business=Business(36, 198, 18, 3, True, TOTAL),
        sessions=[Graded("Refund answer", "satisfied", 1), Graded("Plan", "max_iterations_reached", 3)],
        bridge={"taught": 12, "filled": 3, "agreed": 2, "contradictions": 1},
        duration_s=12.3,
    )
    held = Verified("", Evidence(), {tenant("demo", "live"): Walked(271, 33, 36, 0, 33, [])}, 0.1)
    terminal._as_summary(shown, held, "amp serve")
    return capsys.readouterr().out


def odd(person):
    return person % 2 == 1


def test_an_effect_is_claimed_only_when_the_interval_leaves_out_zero(capsys):
    crowd = people(120, 1, PUBLISHED)
    best = best_of(crowd)
    nothing_learned = played_by(crowd, best, control=odd)
    assert summary_of(crowd, nothing_learned, capsys).count("no effect shown yet") == 2

    def worst_for_control(person, nth):
        return int(crowd.worth(person).argmin()) if odd(person) else best(person, nth)

    learned = played_by(crowd, worst_for_control, control=odd)
    assert summary_of(crowd, learned, capsys).count(": an effect is shown") == 2


def test_the_summary_fits_80_columns_and_tells_what_went_wrong(capsys):
    crowd = people(8, 1, PUBLISHED)
    shown = summary_of(crowd, played_by(crowd, best_of(crowd)), capsys)
    assert max(map(len, shown.splitlines())) <= 80
    assert "nothing is said before each group has 30 users" in shown
    assert "Not as it should be: 2 degraded" in shown
    assert "3 priors published" in shown
    assert "95 converted, 17 escalated\n" in shown
    assert "contradicted (kept, not counted): 1" in shown
    assert "271 entries of the ledger in 33 chains: yes" in shown
    assert "\x1b" not in shown
