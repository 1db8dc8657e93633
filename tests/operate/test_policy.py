"""`amp policy`: shown, changed and listed without a running service."""

import json

import pytest

OWN = {
    "dimensions": [
        {"name": "tone", "options": ["warm", "dry", {"name": "own", "state": "paused"}]},
        {"name": "pace", "options": ["slow", "fast"]},
    ],
    "weights": {"flow": 0.3},
}


@pytest.fixture
def policy(run, data, tmp_path):
    """Runs `amp policy ...`; FILE holds what is `said`."""

    def command(*arguments, said=None):
        file = tmp_path / "change.json"
        file.write_text(json.dumps(said))
        return run("policy", *[file if each == "FILE" else each for each in arguments], "--data", data)

    return command


@pytest.mark.timeout(120)
def test_a_policy_is_tried_set_shown_and_listed(policy):
    """One course on one store, for every command opens it anew."""
    assert "suggestedFraming" in policy("show").stdout
    told = policy("set", "FILE", "--dry-run", said=OWN).stdout
    assert "dimensions.tone" in told
    assert "Nothing was changed" in told
    assert json.loads(policy("show", "--json").stdout)["version"] == 1
    assert "Version 2 is in force" in policy("set", "FILE", said=OWN).stderr
    assert "Nothing to change" in policy("set", "FILE", said=OWN).stderr
    assert "own (paused)" in policy("show").stdout
    assert json.loads(policy("show", "--version", "1", "--json").stdout)["combinations"] == 256
    refused = policy("set", "FILE", said={"weights": {"flow": 99}})
    assert (refused.exit_code, "weights.flow" in refused.stderr) == (1, True)
    second, first = json.loads(policy("versions", "--json").stdout)
    assert (first["version"], second["version"]) == (1, 2)
    assert {"field": "weights.flow", "from": 0.15, "to": 0.3} in second["changes"]
    assert "weights.flow" in policy("versions").stdout


def test_a_file_that_is_not_there_is_named(policy):
    missing = policy("set", "nowhere.json")
    assert (missing.exit_code, "nowhere.json cannot be read" in missing.stderr) == (1, True)
