"""`amp bridge`: the mapping shown, changed and listed, and how far the bridge is, without a service."""

import json

import pytest


@pytest.fixture
def bridge(run, data, tmp_path):
    """Runs `amp bridge ...`; FILE holds what is `said`."""

    def command(*arguments, said=None):
        file = tmp_path / "change.json"
        file.write_text(json.dumps(said))
        return run("bridge", *[file if each == "FILE" else each for each in arguments], "--data", data)

    return command


@pytest.mark.timeout(120)
def test_a_mapping_is_shown_set_and_listed(bridge):
    """One course on one store, for every command opens it anew."""
    assert "outcomeTypes.CONVERTED" in bridge("show").stdout
    change = {"custom": {"renewed": "completed"}, "valueWeight": 0.5}
    made = bridge("set", "FILE", "--why", "renewals count", said=change)
    assert "custom.renewed: - → completed" in made.stderr
    assert "Version 2 is in force" in made.stderr
    assert "Nothing to change" in bridge("set", "FILE", said=change).stderr
    shown = json.loads(bridge("show", "--json").stdout)
    assert (shown["version"], shown["by"], shown["why"]) == (2, "operator", "renewals count")
    assert json.loads(bridge("show", "--version", "1", "--json").stdout)["custom"] == {}
    second, first = json.loads(bridge("history", "--json").stdout)
    assert (second["version"], first["version"]) == (2, 1)
    listed = bridge("history").stdout
    assert "renewals count" in listed
    assert "the default" in listed
    refused = bridge("set", "FILE", said={"valueWeight": 99})
    assert (refused.exit_code, "valueWeight" in refused.stderr) == (1, True)
    assert "never" in bridge("status").stdout
    assert json.loads(bridge("status", "--json").stdout)["waiting"] == 0
