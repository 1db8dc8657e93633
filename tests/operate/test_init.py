"""`amp init`: a unit that systemd takes, and a file of settings that systemd, a shell and amp read alike."""

import configparser
import json
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from running import serving

from amp import serve, settings
from amp.store.embedded import STOP_S
from amp.store.folder import DataFolder
from amp.terminal import setup
from amp.terminal.envfile import quoted

SECRET = "an operator's secret of enough length"


def made(run, out, *arguments):
    told = run("init", "--out", out, *arguments)
    assert told.exit_code == 0, told.stderr
    return told


def in_shell(file):
    """What a shell has after `set -a; . FILE`."""
    command = f"set -a; . {shlex.quote(str(file))}; env -0"
    done = subprocess.run(["sh", "-c", command], env={}, capture_output=True, text=True, check=True)
    pairs = [each.partition("=") for each in done.stdout.split("\0") if each.startswith("AMP_")]
    return {name: value for name, _, value in pairs}


def loaded(file, tmp_path):
    return settings.load(in_shell(file), folder=tmp_path / "nowhere")


def loaded_word(file, name):
    """What a shell has of this variable after `set -a; . FILE`."""
    command = f'set -a; . {shlex.quote(str(file))}; printf %s "${name}"'
    return subprocess.run(["sh", "-c", command], env={}, capture_output=True, text=True, check=True).stdout


def unit_of(out):
    parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#",), interpolation=None)
    parser.optionxform = str
    parser.read(out / "amp.service")
    return {key: value for section in parser.sections() for key, value in parser.items(section)}


def test_what_is_set_here_is_set_there_and_the_rest_is_commented(run, tmp_path, monkeypatch):
    monkeypatch.setenv("AMP_SECRET", SECRET)
    monkeypatch.setenv("AMP_OUTCOME_WINDOW", "90s")
    monkeypatch.setenv("AMP_LLM_API_KEY", 'it\'s a "key" with $HOME, `x` and \\ in it')
    (tmp_path / "amp.toml").write_text("workers = 3\n")
    out = tmp_path / "out"
    made(run, out, "--port", "9000", "--redis", "redis://me:pass word@store:6379/0")
    expected = settings.load(
        os.environ,
        flags={"port": "9000", "redis": "redis://me:pass word@store:6379/0", "data": "/var/lib/amp"},
        folder=tmp_path,
    )
    assert loaded(out / "amp.env", tmp_path) == expected
    assert (expected.workers, expected.outcome_window_ms) == (3, 90_000)


def test_every_setting_stands_there_with_its_sentence_and_default(run, tmp_path):
    made(run, tmp_path / "out")
    lines = (tmp_path / "out" / "amp.env").read_text().splitlines()
    text = " ".join(line.removeprefix("# ") for line in lines)
    for row in settings.table()[:-1]:
        assert row.doc in text
        assert f"Default: {row.default}" in text
        assert any(line.removeprefix("# ").startswith(f"{row.name}=") for line in lines)
    bare = loaded(tmp_path / "out" / "amp.env", tmp_path)
    given = {"AMP_DATA": "/var/lib/amp", "AMP_SECRET": bare.secret}
    assert bare == settings.load(given, folder=tmp_path)
    uncommented = "\n".join(line.removeprefix("# ") for line in lines if line.startswith(("# AMP_", "AMP_")))
    (tmp_path / "all.env").write_text(uncommented)
    assert loaded(tmp_path / "all.env", tmp_path) == bare


def test_the_secret_is_made_and_only_its_owner_reads_it(run, tmp_path):
    old = os.umask(0)
    try:
        told = made(run, tmp_path / "out")
        made(run, tmp_path / "other")
    finally:
        os.umask(old)
    env, unit = tmp_path / "out" / "amp.env", tmp_path / "out" / "amp.service"
    assert told.stdout.split() == [str(env), str(unit)]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (env, unit)] == [0o600, 0o644]
    secret = in_shell(env)["AMP_SECRET"]
    assert len(secret) >= 43
    assert secret not in told.stdout + told.stderr + unit.read_text()
    assert in_shell(tmp_path / "other" / "amp.env")["AMP_SECRET"] != secret


def test_nothing_is_overwritten_unless_asked_and_then_the_secret_stays(run, tmp_path):
    made(run, tmp_path / "out")
    before = (tmp_path / "out" / "amp.env").read_text()
    refused = run("init", "--out", tmp_path / "out", "--port", "9000")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--force" in refused.stderr
    assert (tmp_path / "out" / "amp.env").read_text() == before
    told = made(run, tmp_path / "out", "--port", "9000", "--force")
    after = in_shell(tmp_path / "out" / "amp.env")
    assert (after["AMP_PORT"], f"AMP_SECRET={after['AMP_SECRET']}" in before) == ("9000", True)
    assert "its keys go on working" in told.stderr


def test_either_file_that_is_there_refuses_before_anything_is_written(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "amp.service").write_text("mine")
    assert run("init", "--out", tmp_path / "out").exit_code == 1
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["amp.service"]


