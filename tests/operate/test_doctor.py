"""`amp doctor`: what it finds on a service that runs, on one that does not, and on what is broken by hand."""

import asyncio
import io
import json
import re

import pytest
from running import serving, until

from amp.doctor.visit import visit
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.keyring import Keyring, pepper

SECRET = "an operator's secret of enough length"
READS = {"ping", "time", "info", "function|list", "config|get", "select", "hgetall", "hvals", "get", "xlen"}
READS |= {"pttl", "lrange", "xinfo|stream", "xrange", "exists", "hmget", "client|setinfo", "hello"}


def checks(groups):
    """Every check by its name."""
    found = [
        each for group in groups for each in (group["checks"] if isinstance(group, dict) else group.findings)
    ]
    return {each["name"] if isinstance(each, dict) else each.name: each for each in found}


def port_of(announced):
    return int(announced["url"].rpartition(":")[2])


def test_a_service_that_runs_is_well_and_one_that_has_ended_is_told(data, run):
    with serving(data) as (_, announced):
        place = ("--data", data, "--port", port_of(announced))

        def settled():
            """What stands once the followers, too, have begun."""
            shown = run("doctor", "--json", *place)
            found = checks(json.loads(shown.stdout)["groups"])
            begun = found["bridge"]["status"] == found["background fit"]["status"] == "ok"
            return (shown, found) if begun else None

        shown, found = until(settled)
        told = json.loads(shown.stdout)
        bad = {name: each for name, each in found.items() if each["status"] != "ok"}
        assert bad.keys() <= {"overcommit", "huge pages", "disk room", "open files"}  # of the test's machine
        assert shown.exit_code == (0 if told["ok"] else 1)
        assert len(found) >= 30
        assert found["fsync"]["found"] == "appendfsync always, as asked for"
        assert found["workers"]["found"] == "1 at work on this store"
        assert found["release"]["status"] == found["ready"]["status"] == "ok"
        assert "which serves" in found["open files"]["found"]
    shown = run("doctor", "--json", "--data", data, "--port", port_of(announced))
    found = checks(json.loads(shown.stdout)["groups"])
    assert found["store"]["status"] == "ok"
    assert found["port"]["status"] == found["workers"]["status"] == "warn"
    assert {found[name]["status"] for name in ("release", "ready", "bridge", "background fit")} == {"unknown"}


def test_where_nothing_is_kept_nothing_is_made(data, run):
    shown = run("doctor", "--data", data)
    assert shown.exit_code == 0
    assert "nothing is kept in" in shown.stdout
    assert not data.exists()
    data.mkdir(mode=0o700)
    assert run("doctor", "--data", data).exit_code == 0
    assert list(data.iterdir()) == []


def test_a_secret_that_is_gone_fails_and_everything_else_is_looked_at(data, run):
    run("keys", "create", "--data", data)
    kept = (data / "secret").read_text()
    (data / "secret").unlink()
    shown = run("doctor", "--json", "--data", data)
    found = checks(json.loads(shown.stdout)["groups"])
    assert shown.exit_code == 1
    assert "First: secret: Put it back" in shown.stderr
    assert found["secret"]["status"] == "fail"
    assert found["keys"]["found"].startswith("1 in force")
    assert not (data / "secret").exists()
    (data / "secret").write_text(kept)
    (data / "secret").chmod(0o600)
    assert json.loads(run("doctor", "--json", "--data", data).stdout)["ok"]


def test_a_store_that_does_not_answer_is_one_failure_among_the_checks(tmp_path, data, run, monkeypatch):
    monkeypatch.setenv("AMP_SECRET", SECRET)
    shown = run("doctor", "--json", "--data", data, "--redis", f"unix://{tmp_path}/nobody.sock")
    assert shown.exit_code == 1
    found = checks(json.loads(shown.stdout)["groups"])
    assert found["store"]["status"] == "fail"
    assert "nobody.sock" in found["store"]["found"]
    assert found["python"]["status"] == "ok"


def test_a_folder_with_a_store_that_does_not_start_is_one_failure_among_the_checks(data, run):
    run("keys", "create", "--data", data)
    for file in (data / "store" / "appendonlydir").glob("*.manifest"):
        file.write_text("not a manifest\n")
    shown = run("doctor", "--json", "--data", data)
    found = checks(json.loads(shown.stdout)["groups"])
    assert shown.exit_code == 1
    assert "does not start" in found["store"]["found"]
    assert found["secret"]["status"] == "ok"


@pytest.mark.parametrize("columns", [80, 120])
def test_what_is_shown_fits_the_terminal_and_each_trouble_has_its_fix(data, run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    run("keys", "create", "--data", data)
    data.chmod(0o755)
    shown = run("doctor", "--data", data)
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    (row,) = [number for number, line in enumerate(lines) if line.startswith("warn  folder")]
    assert f"fix:chmod700{data}" in "".join("".join(lines[row : row + 5]).split())
    assert len(re.findall(r"^(?:ok|warn|fail|\?) ", shown.stdout, re.MULTILINE)) >= 30
    assert re.search(r"\d+ checks: \d+ ok, \d+ to look at, 0 failed, \d+ not known\.", shown.stderr)


def test_looking_at_a_store_sends_it_nothing_but_questions(real_url, tmp_path):
    """The visit of a store that has a key and a ledger of one entry."""

    async def prepare():
        store = connect(real_url)
        await Keyring(store, pepper(SECRET)).create(
            tenant="acme", env="test", scopes=("read",), expires_ms=None
        )
        await store.ask("CONFIG", "RESETSTAT")
        await store.close()

    async def asked():
        store = connect(real_url)
        stats = (await store.ask("INFO", "commandstats")).decode()
        await store.close()
        return set(re.findall(r"cmdstat_([^:]+):", stats))

    asyncio.run(prepare())
    groups = visit(Settings(redis=real_url, secret=SECRET, data=tmp_path / "data"), None)
    assert checks(groups)["keys"].found.startswith("1 in force")
    assert asyncio.run(asked()) - {"config|resetstat"} <= READS
    assert not (tmp_path / "data").exists()


# --prune


def load_old(url):
    async def load():
        store = connect(url)
        old = "#!lua name=amp_learning_v1\nredis.register_function('x_v1', function() return 1 end)"
        await store.ask("FUNCTION", "LOAD", old)
        await store.close()

    asyncio.run(load())


def test_prune_asks_first_and_deletes_what_no_release_needs(real_url, run, monkeypatch, tmp_path):
    monkeypatch.setenv("AMP_SECRET", SECRET)
    place = ("--redis", real_url, "--data", tmp_path / "data")
    load_old(real_url)
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody answers
    refused = run("doctor", "--prune", *place)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "needs: amp_learning_v1" in refused.stderr
    assert "Nothing was deleted" in refused.stderr
    assert json.loads(run("doctor", "--prune", "--yes", "--json", *place).stdout) == {
        "deleted": ["amp_learning_v1"]
    }
    again = run("doctor", "--prune", "--yes", *place)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "Nothing is left over" in again.stderr


def test_there_is_nothing_to_prune_where_there_is_no_store(data, run):
    refused = run("doctor", "--prune", "--yes", "--data", data)
    assert refused.exit_code == 1
    assert "There is no store" in refused.stderr
    assert not data.exists()
