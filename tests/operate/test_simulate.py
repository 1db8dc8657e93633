"""`amp simulate`: policies in worlds whose truth is known, in process, over HTTP and from a log."""

import json
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from amp.client import AMP, Context, ContextMetadata, OutcomeReceipt
from amp.errors import Forbidden, StoreUnavailable
from amp.exits import CommandFailed
from amp.learning.approaches import PUBLISHED
from amp.simulate import drawing, worlds
from amp.simulate.histories import Histories
from amp.simulate.lineup import LINEUP, introduce
from amp.simulate.served import Served
from amp.simulate.streams import Turn
from amp.terminal.curves import curves

SHOWN = ("suggested_framing", "communication_style", "complexity", "encouragement")
TURN = Turn(np.arange(2), np.arange(2), np.arange(2))


def test_the_table_has_every_policy_and_bin_and_the_plot_is_a_file(run, tmp_path):
    out = tmp_path / "captured.svg"
    asked = ("simulate", "--users", 12, "--seeds", 2, "--policies", "uniform,ours", "--out", out)
    shown = run(*asked)
    assert shown.exit_code == 0, shown.stderr
    for words in (worlds.describe("c")[:40], "12 users, seeds 1 to 2", "1-5", "51-200", "late users", "±"):
        assert words in shown.stdout
    assert shown.stdout.count("  ours ") >= 2
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "\x1b" not in shown.stdout + shown.stderr
    assert str(out) in shown.stderr
    assert {"uniform", "ours"} <= set(ET.parse(out).getroot().itertext())
    assert run(*asked).stdout == shown.stdout


def test_json_has_the_same_with_standard_errors_for_machines(run):
    told = json.loads(
        run("simulate", "--world", "all", "--users", 5, "--policies", "uniform", "--json").stdout
    )
    assert [each["world"] for each in told["worlds"]] == list(worlds.WORLDS)
    (uniform,) = told["worlds"][2]["policies"]
    assert len(uniform["everybody"]["share"]) == len(told["bins"]) == 4
    assert len(uniform["byInteraction"]["share"]) == 200
    assert uniform["everybody"]["standardError"] is None


def test_help_says_what_each_world_and_policy_is(run):
    shown = " ".join(run("simulate", "--help").stdout.split())
    for name in worlds.WORLDS:
        assert f"World {name}: {worlds.describe(name)}" in shown
    for name in LINEUP:
        assert f"Policy {name}: {introduce(name)}" in shown


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--world", "z"), "no world 'z'"),
        (("--policies", "best"), "no policy 'best'"),
        (("--out", "plot.gif"), "must end in .svg or .png"),
        (("--out", "nowhere/plot.svg"), "no folder 'nowhere'"),
        (("--url", "http://127.0.0.1:1"), "--url is for --http"),
        (("--http", "--url", "http://127.0.0.1:1"), "needs a --key"),
        (("--http", "--url", "http://127.0.0.1:1", "--key", "k", "--seeds", 2), "one world and one seed"),
        (("--from-log", "--http"), "goes with none of"),
        (("--log", "log.jsonl"), "--log is for --from-log"),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(options, says, run):
    refused = run("simulate", "--users", 5, *options)
    assert refused.exit_code == 1
    assert says in refused.stderr
    assert refused.stdout == ""


# The drawings


CURVES = {"rising": np.linspace(-0.05, 0.9, 200), "gone": np.full(200, np.nan), "short": np.full(5, 0.5)}


def test_a_drawing_has_a_curve_and_a_name_for_each_that_has_values():
    root = ET.fromstring(drawing.svg("a < b & c", CURVES))
    texts = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert texts[0] == "a < b & c"
    assert "rising" in texts
    assert "gone" not in texts
    lines = [each for each in root.iter() if each.tag.endswith("polyline")]
    assert [len(line.get("points").split()) for line in lines] == [200, 5]
    assert "prefers-color-scheme:dark" in ET.tostring(root, encoding="unicode")


def test_curves_lie_where_their_values_are():
    (line,) = [
        each
        for each in ET.fromstring(drawing.svg("", {"x": np.array([0.0, 1.0])})).iter()
        if each.tag.endswith("polyline")
    ]
    (x0, y0), (x1, y1) = (tuple(map(float, point.split(","))) for point in line.get("points").split())
    assert x0 < x1
    assert y0 > y1  # up is better


