"""`amp profile`: a user's posterior, drawn from the store with or without the service."""

import json

import pytest
from rich.console import Console
from running import calling, serving

from amp.client import DimensionPosterior, OptionPosterior
from amp.learning.approaches import PUBLISHED
from amp.terminal.posterior import FINE, PLAIN, WIDTH, drawing, glyphs


def taught(announced):
    """Ada completes three tasks, and has one preference and one lock."""
    with calling(announced) as service:
        for _ in range(3):
            asked = service.post("/v1/context", json={"userId": "ada", "task": "test", "taskType": "coding"})
            outcome = {"requestId": asked.json()["requestId"], "started": True, "completed": True}
            assert service.post("/v1/outcome", json=outcome | {"timeToStart": 90}).status_code == 200
        for body in ({"preferredFraming": "learning"}, {"encouragementLevel": "none", "lock": True}):
            assert service.put("/v1/profile/ada", json=body).status_code == 200
        return service.get("/v1/profile/ada").json(), service.get("/v1/profile/ada/posterior").json()


def test_a_profile_is_the_same_from_the_service_beside_it_and_without_it(data, run):
    with serving(data) as (_, announced):
        profile, posterior = taught(announced)
        beside = json.loads(run("profile", "ada", "--json", "--data", data).stdout)
    assert beside["profile"] == profile
    assert beside["posterior"] == posterior
    assert (beside["phase"], beside["stated"]) == ("cold_start", ["preferredFraming", "encouragementLevel"])
    assert json.loads(run("profile", "ada", "--json", "--data", data).stdout) == beside

    drawn = run("profile", "ada", "--data", data).stdout
    assert max(map(len, drawn.splitlines())) <= 80
    assert "\x1b" not in drawn
    assert "cold_start, 3 interactions, 100% completed, 0% in flow, starts within 2 min" in drawn
    assert "preferred: learning" in drawn
    assert "locked: none" in drawn
    assert drawn.count("▸") == 4
    for dimension in PUBLISHED.dimensions:
        assert all(option in drawn for option in (dimension.name, *dimension.options))


def test_what_the_service_was_told_to_decide_with_the_commands_know(data, run, tmp_path, monkeypatch):
    """A flag and a setting of `amp serve` alone; they stand until somebody serves by others."""

    def told(*command):
        return json.loads(run(*command, "--json", "--data", data).stdout)

    monkeypatch.setenv("AMP_EXPLORE_FLOOR", "0.5")
    with serving(data, "--policy", "beta") as (_, announced):
        monkeypatch.delenv("AMP_EXPLORE_FLOOR")
        _, posterior = taught(announced)
        assert told("profile", "ada")["posterior"] == posterior
    assert told("profile", "ada")["posterior"] == posterior
    assert told("population")["learner"] == "beta"
    assert told("policy", "show")["exploreFloor"] == 0.5
    run("log", "export", "--data", data, "--out", tmp_path / "log")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    known = [line["propensity"] for line in lines if line["propensityReason"] != "preferences"]
    assert "mismatch" not in {line["propensityReason"] for line in lines}
    assert all(each >= 0.5 / 256 for each in known if each)

    (tmp_path / "change").write_text('{"decay": 0.9}')
    changed = told("policy", "set", tmp_path / "change", "--dry-run")
    assert (changed["policy"]["learner"], changed["policy"]["exploreFloor"]) == ("beta", 0.5)
    with serving(data):
        assert told("population")["learner"] == "hierarchical"
        assert told("profile", "ada")["posterior"] != posterior


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("bob",), "No profile for 'bob' in the test data of default"),
        (("bob", "--tenant", "acme", "--env", "live"), "in the live data of acme"),
        (("bob", "--env", "prod"), "env: must be one of live, test"),
        ((" ",), "userId"),
    ],
)
def test_a_user_whom_nobody_knows_is_refused_in_words(arguments, says, data, run):
    refused = run("profile", *arguments, "--data", data)
    assert refused.exit_code == 1
    assert says in refused.stderr
    assert refused.stdout == ""


# The drawing


def bars(*options, truth=None, marks=FINE):
    """The bar of each option of one dimension, without the columns around it."""
    named = [OptionPosterior("option", mean, sd, 0.5, crowd, 0.1) for mean, sd, crowd in options]
    drawn = drawing([DimensionPosterior("d", named)], marks, truth=truth and [truth])
    return [line[24 : 24 + WIDTH] for line in drawn.plain.splitlines()[2:]]


def test_marks_lie_where_their_values_are_on_an_axis_that_holds_them_all():
    (bar, other) = bars((0.5, 0.1, 0.3), (0.7, 0.05, 0.6), truth=[0.7, 0.7])
    at = [bar.index(mark) for mark in "○├●┤◆"]
    assert at == sorted(at)
    assert abs((bar.index("┤") - bar.index("●")) - (bar.index("●") - bar.index("├"))) <= 1
    assert "◈" in other
    assert other.index("◈") == bar.index("◆")


def test_the_option_with_the_highest_expected_reward_leads_its_dimension():
    named = [OptionPosterior(f"option-{mean}", mean, 0.1, 0.5, 0.5, 0.1) for mean in (0.4, 0.6, 0.5)]
    drawn = drawing([DimensionPosterior("d", named)], FINE).plain
    assert [line[2:12] for line in drawn.splitlines() if line.startswith("▸")] == ["option-0.6"]


def test_beliefs_at_the_edge_of_what_is_possible_stay_in_the_drawing():
    for bar in bars((0.02, 0.3, 0.0), (0.99, 0.3, 1.0), (0.5, 0.0, 0.5)):
        assert len(bar) == WIDTH
        assert "●" in bar


def test_a_terminal_without_unicode_gets_marks_it_can_show():
    class Ascii:
        encoding = "ascii"

        def write(self, _):
            """Nothing is printed here."""

    marks = glyphs(Console(file=Ascii()))
    assert marks == PLAIN
    drawn = drawing(
        [DimensionPosterior("d", [OptionPosterior("x", 0.5, 0.1, 1.0, 0.4, 0.1)])], marks, truth=[[0.6]]
    )
    assert drawn.plain.isascii()