def test_the_secret_of_data_that_is_there_goes_on_working(run, tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "DATA_LENGTH_MAX", 1000)  # the test's folders have long names
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret").write_text(SECRET)
    made(run, tmp_path / "out", "--data", tmp_path / "data")
    assert in_shell(tmp_path / "out" / "amp.env")["AMP_SECRET"] == SECRET


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
@pytest.mark.parametrize("arguments", [(), ("--port", "443"), ("--data", "/srv/amp")])
def test_systemd_takes_the_unit_without_a_word(run, tmp_path, arguments):
    made(run, tmp_path, *arguments)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "amp.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_stops_in_good_order_and_may_write_nowhere_else(run, tmp_path):
    made(run, tmp_path)
    unit = unit_of(tmp_path)
    assert unit["ExecStart"].endswith("/amp serve")
    assert unit["KillMode"] == "mixed"  # else the store hears SIGTERM before the workers are done with it
    assert unit["KillSignal"] == "SIGTERM"
    assert float(unit["TimeoutStopSec"]) > serve._GRACE_S + 5 + STOP_S
    assert unit["Restart"] == "always"
    assert (unit["User"], unit["StateDirectory"], unit["ProtectSystem"]) == ("amp", "amp amp/tmp", "strict")
    assert unit["NoNewPrivileges"] == "yes"
    assert unit["CapabilityBoundingSet"] == ""
    assert int(unit["LimitNOFILE"]) >= 65536
    assert unit["EnvironmentFile"] == "/etc/amp/amp.env"
    assert "PrivateTmp" not in unit
    assert loaded_word(tmp_path / "amp.env", "TMPDIR") == "/var/lib/amp/tmp"


def test_service_and_commands_find_each_other_by_the_file(run, tmp_path, monkeypatch):
    """Wherever the socket of an earlier start was: the store's is in the folder that both may write to."""
    with tempfile.TemporaryDirectory(prefix="amp-", dir="/tmp") as short:
        data = Path(short) / "data"
        made(run, tmp_path, "--data", data)
        with DataFolder(data).path.joinpath("socket").open("w") as earlier:
            earlier.write("/proc/amp-nowhere/store.sock")
        (data / "tmp").mkdir()
        variables = in_shell(tmp_path / "amp.env") | {"TMPDIR": loaded_word(tmp_path / "amp.env", "TMPDIR")}
        with serving(data, **variables):
            socket = Path((data / "socket").read_text())
            assert socket.is_relative_to(data / "tmp")
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            told = json.loads(run("doctor", "--json").stdout)
            store = told["groups"][0]["checks"][0]
            assert (store["name"], store["status"]) == ("store", "ok")


def test_a_program_that_the_services_user_cannot_reach_is_told(run, tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    (closed / "bin").mkdir(parents=True)
    for name in ("amp", "python"):
        (closed / "bin" / name).touch()
    monkeypatch.setattr("sys.executable", str(closed / "bin" / "python"))
    closed.chmod(0o700)
    tmp_path.chmod(0o755)
    assert setup.closed_to_others(closed / "bin" / "amp") in {closed, *tmp_path.parents}
    assert "is closed to others, so amp cannot run" in made(run, tmp_path / "out").stderr


def test_a_folder_elsewhere_and_a_low_port_are_let_through(run, tmp_path):
    made(run, tmp_path, "--data", "/srv/amp", "--port", "443", "--user", "learner")
    unit = unit_of(tmp_path)
    assert (unit["ReadWritePaths"], unit["WorkingDirectory"]) == ("/srv/amp", "/srv/amp")
    assert unit["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert (unit["User"], "StateDirectory" in unit) == ("learner", False)


def test_the_next_commands_are_told_in_their_order(run, tmp_path):
    told = made(run, tmp_path / "out", "--json")
    commands = json.loads(told.stdout)["commands"]
    programs = [shlex.split(each)[0] for each in commands]
    assert programs == [
        "useradd",
        "install",
        "install",
        "install",
        "runuser",
        "systemctl",
        "systemctl",
        "runuser",
    ]
    assert commands[6] == "systemctl enable --now amp"
    made(run, tmp_path / "out", "--force")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--data", "/srv/my amp"), "data folder"),
        (("--data", "/srv/" + "a" * 90), "too long by"),
        (("--user", "a;b"), "The user"),
        (("--port", "x"), "--port"),
    ],
)
def test_what_a_unit_cannot_hold_is_refused(run, tmp_path, arguments, says):
    refused = run("init", "--out", tmp_path / "out", *arguments)
    assert refused.exit_code in {1, 4}
    assert says in refused.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "value",
    ["", "plain-1", "two words", "it's", 'say "x"', "$HOME", "a\\b", "`x`", "#", "ü", "it's $5 \\ \"`"],
)
def test_any_value_reaches_a_shell_whole(tmp_path, value):
    (tmp_path / "file").write_text(f"AMP_SECRET={quoted(value)}\n")
    assert in_shell(tmp_path / "file") == {"AMP_SECRET": value}