def test_a_png_is_the_drawing_in_pixels_and_without_the_extra_says_what_to_install(monkeypatch):
    pixels = drawing.png(drawing.svg("title", CURVES))
    assert pixels[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(pixels[16:20], "big") == 2 * drawing.WIDTH
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(CommandFailed, match=r"pip install 'amp\[plot\]'"):
        drawing.png("")


@pytest.mark.parametrize("colours", [None, "256"])
def test_the_plot_in_the_terminal_fits_and_names_every_curve(colours):
    console = Console(width=80, color_system=colours, force_terminal=colours is not None)
    shown = curves(CURVES, console).plain
    assert max(map(len, shown.splitlines())) <= 80
    assert "rising" in shown
    assert "gone" not in shown
    assert any("\u2800" < each <= "\u28ff" for each in shown) == (colours is not None)
    assert "100 %" in shown


# Over HTTP


@pytest.mark.slow
def test_a_served_instance_plays_the_same_stream_and_learns_as_it_does_in_process(run):
    """30 users; where the service's own chance is all that differs, a bin's share has an sd of some 0.09.

    Not of the first bin: its fits are the first, and how soon they come is up to a background process and the
    machine (.31 to .40 on a quiet one, .11 on a busy one, .46 in process).
    """
    shown = run("simulate", "--http", "--users", 30, "--policies", "ours,uniform", "--json")
    assert shown.exit_code == 0, shown.stderr
    (world,) = json.loads(shown.stdout)["worlds"]
    share = {each["policy"]: np.array(each["everybody"]["share"]) for each in world["policies"]}
    assert list(share) == ["ours", "uniform", "ours-http"]
    assert share["ours-http"][1:] == pytest.approx(share["ours"][1:], abs=0.3)
    assert share["ours-http"][-1] > share["uniform"][-1] + 0.3
    assert share["ours-http"][2:].mean() > share["uniform"][2:].mean() + 0.3


def test_nothing_is_scored_that_the_service_did_not_decide():
    with (
        AMP("amp_sk_test_x", "http://127.0.0.1:9", timeout_s=0.2, context_deadline_s=0.2) as nobody,
        pytest.raises(CommandFailed, match="did not decide"),
    ):
        Served(nobody, "sim", PUBLISHED).decide(TURN)


class Forgetful:
    """A client whose service decides and then cannot store the second outcome."""

    def __init__(self):
        self.reports = []

    def get_contexts(self, asks):
        metadata = ContextMetadata(profile_phase="cold_start", group="control")
        options = [each.options[1] for each in PUBLISHED.dimensions]
        shown = dict(zip(SHOWN, options, strict=True))
        return [
            Context(request_id=ask["user_id"], **shown, confidence=0.5, rationale="", metadata=metadata)
            for ask in asks
        ]

    def report_outcomes(self, reports):
        self.reports += reports
        return [OutcomeReceipt(success=True), StoreUnavailable()]


def test_an_outcome_that_is_not_acknowledged_ends_the_run():
    client = Forgetful()
    player = Served(client, "sim", PUBLISHED)
    assert player.decide(TURN).tolist() == [PUBLISHED.combination((1, 1, 1, 1))] * 2
    assert player.controls == 2
    told = worlds.emit(np.zeros(2), worlds.luck(np.random.default_rng(1), 2))
    with pytest.raises(CommandFailed, match="not acknowledged"):
        player.hear(TURN, Histories.rows(TURN, 0, np.zeros(2, int), told))
    assert [each["request_id"] for each in client.reports] == ["sim-0", "sim-1"]
    assert [each["started"] for each in client.reports] == told.started.tolist()


class Closed:
    """A client whose key may not read; everything is acknowledged."""

    asked = 0

    def report_outcomes(self, reports):
        return [OutcomeReceipt(success=True)] * len(reports)

    def get_posterior(self, _):
        self.asked += 1
        raise Forbidden("This key may not read.")


def test_a_key_that_may_not_read_does_not_wait_for_the_fit():
    client = Closed()
    player = Served(client, "sim", PUBLISHED)
    player._outcomes = 20
    player.rest()
    player._outcomes = 200
    player.rest()
    assert client.asked == 1


# From a log


@pytest.mark.slow
def test_a_log_tells_what_other_policies_would_have_earned(data, run):
    played = json.loads(run("demo", "--users", 40, "--json", "--data", data).stdout)
    place = ("--from-log", "--tenant", played["tenant"], "--env", "live", "--data", data)
    shown = run("simulate", *place, "--users", 5, "--seeds", 2, "--weights", "completed=1,flow=0", "--json")
    assert shown.exit_code == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert told["fit"]["users"] == played["lift"]["learnedUsers"]
    assert 0 < told["fit"]["outcomes"] < played["interactions"]
    assert f"Only {told['fit']['users']} users" in told["warnings"][0]
    assert [each["policy"] for each in told["policies"]] == [
        "current",
        "floor 0",
        "floor 0.05",
        "weights no bonuses",
        "weights completed=1,flow=0",
        "uniform",
        "best fixed",
    ]
    assert told["policies"][0]["aboveCurrent"]["mean"] == 0.0
    assert all(0.0 < each["reward"]["mean"] < 1.0 for each in told["policies"])
    assert all(each["reward"]["standardError"] > 0.0 for each in told["policies"])

    page = run("simulate", *place, "--users", 5, "--seeds", 2).stdout
    assert max(map(len, page.splitlines())) <= 80
    for words in ("Beware: Only", "best fixed", ", ".join(told["bestFixed"])[:20], "Held-out log score"):
        assert words in page


@pytest.mark.slow
def test_an_exported_log_tells_the_same_as_the_store(data, run, tmp_path):
    """As text and as Parquet, to the last digit."""
    played = json.loads(run("demo", "--users", 40, "--json", "--data", data).stdout)
    place = ("--tenant", played["tenant"], "--env", "live", "--data", data)
    for form in ("jsonl", "parquet"):
        out = ("--format", form, "--out", tmp_path / form)
        assert run("log", "export", *place, *out).exit_code == 0
    asked = ("simulate", "--from-log", "--users", 5, "--seeds", 2, "--json")
    stored = json.loads(run(*asked, *place).stdout)
    for form in ("jsonl", "parquet"):
        told = json.loads(run(*asked, "--log", tmp_path / form).stdout)
        assert told.pop("log") == str(tmp_path / form)
        assert told == {name: each for name, each in stored.items() if name not in {"tenant", "env"}}


def logged(**changed):
    """One line of a log."""
    approach = PUBLISHED.told(1, 7)
    signals = {
        "started": True,
        "completed": True,
        "timeToStart": 90.5,
        "flowState": None,
        "satisfaction": 0.7,
    }
    line = {
        "user": "aa",
        "decidedAt": "2026-01-01T00:00:00.123Z",
        "reportedAt": "2026-01-01T00:01:00Z",
        "context": {"taskType": "coding", "complexity": "high", "hour": 3},
        "approach": approach,
        "group": "learned",
        **dict.fromkeys(("floored", "explored", "degraded"), False),
        "propensity": 0.1,
        "propensityReason": None,
        "signals": signals,
        "reward": (1.0 + 0.6 + 0.15 * 2 ** (-90.5 / 900) + 0.1 * 0.4) / 2,
        "final": True,
        "step": 0,
        "policyVersion": 1,
        "priorVersion": 0,
        "nonce": "1",
    }
    return line | changed


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, "has 1 users"),
        ({"reward": 0.5}, "rewards are of other weights"),
        ({"approach": {"tone": "warm"}}, "other dimensions than amp's own (tone: 'warm' is not an option)"),
        ({"nonce": 3}, "line 1: "),
    ],
)
def test_a_log_of_something_else_is_refused_in_words(changed, says, run, tmp_path):
    (tmp_path / "log").write_text(json.dumps(logged(**changed)) + "\n")
    refused = run("simulate", "--from-log", "--log", tmp_path / "log")
    assert refused.exit_code == 1
    assert says in refused.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "has 0 users"),
        (("--weights", "completd=1"), "the names are never-started"),
        (("--weights", "flow=much"), "not NAME=NUMBER"),
        (("--weights", "speed-half-life-s=0"), "out of range"),
        (("--env", "prod"), "env: must be one of live, test"),
    ],
)
def test_a_log_that_tells_nothing_is_refused_in_words(options, says, data, run):
    refused = run("simulate", "--from-log", "--data", data, *options)
    assert refused.exit_code == 1
    assert says in refused.stderr
