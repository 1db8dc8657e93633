"""`amp config show`: every setting as it holds, where it comes from, and nothing secret."""

import json

import pytest

from amp import origins, settings

SECRET = "an operator's secret of enough length"


def shown(run, *arguments):
    told = json.loads(run("config", "show", "--json", *arguments).stdout)
    return {each["name"]: each for each in told["settings"]}, told["file"]


def test_each_setting_names_what_says_so(run, tmp_path, monkeypatch):
    (tmp_path / "amp.toml").write_text('workers = 2\nlog_retention = "7d"\nport = 1\n')
    monkeypatch.setenv("AMP_PORT", "9000")
    monkeypatch.setenv("AMP_RATE_LIMIT", "")
    found, file = shown(run, "--durability", "everysec")
    assert file == str(tmp_path / "amp.toml")
    said = {name: (each["value"], each["origin"]) for name, each in found.items()}
    assert said["AMP_WORKERS"] == ("2", f"workers in {file}")
    assert said["AMP_LOG_RETENTION"] == ("7d", f"log_retention in {file}")
    assert said["AMP_PORT"] == ("9000", "AMP_PORT")
    assert said["AMP_DURABILITY"] == ("everysec", "--durability")
    assert said["AMP_RATE_LIMIT"] == ("0", "default")
    assert said["AMP_REDIS"] == (None, "default")
    assert found["AMP_WORKERS"]["default"] == "1"


def test_every_setting_is_there_in_its_order_and_shows_what_load_has(tmp_path):
    given = {"AMP_OUTCOME_WINDOW": "90s", "AMP_WORKERS": "3"}
    found = origins.in_force(given, folder=tmp_path)
    assert [each.name for each in found] == [row.name for row in settings.table()][:-1]
    as_shown = {each.name: each.value for each in found if each.value is not None}
    assert settings.load(as_shown, folder=tmp_path) == settings.load(given, folder=tmp_path)


def test_no_secret_is_shown_wherever_it_comes_from(run, tmp_path, monkeypatch):
    (tmp_path / "amp.toml").write_text('llm_api_key = "key-of-the-model"\n')
    monkeypatch.setenv("AMP_SECRET", SECRET)
    monkeypatch.setenv("AMP_REDIS", "redis://me:hidden@store:6379/0?password=hidden")
    monkeypatch.setenv("AMP_LLM_BASE_URL", "http://me:hidden@model:8080/v1")
    for arguments in ((), ("--origin",), ("--json",)):
        told = run("config", "show", *arguments)
        assert not any(each in told.stdout + told.stderr for each in (SECRET, "key-of-the-model", "hidden"))
    found, _ = shown(run)
    assert found["AMP_REDIS"]["value"] == "redis://***@store:6379/0?password=***"
    assert (found["AMP_SECRET"]["value"], found["AMP_SECRET"]["origin"]) == ("***", "AMP_SECRET")


def test_settings_that_lack_the_secret_can_still_be_looked_at(run, monkeypatch):
    monkeypatch.setenv("AMP_REDIS", "redis://store")
    found, file = shown(run)
    assert (found["AMP_REDIS"]["value"], found["AMP_SECRET"]["value"], file) == ("redis://store", None, None)


@pytest.mark.parametrize("arguments", [("--port", "x"), ("--workers", "0")])
def test_a_bad_value_is_refused_as_serve_would(run, arguments):
    refused = run("config", "show", *arguments)
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert f"{arguments[0]}: must be a whole number" in refused.stderr


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_terminal(run, monkeypatch, tmp_path, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("AMP_DATA", "/srv/" + "a-long-name/" * 9)
    (tmp_path / "amp.toml").write_text("workers = 2")
    told = run("config", "show", "--origin")
    assert max(map(len, told.stdout.splitlines())) <= columns
    assert "AMP_GRADER_HEARTBEAT_SECONDS" in told.stdout
    assert "AMP_WORKERS" in told.stdout
    assert "amp doctor" in told.stderr
