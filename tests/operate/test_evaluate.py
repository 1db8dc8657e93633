"""`amp evaluate`: another policy's worth, from a log file or from the store."""

import json
from datetime import UTC, datetime

import httpx
import msgspec
import numpy as np
import pytest
from running import calling, serving, until

from amp.learning.approaches import PUBLISHED
from amp.learning.logline import LogContext, LogLine, LogSignals

FIXED = PUBLISHED.told(1, 0)


def logged(combination, *, user="aa", reward=0.5, propensity=0.1, **said):
    """One line of a log."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    said = {"context": LogContext("coding", "high", 3), "group": "learned"} | said
    return LogLine(
        user=user,
        decided_at=at,
        reported_at=at,
        approach=PUBLISHED.told(1, combination),
        floored=False,
        explored=False,
        degraded=False,
        propensity=propensity,
        propensity_reason=said.pop("reason", None),
        signals=LogSignals(
            started=True, completed=None, time_to_start=None, flow_state=None, satisfaction=None
        ),
        reward=reward,
        final=True,
        step=0,
        policy_version=1,
        prior_version=0,
        nonce="1",
        **said,
    )


@pytest.fixture
def evaluated(run, tmp_path):
    """Runs `amp evaluate --json` on these lines; the policy is the text of a file."""

    def evaluated(policy, *lines, as_json=True):
        (tmp_path / "policy").write_text(policy if isinstance(policy, str) else json.dumps(policy))
        (tmp_path / "log.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        flags = ["--json"] if as_json else []
        ended = run("evaluate", "--policy", tmp_path / "policy", "--log", tmp_path / "log.jsonl", *flags)
        return json.loads(ended.stdout) if as_json and ended.exit_code == 0 else ended

    return evaluated


def test_a_fixed_approach_on_paper(evaluated):
    """Shown twice with probability 0.1 and 0.2: weights 10 and 5, and 0 for the rest."""
    lines = [logged(0, reward=1.0), logged(0, user="bb", propensity=0.2), logged(7), logged(9, user="bb")]
    told = evaluated({"approach": FIXED}, *lines)
    assert told["ips"]["value"] == pytest.approx((10 + 2.5) / 4)
    assert told["snips"]["value"] == pytest.approx(12.5 / 15)
    assert told["logged"]["value"] == pytest.approx(2.5 / 4)
    assert told["effectiveSampleSize"] == pytest.approx(15**2 / 125)
    assert (told["decisions"], told["users"], told["usableShare"]) == (4, 2, 1.0)
    assert any("effective sample size of 2" in warning for warning in told["warnings"])


def test_what_cannot_be_used_is_counted_by_reason_and_controls_are_left_out(evaluated):
    lines = [
        *(logged(0, user=user) for user in ("aa", "bb", "cc")),
        logged(0, propensity=None, reason="prior"),
        logged(0, propensity=None, reason="prior"),
        logged(0, propensity=1.0, group="control"),
        logged(7, locked=["encouragement"]),
    ]
    told = evaluated({"approach": FIXED}, *lines)
    assert told["unusable"] == {"prior": 2, "locked": 1}
    assert (told["decisions"], told["controls"], told["usableShare"]) == (3, 1, 0.5)
    said = evaluated({"approach": FIXED}, *lines, as_json=False).stdout
    assert "2 the prior that it rested on is no longer kept" in said.replace("\n", " ")
    assert "Left out: 1 decisions of controls" in said
    assert max(map(len, said.splitlines())) <= 80


def test_within_a_lock_the_policy_shows_the_rest_of_what_it_would(evaluated):
    """Uniform over 256 is uniform over the 64 with what was locked: weight (1/64) / 0.1."""
    told = evaluated("uniform", logged(0, locked=["encouragement"]), logged(0, user="bb"))
    assert told["weightMax"] == pytest.approx(1 / 64 / 0.1)
    excluded = logged(0, exclude={"encouragement": ["none", "minimal"]})
    assert evaluated("uniform", excluded, excluded)["weightMax"] == pytest.approx(1 / 128 / 0.1)


def test_within_a_pause_too_and_a_log_that_does_not_say_what_was_offered_offered_all(evaluated):
    """Uniform over 256 is uniform over the 128 that were offered; an approach that was not is no decision."""
    offered = {each.name: list(each.options) for each in PUBLISHED.dimensions}
    halved = offered | {"encouragement": ["high", "moderate"]}
    assert PUBLISHED.told(1, 0)["encouragement"] == "high"
    lines = [logged(0, offered=halved), logged(0, user="bb", offered=offered)]
    assert evaluated("uniform", *lines)["weightMax"] == pytest.approx(1 / 128 / 0.1)
    assert evaluated("uniform", logged(0), *lines[1:])["weightMax"] == pytest.approx(1 / 256 / 0.1)
    quiet = {"approach": FIXED | {"encouragement": "none"}}
    told = evaluated(quiet, *lines)
    assert (told["decisions"], told["unusable"]) == (1, {"locked": 1})


def test_a_table_goes_by_the_context_and_its_first_match(evaluated):
    other = PUBLISHED.told(1, 9)
    policy = {
        "table": [
            {"taskType": "coding", "complexity": "high", "approach": FIXED},
            {"taskType": "coding", "approach": other},
        ],
        "otherwise": other,
    }
    easy, writing = LogContext("coding", "low", 3), LogContext("writing", None, 3)
    lines = [
        logged(0),
        logged(0, context=easy, user="bb"),
        logged(9, context=easy),
        logged(9, context=writing),
    ]
    told = evaluated(policy, *lines)
    assert told["ips"]["value"] == pytest.approx((10 + 0 + 10 + 10) * 0.5 / 4)


def test_toml_says_the_same(evaluated):
    as_toml = "[approach]\n" + "\n".join(f'{name} = "{option}"' for name, option in FIXED.items())
    lines = [logged(0), logged(3, user="bb")]
    assert evaluated(as_toml, *lines) == evaluated({"approach": FIXED}, *lines)
    assert evaluated('policy = "uniform"', *lines) == evaluated("uniform", *lines)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("{", "policy: "),
        ({"aproach": FIXED}, "unknown field `aproach`"),
        ({}, "exactly one of approach, table, policy and learner"),
        ({"approach": FIXED, "policy": "uniform"}, "exactly one of"),
        ({"approach": FIXED | {"encouragement": "loud"}}, "encouragement: 'loud' is not an option"),
        (
            {"approach": {"encouragement": "none"}},
            "complexity, suggestedFraming: missing",
        ),
        ({"learner": {}}, "evaluate this policy without --log"),
        ("default", "evaluate this policy without --log"),
    ],
)
def test_a_policy_that_is_not_understood_is_refused_in_words(policy, says, evaluated):
    refused = evaluated(policy, logged(0))
    assert refused.exit_code == 1
    assert says in refused.stderr
    assert refused.stdout == ""


def test_a_log_without_a_decision_to_use_is_refused(evaluated):
    refused = evaluated("uniform", logged(0, propensity=None, reason="erased"))
    assert refused.exit_code == 1
    assert "1 the user was erased since" in refused.stderr
    assert "the log is empty" in evaluated("uniform").stderr


def test_a_file_that_is_no_log_is_refused_with_its_line(run, tmp_path):
    (tmp_path / "policy").write_text("uniform")
    (tmp_path / "log").write_text('{"user": 3}\n')
    refused = run("evaluate", "--policy", tmp_path / "policy", "--log", tmp_path / "log")
    assert refused.exit_code == 1
    assert "line 1" in refused.stderr
    assert "amp log export" in refused.stderr
    missing = run("evaluate", "--policy", tmp_path / "nothing")
    assert "cannot be read: No such file" in missing.stderr


def used(announced, times):
    """So many outcomes of thirty users."""
    rng = np.random.default_rng(1)
    with calling(announced) as service:
        for nth in range(times):
            asked = service.post("/v1/context", json={"userId": f"{nth % 30}", "task": "t"}).json()
            outcome = {"requestId": asked["requestId"], "started": bool(rng.random() < 0.6)}
            service.post("/v1/outcome", json=outcome).raise_for_status()


@pytest.fixture
def told(run, tmp_path):
    """What `amp evaluate` says of a policy with these options."""

    def told(policy, *more):
        (tmp_path / "policy").write_text(policy)
        ended = run("evaluate", "--policy", tmp_path / "policy", "--json", *more)
        assert ended.exit_code == 0, ended.stderr
        return json.loads(ended.stdout)

    return told


def test_a_paused_option_is_out_in_a_file_as_in_the_store(data, run, tmp_path, told):
    """A hundred and twenty outcomes before the pause, ninety after it, and a simulation on them."""
    paused = {"suggestedFraming": ["challenge"], "encouragement": ["high", "none"]}
    dimensions = [
        {
            "name": each.name,
            "options": [
                {"name": name, "state": "paused" if name in paused.get(each.name, ()) else "active"}
                for name in each.options
            ],
        }
        for each in PUBLISHED.dimensions
    ]
    (tmp_path / "change").write_text(json.dumps({"dimensions": dimensions}))
    with serving(data) as (_, announced):
        used(announced, 120)
        assert run("policy", "set", tmp_path / "change", "--data", data).exit_code == 0
        until(lambda: no_longer_shown(announced, "challenge"))
        used(announced, 90)

    for form in ("jsonl", "parquet"):
        file = tmp_path / form
        assert run("log", "export", "--data", data, "--format", form, "--out", file).exit_code == 0
        for policy in ("uniform", json.dumps({"approach": FIXED | {"encouragement": "none"}})):
            from_store, from_file = told(policy, "--data", data), told(policy, "--log", file)
            assert from_store == from_file
            assert from_store["decisions"] > 30
    lines = [json.loads(line) for line in (tmp_path / "jsonl").read_text().splitlines()]
    shown = [line["offered"]["encouragement"] for line in lines if line["propensity"] is not None]
    assert ["moderate", "minimal"] in shown
    assert ["high", "moderate", "minimal", "none"] in shown

    asked = ("simulate", "--from-log", "--users", 5, "--seeds", 1, "--json")
    stored = json.loads(run(*asked, "--data", data).stdout)
    read = json.loads(run(*asked, "--log", tmp_path / "jsonl").stdout)
    assert (stored["fit"], stored["policies"]) == (read["fit"], read["policies"])


def no_longer_shown(announced, framing):
    """Whether the worker decides by the policy that pauses this; so many draws would show it otherwise."""
    headers = {"Authorization": f"Bearer {announced['key']}"}
    asks = [{"userId": f"{user}", "task": "t"} for user in range(60)]
    answer = httpx.post(announced["url"] + "/v1/context/batch", json={"items": asks}, headers=headers)
    return all(item["suggestedFraming"] != framing for item in answer.json()["items"])


def test_the_store_and_its_export_say_the_same_and_the_learner_unchanged_is_the_log(
    data, run, tmp_path, told
):
    """A hundred and fifty outcomes of thirty users; the learner with other settings needs the store."""
    with serving(data) as (_, announced):
        used(announced, 150)

    run("log", "export", "--data", data, "--out", tmp_path / "log.jsonl")
    from_store, from_file = told("uniform", "--data", data), told("uniform", "--log", tmp_path / "log.jsonl")
    assert from_store == from_file
    unchanged = told('{"learner": {}}', "--data", data)
    assert unchanged["ips"]["value"] == pytest.approx(unchanged["logged"]["value"])
    assert unchanged["effectiveSampleSize"] == pytest.approx(unchanged["decisions"])
    warmer = told("learner.temperature = 1.0", "--data", data)
    assert 0 < warmer["effectiveSampleSize"] < warmer["decisions"]
    for name in ("control", "default"):
        assert 0 <= told(name, "--data", data)["effectiveSampleSize"] < 150
