"""The command line: what it prints where, how it ends, and keys with or without a running service."""

import json

import pytest
import typer

from amp.cli import cli


def test_help_lists_the_commands_and_the_exit_codes(run):
    shown = run("--help")
    assert shown.exit_code == 0
    for word in ("serve", "keys", "Exit codes", "0 done"):
        assert word in shown.stdout


def every(command, name="amp"):
    """Each command with its name, those of groups too."""
    for part, inner in getattr(command, "commands", {}).items():
        yield from every(inner, f"{name} {part}")
    yield name, command


def test_every_command_means_the_same_data_where_none_is_named():
    """That of the keys that `amp keys create` makes."""
    meant = {
        name: option.default
        for name, command in every(typer.main.get_command(cli))
        for option in command.params
        if option.name == "env" and option.default  # `amp ledger verify` looks at all
    }
    assert len(meant) > 9
    assert set(meant.values()) == {meant["amp keys create"]} == {"test"}


def test_a_mistyped_command_is_refused_with_the_nearest_one(run):
    refused = run("sevre")
    assert refused.exit_code == 2
    assert "Did you mean 'serve'?" in refused.stderr
    assert refused.stdout == ""


def test_a_key_is_made_listed_rotated_and_revoked_without_a_service(data, run):
    made = run(
        "keys", "create", "--tenant", "acme", "--env", "live", "--scopes", "read,admin", "--data", data
    )
    key = made.stdout.strip()
    assert key.startswith("amp_sk_live_")
    assert key not in made.stderr

    (first,) = json.loads(run("keys", "list", "--json", "--data", data).stdout)
    assert (first["tenant"], first["env"], first["status"]) == ("acme", "live", "active")
    assert first["scopes"] == ["read", "admin"]

    rotated = json.loads(run("keys", "rotate", first["id"], "--json", "--data", data).stdout)
    assert rotated["key"] not in {key, None}
    assert rotated["scopes"] == first["scopes"]
    assert run("keys", "revoke", rotated["id"], "--data", data).exit_code == 0

    listed = run("keys", "list", "--data", data).stdout
    assert listed.count("revoked") == 2
    assert key not in listed


def test_a_key_without_options_is_a_test_key_that_can_do_the_published_calls(data, run):
    made = json.loads(run("keys", "create", "--json", "--expires", "2999-12-31", "--data", data).stdout)
    assert made["key"].startswith("amp_sk_test_")
    assert made["scopes"] == ["context", "outcome", "profile", "ledger", "sessions"]
    assert made["expires"] == "2999-12-31T00:00:00.000Z"


@pytest.mark.parametrize(
    ("scopes", "begins"),
    [
        ("ledger", "rev_sk_acme_"),
        ("context ledger", "rev_sk_acme_"),
        ("all", "rev_sk_acme_"),
        ("meter", "rev_mk_acme_"),
        ("read", "rev_rk_acme_"),
    ],
)
def test_a_key_for_clients_of_the_ledger_says_what_it_may_do(scopes, begins, data, run):
    asked = ("--format", "rev", "--tenant", "acme", "--scopes", scopes)
    made = json.loads(run("keys", "create", *asked, "--json", "--data", data).stdout)
    assert made["key"].startswith(begins)
    assert made["key"].count("_") == 3
    rotated = json.loads(run("keys", "rotate", made["id"], "--json", "--data", data).stdout)
    assert rotated["key"].startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("--format", "rev", "--scopes", "context"), 1, "must be meter, read, or hold ledger"),
        (("--format", "hak"), 2, "must be amp or rev"),
        (("--tenant", "Not A Tenant"), 1, "tenant: must be 1 to 32"),
        (("--scopes", "everything"), 1, "'everything' is unknown; known are context"),
        (("--expires", "2001-01-01"), 1, "must lie in the future"),
        (("--expires", "soon"), 2, "must be a duration such as 30d or a date"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_in_words(arguments, exit_code, says, data, run):
    refused = run("keys", "create", "--data", data, *arguments)
    assert refused.exit_code == exit_code
    assert says in " ".join(refused.stderr.replace("│", " ").split())
    assert refused.stdout == ""


def test_an_unknown_key_id_is_a_refusal(data, run):
    refused = run("keys", "revoke", "nobody", "--data", data)
    assert refused.exit_code == 1
    assert "amp keys list" in refused.stderr


def test_a_wrong_setting_has_its_own_exit_code(data, run, monkeypatch):
    monkeypatch.setenv("AMP_WORKER", "2")
    refused = run("keys", "list", "--data", data)
    assert refused.exit_code == 4
    assert "did you mean AMP_WORKERS?" in refused.stderr


def test_a_store_that_does_not_answer_has_its_own_exit_code(tmp_path, run, monkeypatch):
    monkeypatch.setenv("AMP_SECRET", "x" * 32)
    refused = run("keys", "list", "--redis", f"unix://{tmp_path}/nobody.sock")
    assert refused.exit_code == 3
    assert "The store does not answer" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_unusable_data_folder_has_its_own_exit_code(tmp_path, run):
    (tmp_path / "file").touch()
    refused = run("keys", "list", "--data", tmp_path / "file" / "data")
    assert refused.exit_code == 4
    assert "cannot be written to" in refused.stderr
